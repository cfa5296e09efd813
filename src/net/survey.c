/*-------------------------------------------------------------------------
 *
 * survey.c
 *		The questions behind failover_preflight.
 *
 * One statement for every role and every server from 15 on: what the role may
 * not see is missing from the views, and so from the answer.  Of a setting
 * that may hold a secret (restore_command, archive_command) only whether it is
 * set leaves the peer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "net/survey.h"

/* Our own sessions change synchronous_commit: what counts is what others begin with. */
#define SETTINGS \
	"SELECT name, CASE name WHEN 'synchronous_commit' THEN reset_val ELSE setting END FROM pg_settings WHERE name IN (" \
	"'wal_log_hints', 'data_checksums', 'full_page_writes', 'fsync', 'hot_standby', 'restart_after_crash', 'allow_alter_system'," \
	" 'max_replication_slots', 'max_wal_senders', 'max_connections', 'max_worker_processes'," \
	" 'max_prepared_transactions', 'max_locks_per_transaction', 'wal_keep_size', 'max_wal_size', 'max_slot_wal_keep_size'," \
	" 'wal_receiver_timeout', 'wal_retrieve_retry_interval'," \
	" 'wal_receiver_status_interval', 'wal_level', 'archive_mode', 'recovery_target_timeline', 'synchronous_commit', 'primary_slot_name')"

/* archive_library came with 15. */
#define SECRETIVE_SETTINGS \
	" UNION ALL SELECT 'has_restore_command', (setting <> '')::text FROM pg_settings WHERE name = 'restore_command'" \
	" UNION ALL SELECT 'has_archive_command', bool_or(setting NOT IN ('', '(disabled)'))::text FROM pg_settings" \
	"  WHERE name IN ('archive_command', 'archive_library') HAVING count(*) > 0"

#define RECOVERY_TARGETS \
	" UNION ALL SELECT 'recovery_targets', name FROM pg_settings WHERE setting <> '' AND name IN (" \
	"'recovery_target', 'recovery_target_name', 'recovery_target_time', 'recovery_target_xid', 'recovery_target_lsn')"

/*
 * With whose privileges pg_rewind would read: with the library a server rewinds
 * itself, as the user of its primary_conninfo; without it our role is a guess.
 * No row: that user is not to be seen, or needs its privileges in another
 * database than ours.
 */
#define KEYWORD(name) "substring(setting FROM '(?:^|\\s)" name "\\s*=\\s*''?([^''\\s\\\\]+)')"
#define REWINDER \
	"(SELECT r.oid FROM pg_roles r JOIN pg_settings ON name = 'primary_conninfo'" \
	"  AND current_setting('failover.role', true) = 'node'" \
	"  AND rolname = " KEYWORD("user") " AND current_database() = coalesce(" KEYWORD("dbname") ", 'postgres')" \
	" UNION ALL SELECT oid FROM pg_roles" \
	"  WHERE rolname = current_user AND current_setting('failover.role', true) IS DISTINCT FROM 'node') r (rewinder)"

#define PRIVILEGES \
	" UNION ALL SELECT 'may_replicate', (rolsuper OR rolreplication)::text FROM pg_roles WHERE rolname = current_user" \
	" UNION ALL SELECT 'missing_privileges', p.name FROM (VALUES" \
	"  ('pg_monitor', pg_has_role('pg_monitor', 'USAGE'))," \
	"  ('pg_signal_backend', pg_has_role('pg_signal_backend', 'USAGE'))," \
	"  ('pg_checkpoint', pg_has_role('pg_checkpoint', 'USAGE'))," \
	"  ('EXECUTE on pg_promote', has_function_privilege('pg_catalog.pg_promote(boolean,integer)', 'EXECUTE'))," \
	"  ('EXECUTE on pg_reload_conf', has_function_privilege('pg_catalog.pg_reload_conf()', 'EXECUTE'))," \
	"  ('ALTER SYSTEM on primary_conninfo', has_parameter_privilege('primary_conninfo', 'ALTER SYSTEM'))," \
	"  ('ALTER SYSTEM on primary_slot_name', has_parameter_privilege('primary_slot_name', 'ALTER SYSTEM'))," \
	"  ('ALTER SYSTEM on synchronous_standby_names', has_parameter_privilege('synchronous_standby_names', 'ALTER SYSTEM'))," \
	"  ('ALTER SYSTEM on default_transaction_read_only', has_parameter_privilege('default_transaction_read_only', 'ALTER SYSTEM'))" \
	" ) p (name, is_held) WHERE NOT p.is_held" \
	" UNION ALL SELECT 'missing_privileges', 'EXECUTE on ' || p.proname FROM pg_proc p" \
	"  JOIN pg_extension e ON e.extnamespace = p.pronamespace AND e.extname = 'failover'" \
	"  WHERE p.proname LIKE 'failover\\_node\\_%' AND current_setting('failover.role', true) = 'node'" \
	"  AND NOT has_function_privilege(p.oid, 'EXECUTE')" \
	" UNION ALL SELECT 'missing_rewind_privileges', p.name FROM " REWINDER ", LATERAL (VALUES" \
	"  ('pg_ls_dir', has_function_privilege(rewinder, 'pg_catalog.pg_ls_dir(text,boolean,boolean)', 'EXECUTE'))," \
	"  ('pg_stat_file', has_function_privilege(rewinder, 'pg_catalog.pg_stat_file(text,boolean)', 'EXECUTE'))," \
	"  ('pg_read_binary_file', has_function_privilege(rewinder, 'pg_catalog.pg_read_binary_file(text)', 'EXECUTE')" \
	"   AND has_function_privilege(rewinder, 'pg_catalog.pg_read_binary_file(text,bigint,bigint,boolean)', 'EXECUTE'))" \
	" ) p (name, is_held) WHERE NOT p.is_held"

/* Of a library that is loaded: what only a file says is not in this view. */
#define LOADED \
	" UNION ALL SELECT 'has_library_loaded', 'true' FROM pg_settings WHERE name = 'failover.role' AND setting = 'node'"

#define SLOTS \
	" UNION ALL SELECT 'slots_n', count(*)::text FROM pg_replication_slots" \
	" UNION ALL SELECT CASE slot_type WHEN 'physical' THEN 'slots' ELSE 'logical_slots' END, slot_name" \
	"  FROM pg_replication_slots s WHERE NOT temporary AND NOT (slot_type = 'logical' AND active AND pg_is_in_recovery())" \
	"  AND NOT coalesce((to_jsonb(s) ->> 'failover')::boolean, false)" \
	" UNION ALL SELECT 'lost_slots', slot_name FROM pg_replication_slots WHERE wal_status = 'lost'"

void
fo_net_survey_call(FoLink *link, int64 timeout_ms, FoCallCallback callback, void *arg)
{
	static const char *const statements[] = {SETTINGS SECRETIVE_SETTINGS RECOVERY_TARGETS PRIVILEGES LOADED SLOTS, NULL};

	fo_net_link_call(link, statements, timeout_ms, false, callback, arg);
}

void
fo_net_survey_read(const PGresult *result, FoTime now, FoPeerFacts *facts)
{
	fo_core_facts_init(facts);
	facts->at = now;
	facts->is_known = PQnfields(result) == 2 && PQntuples(result) > 0;
	for (int row = 0; facts->is_known && row < PQntuples(result); row++)
	{
		char	   *value;

		if (PQgetisnull(result, row, 0) || PQgetisnull(result, row, 1))
			continue;
		value = pstrdup(PQgetvalue(result, row, 1));
		fo_net_clean_text(value);
		(void) fo_core_facts_put(facts, PQgetvalue(result, row, 0), value);
		pfree(value);
	}
}
