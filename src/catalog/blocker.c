/*-------------------------------------------------------------------------
 *
 * blocker.c
 *		Who keeps the rows of a group locked.
 *
 * When the coordinator has waited for a lock in vain it does not wait any more,
 * so the server's own list of who blocks whom is of no use.  Instead: first,
 * who holds a lock on one of the tables that no writer can be beside; then,
 * which running transaction has changed or locked a row of the group, as the
 * row itself tells (xmax).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/internal.h"
#include "catalog/rows.h"

/* What read_blocker reads of pg_stat_activity. */
#define COLUMNS \
	"SELECT a.pid, a.usename, a.application_name, a.state LIKE 'idle in transaction%', a.xact_start" \
	" FROM pg_locks l JOIN pg_stat_activity a USING (pid)" \
	" WHERE l.granted AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'"

#define ORDER " ORDER BY a.xact_start LIMIT 1"

#define ROWS_OF(table) "SELECT xmax FROM %s." table " WHERE group_name = $1"

static bool
read_blocker(uint64 rows, FoBlocker *blocker)
{
	if (rows == 0)
		return false;
	blocker->pid = fo_catalog_column_int(0, 1);
	fo_catalog_column_copy(0, 2, blocker->user, sizeof(blocker->user));
	fo_catalog_column_copy(0, 3, blocker->application, sizeof(blocker->application));
	blocker->is_idle = fo_catalog_column_bool(0, 4);
	blocker->since = fo_catalog_column_time(0, 5);
	return true;
}

bool
fo_catalog_find_blocker(const char *group, FoBlocker *blocker)
{
	FoParams	params = {0};

	if (read_blocker(fo_catalog_write(COLUMNS " AND l.locktype = 'relation'"
									  " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
									  " AND l.relation IN (SELECT oid FROM pg_class WHERE relnamespace = '%s'::regnamespace"
									  "  AND relkind = 'r' AND relname LIKE 'failover\\_%')"
									  " AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
									  ORDER, &params), blocker))
		return true;

	fo_catalog_add_name(&params, group);
	return read_blocker(fo_catalog_write(COLUMNS " AND l.locktype = 'transactionid' AND l.transactionid IN ("
										 ROWS_OF("failover_group_state") " UNION ALL "
										 ROWS_OF("failover_peer_state") " UNION ALL "
										 ROWS_OF("failover_group") " UNION ALL "
										 ROWS_OF("failover_peer") " UNION ALL "
										 ROWS_OF("failover_planned") " UNION ALL "
										 ROWS_OF("failover_operation") ")"
										 ORDER, &params), blocker);
}

bool
fo_catalog_end_blocker(const FoBlocker *blocker)
{
	FoParams	params = {0};

	fo_catalog_add_int(&params, blocker->pid);
	fo_catalog_add_time(&params, blocker->since);
	return fo_catalog_write("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
							" WHERE pid = $1 AND xact_start = $2 AND state LIKE 'idle in transaction%'", &params) > 0;
}
