/*-------------------------------------------------------------------------
 *
 * schema.c
 *		Where the extension lives, and how its statements are run: with its
 *		schema written out, with nothing of the caller's search_path, and in
 *		the worker inside a transaction that cannot hang.
 *
 * A DBA may have set anything in postgresql.conf: transactions that are
 * read-only or serializable by default, a statement_timeout, a standby that
 * every commit waits for.  The worker's own transactions must commit all the
 * same, and soon, so it overrides these for itself at its start.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog/internal.h"
#include "catalog/notify.h"

/* The worker gives up on a lock that somebody else keeps; its turn is tried again later. */
#define WORKER_LOCK_TIMEOUT "1s"

/* For a lock that was waited for in vain before. */
#define WORKER_LOCK_TIMEOUT_HURRIED "100ms"

/* Where fo_catalog_end returns to: a commit leaves another context current. */
static MemoryContext caller_context = NULL;

Oid
fo_catalog_namespace(void)
{
	Oid			extension = get_extension_oid("failover", true);
	Oid			namespace = InvalidOid;
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;
	ScanKeyData key;

	if (!OidIsValid(extension))
		return InvalidOid;

	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(relation, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		namespace = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return namespace;
}

/* Quoted schema of the extension in this database, palloc'd; NULL if it is not installed.  Needs a transaction, no SPI. */
static char *
quoted_schema(void)
{
	Oid			namespace = fo_catalog_namespace();
	char	   *name;

	if (!OidIsValid(namespace))
		return NULL;
	name = get_namespace_name(namespace);
	return name ? pstrdup(quote_identifier(name)) : NULL;
}

void
fo_catalog_raise_missing(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"failover\" is not installed in this database"),
			 errhint("Run CREATE EXTENSION failover.")));
}

/* sql with each %s replaced by the schema. */
static char *
qualify(const char *sql, const char *schema)
{
	StringInfoData text;
	const char *mark;

	initStringInfo(&text);
	while ((mark = strstr(sql, "%s")) != NULL)
	{
		appendBinaryStringInfo(&text, sql, mark - sql);
		appendStringInfoString(&text, schema);
		sql = mark + 2;
	}
	appendStringInfoString(&text, sql);
	return text.data;
}

/*
 * Tables are written with their schema; operators and functions are not, so
 * the search_path is ours while the statement runs.  An error undoes that
 * with the (sub)transaction.
 */
uint64
fo_catalog_execute(const char *sql, int nargs, Oid *types, Datum *values,
				   const char *nulls, bool is_read_only)
{
	char	   *schema = quoted_schema();
	char	   *text;
	int			nest_level;
	int			result;

	if (schema == NULL)
		fo_catalog_raise_missing();
	text = qualify(sql, schema);

	nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	result = SPI_execute_with_args(text, nargs, types, values, nulls, is_read_only, 0);
	AtEOXact_GUC(false, nest_level);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", text, SPI_result_code_string(result));

	pfree(text);
	pfree(schema);
	return SPI_processed;
}

static void
override(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * lock_timeout works through SIGINT, which a background worker with a database
 * handles as a cancel of its statement unless it has said otherwise.
 */
void
fo_catalog_worker_init(void)
{
	override("search_path", "pg_catalog, pg_temp");
	override("synchronous_commit", "local");
	override("lock_timeout", WORKER_LOCK_TIMEOUT);
	override("statement_timeout", "0");
	override("idle_in_transaction_session_timeout", "0");
	override("default_transaction_isolation", "read committed");
	override("default_transaction_read_only", "off");
	override("default_transaction_deferrable", "off");
	override("row_security", "off");
	fo_catalog_notify_as_worker();
}

void
fo_catalog_worker_hurry(bool is_hurrying)
{
	override("lock_timeout", is_hurrying ? WORKER_LOCK_TIMEOUT_HURRIED : WORKER_LOCK_TIMEOUT);
}

bool
fo_catalog_begin(const char *activity)
{
	MemoryContext context = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();

	if (quoted_schema() == NULL)
	{
		CommitTransactionCommand();
		MemoryContextSwitchTo(context);
		return false;
	}

	caller_context = context;
	fo_catalog_notify_begin();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
	return true;
}

void
fo_catalog_end(void)
{
	bool		is_notified;

	SPI_finish();
	PopActiveSnapshot();
	is_notified = fo_catalog_notify_send();
	CommitTransactionCommand();
	fo_catalog_notify_committed(is_notified);
	MemoryContextSwitchTo(caller_context);

	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}
