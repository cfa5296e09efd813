/*-------------------------------------------------------------------------
 *
 * heartbeat.c
 *		The functions that the coordinator calls on a data server: heartbeat,
 *		status, fence, demote, rejoin, prepare_promotion, release.
 *
 * All of them answer with the same row, the node's status after what they
 * did, so that the coordinator grants a lease and looks at the server in one
 * round trip.  They work on a standby too: its term must be known before it is
 * promoted, and a lease granted just before the promotion lets it take writes
 * from its first moment.
 *
 * They act on the server as a whole; EXECUTE is revoked from PUBLIC and given
 * to the coordinator's role.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "compat.h"
#include "core/conninfo.h"
#include "libpq-fe.h"
#include "node/node.h"

PG_FUNCTION_INFO_V1(failover_node_heartbeat);
PG_FUNCTION_INFO_V1(failover_node_status);
PG_FUNCTION_INFO_V1(failover_node_fence);
PG_FUNCTION_INFO_V1(failover_node_demote);
PG_FUNCTION_INFO_V1(failover_node_rejoin);
PG_FUNCTION_INFO_V1(failover_node_release);
PG_FUNCTION_INFO_V1(failover_node_prepare_promotion);

/* Columns of the status row, in order. */
enum
{
	STATUS_TERM = 0,
	STATUS_LEASE_UNTIL,
	STATUS_CLOCK,
	STATUS_INCARNATION,
	STATUS_ARMED,
	STATUS_MAY_COMMIT,
	STATUS_FENCED_TERM,
	STATUS_COORDINATOR,
	STATUS_HOLDER,
	STATUS_STANDBYS_VERSION,
	STATUS_REJOIN_PHASE,
	STATUS_REJOIN_ATTEMPTS,
	STATUS_REJOIN_REPORT,
	STATUS_REJOIN_MS,
	STATUS_REWIND_MS,
	STATUS_SYNC_IN_FORCE,
	STATUS_WORKER_RUNNING,
	STATUS_REJOIN_TERM,
	STATUS_LOST_BYTES,
	STATUS_LOST_COMMITS,
	STATUS_N
};

#define ATTEMPTS_DEFAULT 3
#define BACKOFF_DEFAULT_MS 5000

/* Longest lease anybody can mean: it bounds how long a lost server could hold up its group. */
#define LEASE_MAX_US ((int64) 3600 * 1000000)

static Datum
text_or_null(const char *value, bool *is_null)
{
	*is_null = value[0] == '\0';
	return *is_null ? (Datum) 0 : CStringGetTextDatum(value);
}

/* The status row.  The clock is read last: the coordinator counts from it. */
static Datum
status_row(FunctionCallInfo fcinfo)
{
	TupleDesc	descriptor;
	Datum		values[STATUS_N];
	bool		nulls[STATUS_N] = {false};
	FoNodeState state;
	FoLease		lease;
	const FoRejoin *rejoin = &state.rejoin;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE || descriptor->natts != STATUS_N)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the installed extension does not match the library"),
				 errhint("Run ALTER EXTENSION failover UPDATE on the primary.")));

	LWLockAcquire(fo_node->lock, LW_SHARED);
	state = fo_node->state;
	lease = fo_node->lease;
	values[STATUS_INCARNATION] = Int64GetDatum(fo_node->incarnation);
	values[STATUS_STANDBYS_VERSION] = Int64GetDatum(fo_node->lease.version);
	values[STATUS_WORKER_RUNNING] = BoolGetDatum(fo_node->worker_latch != NULL);
	LWLockRelease(fo_node->lock);

	values[STATUS_TERM] = Int64GetDatum(lease.term);
	values[STATUS_LEASE_UNTIL] = Int64GetDatum(lease.valid_until);
	values[STATUS_ARMED] = BoolGetDatum(state.is_armed);
	values[STATUS_MAY_COMMIT] = BoolGetDatum(!RecoveryInProgress() && fo_node_may_commit());
	values[STATUS_FENCED_TERM] = Int64GetDatum(lease.fenced_term);
	nulls[STATUS_FENCED_TERM] = lease.fenced_term < 0;
	values[STATUS_COORDINATOR] = text_or_null(state.coordinator, &nulls[STATUS_COORDINATOR]);
	values[STATUS_HOLDER] = text_or_null(state.holder, &nulls[STATUS_HOLDER]);
	values[STATUS_REJOIN_PHASE] = CStringGetTextDatum(fo_node_phase_name(rejoin->phase));
	values[STATUS_REJOIN_ATTEMPTS] = Int32GetDatum(rejoin->attempts);
	values[STATUS_REJOIN_REPORT] = text_or_null(rejoin->report, &nulls[STATUS_REJOIN_REPORT]);
	values[STATUS_REJOIN_MS] = Float8GetDatum((rejoin->finished_at - rejoin->requested_at) / 1000.0);
	nulls[STATUS_REJOIN_MS] = rejoin->finished_at == 0;
	values[STATUS_REWIND_MS] = Float8GetDatum((double) rejoin->rewind_ms);
	nulls[STATUS_REWIND_MS] = rejoin->finished_at == 0 || rejoin->rewind_ms < 0;
	values[STATUS_REJOIN_TERM] = Int64GetDatum(rejoin->term);
	nulls[STATUS_REJOIN_TERM] = rejoin->term == 0;
	values[STATUS_LOST_BYTES] = Int64GetDatum(rejoin->lost_bytes);
	values[STATUS_LOST_COMMITS] = Int64GetDatum(rejoin->lost_commits);
	nulls[STATUS_LOST_BYTES] = !rejoin->is_loss_known;
	nulls[STATUS_LOST_COMMITS] = !rejoin->is_loss_known || rejoin->lost_commits < 0;
	values[STATUS_SYNC_IN_FORCE] = BoolGetDatum(fo_compat_is_sync_in_force());
	values[STATUS_CLOCK] = Int64GetDatum(fo_node_clock());

	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* ---- arguments ---- */

/* Copy a name argument; NULL gives ''.  A name that does not fit is refused, not cut: two could become one. */
static void
name_argument(FunctionCallInfo fcinfo, int number, const char *what, char *to)
{
	char	   *value;

	memset(to, 0, FO_NAME_LEN);
	if (PG_ARGISNULL(number))
		return;
	value = text_to_cstring(PG_GETARG_TEXT_PP(number));
	if (strlen(value) >= FO_NAME_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is longer than %d bytes", what, FO_NAME_LEN - 1),
				 errhint("Use a shorter name.")));
	strlcpy(to, value, FO_NAME_LEN);
}

static int64
bigint_argument(FunctionCallInfo fcinfo, int number, const char *what, int64 minimum, int64 maximum, int64 if_null)
{
	int64		value = PG_ARGISNULL(number) ? if_null : PG_GETARG_INT64(number);

	if (value < minimum || value > maximum)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range: %lld", what, (long long) value),
				 errhint("It is from %lld to %lld.", (long long) minimum, (long long) maximum)));
	return value;
}

static int64
term_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("term must not be null"),
				 errhint("failover_node_status() tells the term of this server.")));
	return bigint_argument(fcinfo, 0, "term", 0, PG_INT64_MAX, 0);
}

/* Names as walsenders show them.  Two that became one would give one standby two words: neither of them counts. */
static void
clean_standbys(int n, char (*names)[FO_NAME_LEN])
{
	static const char nobody[] = "\001";	/* no application_name holds this */

	for (int i = 0; i < n; i++)
		fo_compat_clean_name(names[i], FO_NAME_LEN);
	for (int i = 0; i < n; i++)
	{
		bool		is_shared = false;

		for (int j = i + 1; j < n; j++)
		{
			if (strcmp(names[i], names[j]) != 0 || strcmp(names[i], nobody) == 0)
				continue;
			is_shared = true;
			strlcpy(names[j], nobody, FO_NAME_LEN);
		}
		if (is_shared)
			strlcpy(names[i], nobody, FO_NAME_LEN);
	}
}

/* The standbys that renew; -1 when the argument is NULL. */
static int
standbys_argument(FunctionCallInfo fcinfo, int number, char (*names)[FO_NAME_LEN])
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(number))
		return -1;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	if (n > FO_LEASE_STANDBYS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at most %d standbys can renew a lease", FO_LEASE_STANDBYS_MAX),
				 errhint("Name fewer of them.")));
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? "" : TextDatumGetCString(elements[i]);

		if (name[0] == '\0' || strlen(name) >= FO_NAME_LEN)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the name of a standby must have 1 to %d bytes", FO_NAME_LEN - 1),
					 errhint("Use the application_name of its walreceiver.")));
		strlcpy(names[i], name, FO_NAME_LEN);
		for (int j = 0; j < i; j++)
		{
			if (strcmp(names[i], names[j]) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("standby \"%s\" is listed twice", name),
						 errhint("Each standby has one word in the renewal of a lease.")));
		}
	}
	clean_standbys(n, names);
	return n;
}

/*
 * The conninfo to follow.  It is stored and shown, so it must not carry a
 * secret; nor may it say what is ours to say, or be a URI: pairs are added to it.
 */
static void
check_conninfo(const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	bool		is_usable = options != NULL && conninfo[0] != '\0' && strlen(conninfo) < FO_NODE_CONNINFO_LEN &&
		strpbrk(conninfo, "\r\n") == NULL && !fo_core_conninfo_is_uri(conninfo);

	for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
	{
		if (option->val != NULL &&
			(fo_core_conninfo_is_secret(option->keyword) ||
			 strcmp(option->keyword, "service") == 0 || strcmp(option->keyword, "replication") == 0))
			is_usable = false;
	}
	PQconninfoFree(options);
	if (!is_usable)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid connection string of the server to follow"),
				 errhint("It needs keyword=value pairs on one line of at most %d bytes, and no URI, without passwords and keys, service and replication; credentials come from failover.passfile.",
						 FO_NODE_CONNINFO_LEN - 1)));
}

static void
conninfo_argument(FunctionCallInfo fcinfo, int number, char *to)
{
	const char *conninfo = PG_ARGISNULL(number) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(number));

	check_conninfo(conninfo);
	strlcpy(to, conninfo, FO_NODE_CONNINFO_LEN);
}

char **
fo_node_conninfos(ArrayType *array, int *n)
{
	Datum	   *elements;
	bool	   *nulls;
	char	  **conninfos;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, n);
	conninfos = palloc((*n + 1) * sizeof(char *));
	for (int i = 0; i < *n; i++)
	{
		conninfos[i] = nulls[i] ? pstrdup("") : TextDatumGetCString(elements[i]);
		check_conninfo(conninfos[i]);
	}
	return conninfos;
}

/* Whom else it may follow: one per line, those that there is room for. */
static void
upstreams_argument(FunctionCallInfo fcinfo, int number, char *to)
{
	char	  **conninfos = NULL;
	size_t		length = 0;
	int			n = 0;

	if (!PG_ARGISNULL(number))
		conninfos = fo_node_conninfos(PG_GETARG_ARRAYTYPE_P(number), &n);
	for (int i = 0; i < n; i++)
	{
		if (length + strlen(conninfos[i]) + 2 > FO_NODE_UPSTREAMS_LEN)
			continue;
		length += snprintf(to + length, FO_NODE_UPSTREAMS_LEN - length, "%s%s", length > 0 ? "\n" : "", conninfos[i]);
	}
}

/* ---- the functions ---- */

/* (term, valid_until_us, lease_us, incarnation, coordinator, group_name, peer_name, holder, standbys_version, standbys) */
Datum
failover_node_heartbeat(PG_FUNCTION_ARGS)
{
	FoNodeHeartbeat heartbeat;
	char		standbys[FO_LEASE_STANDBYS_MAX][FO_NAME_LEN];

	fo_node_require();
	memset(&heartbeat, 0, sizeof(heartbeat));
	heartbeat.term = term_argument(fcinfo);
	heartbeat.valid_until = bigint_argument(fcinfo, 1, "valid_until_us", 0, PG_INT64_MAX / 2, 0);
	heartbeat.lease_us = bigint_argument(fcinfo, 2, "lease_us", 0, LEASE_MAX_US, 0);
	heartbeat.incarnation = bigint_argument(fcinfo, 3, "incarnation", 0, PG_INT64_MAX, 0);
	name_argument(fcinfo, 4, "coordinator", heartbeat.coordinator);
	name_argument(fcinfo, 5, "group_name", heartbeat.group);
	name_argument(fcinfo, 6, "peer_name", heartbeat.peer);
	name_argument(fcinfo, 7, "holder", heartbeat.holder);
	heartbeat.standbys_version = bigint_argument(fcinfo, 8, "standbys_version", 0, PG_INT64_MAX, 0);
	heartbeat.standbys_n = standbys_argument(fcinfo, 9, standbys);
	heartbeat.standbys = standbys;

	if (fo_node_hear(&heartbeat) == FO_GRANT_ABSURD)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the offered lease ends later than any clock reading of this server allows"),
				 errhint("valid_until_us is clock_us of an earlier reply plus lease_us.")));
	PG_RETURN_DATUM(status_row(fcinfo));
}

/* () */
Datum
failover_node_status(PG_FUNCTION_ARGS)
{
	fo_node_require();
	PG_RETURN_DATUM(status_row(fcinfo));
}

/*
 * What was committed with synchronous_commit = off is acknowledged before it
 * is flushed, and reaches the standbys only then.  A record of our own, since
 * the insert position may lie behind a page header that is not there yet.
 */
static void
flush_acknowledged(void)
{
	static const char message[] = "fence";

	if (!RecoveryInProgress())
		XLogFlush(fo_compat_log_message("failover", message, sizeof(message) - 1));
}

/* (term, coordinator, holder) */
Datum
failover_node_fence(PG_FUNCTION_ARGS)
{
	int64		term;
	char		coordinator[FO_NAME_LEN];
	char		holder[FO_NAME_LEN];

	fo_node_require();
	term = term_argument(fcinfo);
	name_argument(fcinfo, 1, "coordinator", coordinator);
	name_argument(fcinfo, 2, "holder", holder);
	fo_node_fence(term, coordinator, holder);
	flush_acknowledged();
	PG_RETURN_DATUM(status_row(fcinfo));
}

/* (term, timeline, coordinator) */
Datum
failover_node_prepare_promotion(PG_FUNCTION_ARGS)
{
	int64		term;
	int64		timeline;
	char		coordinator[FO_NAME_LEN];

	fo_node_require();
	term = term_argument(fcinfo);
	timeline = bigint_argument(fcinfo, 1, "timeline", 2, PG_UINT32_MAX, 0);
	name_argument(fcinfo, 2, "coordinator", coordinator);
	if (!RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this server is not a standby"),
				 errhint("Only a standby can be promoted.")));
	fo_node_complete_segment();
	fo_node_prepare_promotion(term, (uint32) timeline, coordinator);
	PG_RETURN_DATUM(status_row(fcinfo));
}

/* () */
Datum
failover_node_release(PG_FUNCTION_ARGS)
{
	fo_node_require();
	fo_node_release();
	if (fo_compat_is_sync_in_force() && !RecoveryInProgress())
		ereport(NOTICE,
				(errmsg("commits on this server wait for standbys that synchronous_standby_names names"),
				 errdetail("It is set to \"%s\".", SyncRepStandbyNames),
				 errhint("Where none of them follows this server yet, make one follow it, or reset synchronous_standby_names and reload.")));
	PG_RETURN_DATUM(status_row(fcinfo));
}

/* Record the request.  The worker stops the server, so that this answer can leave first. */
static Datum
become_standby(FunctionCallInfo fcinfo, FoRejoin *request)
{
	int64		term = term_argument(fcinfo);
	char		coordinator[FO_NAME_LEN];
	char		holder[FO_NAME_LEN];

	conninfo_argument(fcinfo, 1, request->conninfo);
	name_argument(fcinfo, 2, "slot_name", request->slot);
	name_argument(fcinfo, 3, "coordinator", coordinator);
	name_argument(fcinfo, 4, "holder", holder);
	request->requested_at = GetCurrentTimestamp();
	request->rewind_ms = -1;

	fo_node_request_rejoin(term, coordinator, holder, request);
	return status_row(fcinfo);
}

/* (term, conninfo, slot_name, coordinator, holder) */
Datum
failover_node_demote(PG_FUNCTION_ARGS)
{
	FoRejoin	request;

	fo_node_require();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this server is a standby already"),
				 errhint("failover_node_rejoin() makes it follow another primary, and rewinds it if need be.")));
	memset(&request, 0, sizeof(request));
	request.kind = FO_REJOIN_KIND_DEMOTE;
	request.max_attempts = ATTEMPTS_DEFAULT;
	request.backoff_ms = BACKOFF_DEFAULT_MS;
	PG_RETURN_DATUM(become_standby(fcinfo, &request));
}

/* (term, conninfo, slot_name, coordinator, holder, max_attempts, backoff_ms, upstreams) */
Datum
failover_node_rejoin(PG_FUNCTION_ARGS)
{
	FoRejoin	request;

	fo_node_require();
	memset(&request, 0, sizeof(request));
	request.kind = FO_REJOIN_KIND_REJOIN;
	request.max_attempts = PG_ARGISNULL(5) ? ATTEMPTS_DEFAULT : PG_GETARG_INT32(5);
	request.backoff_ms = PG_ARGISNULL(6) ? BACKOFF_DEFAULT_MS : PG_GETARG_INT32(6);
	if (request.max_attempts < 1 || request.max_attempts > 1000 ||
		request.backoff_ms < 0 || request.backoff_ms > 3600 * 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_attempts or backoff_ms is out of range"),
				 errhint("Attempts are 1 to 1000, the backoff 0 to 3600000 ms.")));
	upstreams_argument(fcinfo, 7, request.upstreams);
	PG_RETURN_DATUM(become_standby(fcinfo, &request));
}
