/*-------------------------------------------------------------------------
 *
 * probe.c
 *		The status query and the reading of its row.
 *
 * It runs once per check interval on every peer, so it is lean: prepared once
 * per session, one row, no view that joins pg_stat_activity (that costs the
 * peer time in proportion to its backends).
 *
 * One statement serves every role and every server from 15 to 18.  Settings
 * that only members of pg_read_all_settings may see are read inside a CASE,
 * which evaluates its branch only if the role is one; statistics functions
 * show other roles NULL, and is_privileged tells the reader that these NULLs
 * mean "not allowed to know".  What the role may do is asked in every check, too:
 * a switchover that finds out about it only when the old primary has stopped
 * leaves nobody who takes writes.
 *
 * Whether the server is in recovery is asked once, in a subquery that the
 * planner may not flatten (the function is volatile): a promotion in the middle of the query
 * cannot make the columns of one row contradict each other.
 *
 * The timeline comes from the WAL position, since the control file shows the
 * one of the last checkpoint, which lags behind a promotion; it is consulted
 * only by a standby that has no walreceiver.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "net/probe.h"
#include "net/session.h"

/* The columns of the status query, in order. */
typedef enum FoColumn
{
	COL_IN_RECOVERY = 0,
	COL_TIMELINE,
	COL_LSN,
	COL_SYSTEM_IDENTIFIER,
	COL_RECEIVER_PID,
	COL_RECEIVER_STATUS,
	COL_RECEIVER_TIMELINE,
	COL_MESSAGE_AGE,
	COL_UPSTREAM_HOST,
	COL_UPSTREAM_PORT,
	COL_STREAMING_STANDBYS,
	COL_SYNC_STANDBYS,
	COL_LISTED_STANDBYS,
	COL_CONNECTIONS,
	COL_REPLAY_PAUSED,
	COL_APPLY_DELAY,
	COL_STARTED_AT,
	COL_SERVER_VERSION,
	COL_READ_ONLY,
	COL_PRIVILEGED,
	COL_OPERABLE,
	COL_PRIMARY_CONNINFO,
	COL_SLOT_NAME,
	COL_SYNC_NAMES,
	COL_CLUSTER_NAME,
	COL_N,

	/* With the node library: */
	COL_NODE_TERM = COL_N,
	COL_LEASE_UNTIL,
	COL_CLOCK,
	COL_WALL,
	COL_INCARNATION,
	COL_ARMED,
	COL_MAY_COMMIT,
	COL_FENCED_TERM,
	COL_STANDBYS_VERSION,
	COL_REJOIN_PHASE,
	COL_REJOIN_REPORT,
	COL_COORDINATOR,
	COL_WORKER_RUNNING,
	COL_REJOIN_TERM,
	COL_LOST_BYTES,
	COL_PREPARABLE,
	COL_MAY_CLONE,
	COL_NODE_N
} FoColumn;

/* LSNs leave as decimal numbers, times in microseconds: nothing depends on DateStyle or IntervalStyle. */
#define STATUS_COLUMNS \
	"SELECT s.rec," \
	" CASE WHEN NOT s.rec THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int8" \
	"  WHEN r.received_tli > 0 THEN r.received_tli" \
	"  ELSE GREATEST((SELECT timeline_id FROM pg_control_checkpoint())," \
	"   (SELECT min_recovery_end_timeline FROM pg_control_recovery())) END," \
	" CASE WHEN s.rec THEN GREATEST(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())" \
	"  ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn," \
	" (SELECT system_identifier FROM pg_control_system())," \
	" r.pid, r.status, r.received_tli," \
	" (extract(epoch FROM clock_timestamp() - r.last_msg_receipt_time) * 1000000)::int8," \
	" r.sender_host, r.sender_port," \
	" w.streaming, w.sync, w.listed," \
	" CASE WHEN $1 THEN (SELECT count(datid) FROM pg_stat_get_activity(NULL)) END," \
	" CASE WHEN s.rec THEN pg_is_wal_replay_paused() ELSE false END," \
	" (extract(epoch FROM current_setting('recovery_min_apply_delay')::interval) * 1000)::int8," \
	" (extract(epoch FROM pg_postmaster_start_time() - '2000-01-01 00:00:00+00'::timestamptz) * 1000000)::int8," \
	" current_setting('server_version_num')," \
	" current_setting('default_transaction_read_only')::bool," \
	" s.priv, s.may_operate," \
	" CASE WHEN s.priv THEN current_setting('primary_conninfo') END," \
	" current_setting('primary_slot_name')," \
	" current_setting('synchronous_standby_names')," \
	" current_setting('cluster_name')"

/* %s: the function that a promotion begins with, as a literal.  It may be missing: NULL. */
#define NODE_COLUMNS \
	", h.node_term, h.lease_until_us, h.clock_us," \
	" (extract(epoch FROM clock_timestamp()) * 1000000)::int8, h.node_incarnation, h.armed, h.may_commit," \
	" h.fenced_term, h.node_standbys_version, h.rejoin_phase, h.rejoin_report, h.node_coordinator, h.worker_running," \
	" h.rejoin_term, h.lost_bytes," \
	" has_function_privilege(to_regprocedure(%s), 'EXECUTE')," \
	" current_setting('failover.allow_clone', true)::bool"

#define STATUS_TABLES \
	" FROM (SELECT pg_is_in_recovery() AS rec," \
	"  pg_has_role('pg_read_all_settings', 'USAGE') AND pg_has_role('pg_read_all_stats', 'USAGE') AS priv," \
	"  has_function_privilege('pg_promote(boolean, integer)'::regprocedure, 'EXECUTE')" \
	"  AND has_function_privilege('pg_reload_conf()'::regprocedure, 'EXECUTE')" \
	"  AND has_parameter_privilege('primary_conninfo', 'ALTER SYSTEM')" \
	"  AND current_setting('allow_alter_system', true) IS DISTINCT FROM 'off' AS may_operate" \
	"  OFFSET 0) s" \
	" LEFT JOIN pg_stat_get_wal_receiver() r ON true" \
	" CROSS JOIN (SELECT count(*) FILTER (WHERE state = 'streaming') AS streaming," \
	"  count(*) FILTER (WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')) AS sync," \
	"  count(*) FILTER (WHERE state = 'streaming' AND sync_priority > 0) AS listed" \
	"  FROM pg_stat_get_wal_senders()) w"

/*
 * One string, hence one round trip.
 * force_generic_plan: the only parameter does not matter to the planner.
 */
static const char *const setup_statements[] = {
	FO_NET_SESSION ";"
	" SET statement_timeout = '60s';"
	" SET lock_timeout = '5s';"
	" SET idle_in_transaction_session_timeout = '60s';"
	" SET plan_cache_mode = force_generic_plan;"
	" PREPARE " FO_PROBE_STATEMENT " (bool) AS " STATUS_COLUMNS STATUS_TABLES,
	NULL
};

const char *const *
fo_net_probe_setup(void)
{
	return setup_statements;
}

/*
 * The extension must be there with the functions, and this role must be let
 * to call them.  A server that has the extension but does not preload the
 * library as a node would refuse the call.
 */
const char *
fo_net_probe_library_query(void)
{
	return "SELECT quote_ident(n.nspname),"
		" (SELECT count(*) FROM pg_prepared_statements WHERE name IN ('" FO_PROBE_NODE_STATEMENT "', '" FO_PROBE_LOOK_STATEMENT "'))"
		" FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
		" JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = 'failover_node_heartbeat'"
		" WHERE e.extname = 'failover' AND has_function_privilege(p.oid, 'EXECUTE')"
		" AND has_schema_privilege(n.oid, 'USAGE')"
		" AND current_setting('failover.role', true) = 'node'"
		" AND current_setting('failover.restart_method', true) IS NOT NULL";
}

static char *
preparing_function(const char *schema)
{
	return quote_literal_cstr(psprintf("%s.failover_node_prepare_promotion(bigint, bigint, text)", schema));
}

/* Heartbeat and status are volatile functions of one row: they run once. */
char *
fo_net_probe_prepare_look(const char *schema)
{
	return psprintf("PREPARE " FO_PROBE_LOOK_STATEMENT " (bool) AS "
					STATUS_COLUMNS NODE_COLUMNS STATUS_TABLES
					" CROSS JOIN %s.failover_node_status() h",
					preparing_function(schema), schema);
}

char *
fo_net_probe_prepare_node(const char *schema)
{
	return psprintf("PREPARE " FO_PROBE_NODE_STATEMENT
					" (bool, int8, int8, int8, int8, text, text, text, text, int8, text[]) AS "
					STATUS_COLUMNS NODE_COLUMNS STATUS_TABLES
					" CROSS JOIN %s.failover_node_heartbeat($2, $3, $4, $5, $6, $7, $8, $9, $10, $11) h",
					preparing_function(schema), schema);
}

void
fo_net_probe_call_node(FoLink *link, bool with_connections, const FoHeartbeat *heartbeat,
					   int64 timeout_ms, FoCallCallback callback, void *arg)
{
	const char *params[11];

	params[0] = with_connections ? "t" : "f";
	params[1] = psprintf(INT64_FORMAT, heartbeat->term);
	params[2] = psprintf(INT64_FORMAT, (int64) heartbeat->valid_until);
	params[3] = psprintf(INT64_FORMAT, heartbeat->lease_us);
	params[4] = psprintf(INT64_FORMAT, heartbeat->incarnation);
	params[5] = heartbeat->coordinator;
	params[6] = heartbeat->group;
	params[7] = heartbeat->peer;
	params[8] = heartbeat->holder;
	params[9] = psprintf(INT64_FORMAT, heartbeat->standbys_version);
	params[10] = heartbeat->standbys;
	fo_net_link_call_prepared(link, FO_PROBE_NODE_STATEMENT, lengthof(params), params, timeout_ms, callback, arg);
}

static void
call_status(FoLink *link, const char *statement, bool with_connections, int64 timeout_ms,
			FoCallCallback callback, void *arg)
{
	const char *params[1];

	params[0] = with_connections ? "t" : "f";
	fo_net_link_call_prepared(link, statement, 1, params, timeout_ms, callback, arg);
}

void
fo_net_probe_call_look(FoLink *link, bool with_connections, int64 timeout_ms, FoCallCallback callback, void *arg)
{
	call_status(link, FO_PROBE_LOOK_STATEMENT, with_connections, timeout_ms, callback, arg);
}

void
fo_net_probe_call(FoLink *link, bool with_connections, int64 timeout_ms,
				  FoCallCallback callback, void *arg)
{
	call_status(link, FO_PROBE_STATEMENT, with_connections, timeout_ms, callback, arg);
}

/* ---- values of the row ---- */

static const char *
text_of(const PGresult *result, FoColumn column)
{
	return PQgetisnull(result, 0, column) ? NULL : PQgetvalue(result, 0, column);
}

static bool
bool_of(const PGresult *result, FoColumn column)
{
	const char *text = text_of(result, column);

	return text != NULL && text[0] == 't';
}

/* A number between low and high; missing if NULL.  Clears *is_good if it is anything else. */
static int64
number_of(const PGresult *result, FoColumn column, int64 low, int64 high, int64 missing, bool *is_good)
{
	const char *text = text_of(result, column);
	char	   *end;
	long long	value;

	if (text == NULL)
		return missing;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < low || value > high)
	{
		*is_good = false;
		return missing;
	}
	return value;
}

/* As number_of, for the whole range of an unsigned 64-bit number; 0 if NULL. */
static uint64
position_of(const PGresult *result, FoColumn column, bool *is_good)
{
	const char *text = text_of(result, column);
	char	   *end;
	unsigned long long value;

	if (text == NULL)
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-')
	{
		*is_good = false;
		return 0;
	}
	return value;
}

/* pg_control_system() shows the identifier as a signed number. */
static uint64
identifier_of(const PGresult *result, bool *is_good)
{
	return (uint64) number_of(result, COL_SYSTEM_IDENTIFIER, PG_INT64_MIN, PG_INT64_MAX, 0, is_good);
}

/* A peer's text, made fit for our tables and cut. */
void
fo_net_copy_name(char *to, size_t size, const char *from)
{
	char	   *copy = pstrdup(from ? from : "");

	fo_net_clean_text(copy);
	fo_core_copy_text(to, size, copy);
	pfree(copy);
}

static FoReceiver
receiver_of(const PGresult *result)
{
	const char *status = text_of(result, COL_RECEIVER_STATUS);

	if (text_of(result, COL_RECEIVER_PID) == NULL)
		return FO_RECEIVER_NONE;
	if (status == NULL)
		return FO_RECEIVER_STARTING;
	if (strcmp(status, "streaming") == 0)
		return FO_RECEIVER_STREAMING;
	if (strcmp(status, "waiting") == 0)
		return FO_RECEIVER_WAITING;
	if (strcmp(status, "stopped") == 0)
		return FO_RECEIVER_NONE;
	return FO_RECEIVER_STARTING;
}

/* ---- primary_conninfo ---- */

/* Everything that has to do with whom the peer follows. */
static void
read_following(const PGresult *result, FoObservation *observed, char **upstream_conninfo, char **slot_name)
{
	const char *conninfo = text_of(result, COL_PRIMARY_CONNINFO);
	const char *slot = text_of(result, COL_SLOT_NAME);
	const char *cluster_name = text_of(result, COL_CLUSTER_NAME);

	if (upstream_conninfo != NULL)
		*upstream_conninfo = NULL;
	if (slot_name != NULL)
		*slot_name = slot != NULL && *slot != '\0' ? pstrdup(slot) : NULL;
	fo_net_copy_name(observed->upstream_host, FO_NAME_LEN, text_of(result, COL_UPSTREAM_HOST));
	fo_net_read_upstream(conninfo, observed, upstream_conninfo);
	observed->is_archive_only = observed->in_recovery && conninfo != NULL && *conninfo == '\0';

	/* As the walreceiver itself falls back. */
	if (observed->application_name[0] == '\0')
		fo_net_copy_name(observed->application_name, FO_NAME_LEN,
				  cluster_name != NULL && *cluster_name != '\0' ? cluster_name : "walreceiver");
}

/* Numbers and flags.  False if one is not what its column should hold. */
static bool
read_numbers(const PGresult *result, FoObservation *observed)
{
	bool		is_good = true;

	observed->in_recovery = bool_of(result, COL_IN_RECOVERY);
	observed->timeline = (uint32) number_of(result, COL_TIMELINE, 0, PG_UINT32_MAX, 0, &is_good);
	observed->lsn = position_of(result, COL_LSN, &is_good);
	observed->system_identifier = identifier_of(result, &is_good);
	observed->receiver = receiver_of(result);
	observed->receiver_timeline = (uint32) number_of(result, COL_RECEIVER_TIMELINE, 0, PG_UINT32_MAX, 0, &is_good);
	observed->message_age_us = number_of(result, COL_MESSAGE_AGE, PG_INT64_MIN, PG_INT64_MAX, -1, &is_good);
	observed->upstream_port = (int32) number_of(result, COL_UPSTREAM_PORT, -1, PG_INT32_MAX, 0, &is_good);
	observed->streaming_standbys = (int32) number_of(result, COL_STREAMING_STANDBYS, 0, PG_INT32_MAX, 0, &is_good);
	observed->sync_standbys = (int32) number_of(result, COL_SYNC_STANDBYS, 0, PG_INT32_MAX, 0, &is_good);
	observed->listed_standbys = (int32) number_of(result, COL_LISTED_STANDBYS, 0, PG_INT32_MAX, 0, &is_good);
	observed->connections = (int32) number_of(result, COL_CONNECTIONS, 0, PG_INT32_MAX, observed->connections, &is_good);
	observed->is_replay_paused = bool_of(result, COL_REPLAY_PAUSED);
	observed->apply_delay_ms = number_of(result, COL_APPLY_DELAY, 0, PG_INT64_MAX, 0, &is_good);
	observed->started_at = number_of(result, COL_STARTED_AT, PG_INT64_MIN, PG_INT64_MAX, 0, &is_good);
	observed->server_version = (int32) number_of(result, COL_SERVER_VERSION, 0, PG_INT32_MAX, 0, &is_good);
	observed->is_read_only = bool_of(result, COL_READ_ONLY);
	observed->is_privileged = bool_of(result, COL_PRIVILEGED);
	observed->is_inoperable = !bool_of(result, COL_OPERABLE);

	/* A clock that was set back since the message: as good as none. */
	if (observed->message_age_us < -1)
		observed->message_age_us = 0;
	return is_good && !PQgetisnull(result, 0, COL_IN_RECOVERY);
}

/* The columns that only the node library fills in. */
static bool
read_node(const PGresult *result, FoObservation *observed)
{
	bool		is_good = true;

	observed->has_node_library = true;
	observed->term = number_of(result, COL_NODE_TERM, PG_INT64_MIN, PG_INT64_MAX, 0, &is_good);
	observed->lease_until_us = number_of(result, COL_LEASE_UNTIL, PG_INT64_MIN, PG_INT64_MAX, 0, &is_good);
	observed->clock_us = number_of(result, COL_CLOCK, 0, PG_INT64_MAX, 0, &is_good);
	observed->wall_us = number_of(result, COL_WALL, PG_INT64_MIN, PG_INT64_MAX, 0, &is_good);
	observed->incarnation = number_of(result, COL_INCARNATION, PG_INT64_MIN, PG_INT64_MAX, 0, &is_good);
	observed->is_armed = bool_of(result, COL_ARMED);
	observed->may_commit = bool_of(result, COL_MAY_COMMIT);
	observed->fenced_term = number_of(result, COL_FENCED_TERM, PG_INT64_MIN, PG_INT64_MAX, -1, &is_good);
	observed->standbys_version = number_of(result, COL_STANDBYS_VERSION, PG_INT64_MIN, PG_INT64_MAX, 0, &is_good);
	fo_net_copy_name(observed->rejoin_phase, sizeof(observed->rejoin_phase), text_of(result, COL_REJOIN_PHASE));
	fo_net_copy_name(observed->rejoin_report, sizeof(observed->rejoin_report), text_of(result, COL_REJOIN_REPORT));
	fo_net_copy_name(observed->coordinator, sizeof(observed->coordinator), text_of(result, COL_COORDINATOR));
	observed->has_node_worker = bool_of(result, COL_WORKER_RUNNING);
	observed->rejoin_term = number_of(result, COL_REJOIN_TERM, 0, PG_INT64_MAX, 0, &is_good);
	observed->lost_bytes = number_of(result, COL_LOST_BYTES, 0, PG_INT64_MAX, -1, &is_good);
	observed->is_inoperable = observed->is_inoperable || !bool_of(result, COL_PREPARABLE);
	observed->may_clone = bool_of(result, COL_MAY_CLONE);
	return is_good;
}

bool
fo_net_probe_read(const PGresult *result, FoTime now, FoObservation *observed,
				  char **upstream_conninfo, char **slot_name, FoNetError *error)
{
	FoObservation fresh = {0};

	if (PQntuples(result) != 1 || (PQnfields(result) != COL_N && PQnfields(result) != COL_NODE_N))
	{
		fo_net_error_set(error, FO_ERROR_PROTOCOL, "its answer to the status query has %d rows of %d columns",
						 PQntuples(result), PQnfields(result));
		return false;
	}
	/* Before the first count it is unknown. */
	fresh.connections = observed->at != 0 ? observed->connections : -1;
	if (!read_numbers(result, &fresh) || (PQnfields(result) == COL_NODE_N && !read_node(result, &fresh)))
	{
		fo_net_error_set(error, FO_ERROR_PROTOCOL, "its answer to the status query makes no sense");
		return false;
	}
	read_following(result, &fresh, upstream_conninfo, slot_name);
	fo_net_copy_name(fresh.sync_names, FO_SYNC_NAMES_LEN, text_of(result, COL_SYNC_NAMES));
	fresh.at = now;
	*observed = fresh;
	return true;
}
