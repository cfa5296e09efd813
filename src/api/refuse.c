/*-------------------------------------------------------------------------
 *
 * refuse.c
 *		Refusals that many functions have in common: a transaction that may not
 *		act, and names that nobody knows.
 *
 * Whoever mistypes a name wants to see the names that there are.  They are read
 * from the tables, a few of them: a refusal may take a moment, and must not
 * depend on the coordinator.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "utils/lsyscache.h"

#include "api/api.h"
#include "catalog/catalog.h"
#include "catalog/rows.h"

/* So many names are told; the statements ask for one more, to know whether there are more. */
#define NAMES_MAX 5

void
fo_api_require_writable(FunctionCallInfo fcinfo)
{
	char	   *name;

	if (!XactReadOnly)
		return;
	name = get_func_name(fcinfo->flinfo->fn_oid);
	ereport(ERROR,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("cannot execute %s() in a read-only transaction", name ? name : "this function"),
			 errdetail("It changes the configuration, or has the coordinator act."),
			 RecoveryInProgress()
			 ? errhint("This server is a standby: call it where the coordinator runs.")
			 : errhint("Begin the transaction with BEGIN READ WRITE; \"default_transaction_read_only\" may be on.")));
}

/* The first column of the n rows that were found, as a list of quoted names. */
static char *
list_names(uint64 n)
{
	StringInfoData list;

	initStringInfo(&list);
	for (uint64 i = 0; i < Min(n, NAMES_MAX); i++)
		appendStringInfo(&list, "%s\"%s\"", i > 0 ? ", " : "", fo_catalog_column_text(i, 1));
	if (n > NAMES_MAX)
		appendStringInfoString(&list, " and others");
	return list.data;
}

void
fo_api_refuse_group(const char *group)
{
	FoParams	params = {0};
	uint64		n;

	fo_catalog_connect();
	fo_catalog_add_int(&params, NAMES_MAX + 1);
	n = fo_catalog_write("SELECT group_name FROM %s.failover_group ORDER BY group_name LIMIT $1", &params);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("group \"%s\" does not exist", group),
			 n > 0
			 ? errdetail("There are: %s.", list_names(n))
			 : errdetail("There are no groups."),
			 errhint("failover_status() shows all groups; failover_register() creates one with its first peer.")));
}

void
fo_api_refuse_peer(const char *group, const char *peer)
{
	FoParams	params = {0};
	uint64		n;

	fo_catalog_connect();
	fo_catalog_add_name(&params, group);
	fo_catalog_add_int(&params, NAMES_MAX + 1);
	n = fo_catalog_write("SELECT DISTINCT peer_name FROM %s.failover_peer WHERE $1 IS NULL OR group_name = $1"
						 " ORDER BY peer_name LIMIT $2", &params);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 group != NULL
			 ? errmsg("peer \"%s\" of group \"%s\" does not exist", peer, group)
			 : errmsg("peer \"%s\" does not exist in any group", peer),
			 n > 0
			 ? errdetail("There are: %s.", list_names(n))
			 : errdetail("There are no peers."),
			 errhint("The view failover_peers shows all peers; failover_register() adds one.")));
}
