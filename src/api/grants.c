/*-------------------------------------------------------------------------
 *
 * grants.c
 *		failover_peer_grants: the script that a DBA runs on a peer so that the
 *		coordinator need not be a superuser there.
 *
 * A table of statements, each with the first server version that knows it.
 * The role is named "failover"; who wants another name edits the script.  It may
 * be run again, after an upgrade of the peer say, by somebody who stops at the
 * first error: so the role is created only where there is none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"

PG_FUNCTION_INFO_V1(failover_peer_grants);

#define OLDEST_SERVER 150000
#define NEWEST_SERVER 999999

typedef struct GrantLine
{
	int			since;			/* server_version_num */
	const char *text;
} GrantLine;

static const GrantLine script[] = {
	{0, "-- Run as a superuser on the primary; the standbys receive it by replication."},
	{0, "-- Give the role a password with \\password, or a client certificate."},
	{0, "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'failover')"
		" THEN CREATE ROLE failover; END IF; END $$;"},
	{0, "ALTER ROLE failover LOGIN REPLICATION;"},
	{0, "-- to read the state of replication, and settings"},
	{0, "GRANT pg_monitor TO failover;"},
	{0, "-- to promote a standby and make it follow another primary"},
	{0, "GRANT EXECUTE ON FUNCTION pg_catalog.pg_promote(boolean, integer) TO failover;"},
	{0, "GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO failover;"},
	{0, "GRANT ALTER SYSTEM ON PARAMETER primary_conninfo, primary_slot_name TO failover;"},
	{0, "GRANT pg_checkpoint TO failover;"},
	{0, "-- to keep an old primary from taking writes"},
	{0, "GRANT ALTER SYSTEM ON PARAMETER synchronous_standby_names, default_transaction_read_only TO failover;"},
	{0, "GRANT pg_signal_backend TO failover;"},
	{0, "-- to grant leases, switch over and rejoin, where the extension is installed for the node library"},
	{0, "DO $$ DECLARE f regprocedure; BEGIN FOR f IN SELECT p.oid FROM pg_proc p"
		" JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'"
		" JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'failover' WHERE p.proname LIKE 'failover\\_node\\_%'"
		" LOOP EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO failover', f); END LOOP; END $$;"},
	{0, "-- a rejoin that rewinds also needs, for the role of primary_conninfo: EXECUTE on pg_ls_dir(text, boolean, boolean),"},
	{0, "-- pg_stat_file(text, boolean), pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean)"},
	{160000, "-- to be let in when connections have run out"},
	{160000, "GRANT pg_use_reserved_connections TO failover;"},
};

Datum
failover_peer_grants(PG_FUNCTION_ARGS)
{
	int32		version = fo_api_arg_natural(fcinfo, 0, "server_version_num");
	int			i;

	if (version < OLDEST_SERVER || version > NEWEST_SERVER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid server version number: %d", version),
				 errdetail("Servers from PostgreSQL 15 on can be watched."),
				 errhint("Give the peer's server_version_num, %d or above.", OLDEST_SERVER)));

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (i = 0; i < (int) lengthof(script); i++)
	{
		FoRow		row = {0};

		if (script[i].since > version)
			continue;
		fo_api_row_text(&row, script[i].text);
		fo_api_row_put(fcinfo, &row);
	}
	return (Datum) 0;
}
