/*-------------------------------------------------------------------------
 *
 * preflight_return.c
 *		Findings that would leave a planned move without its old primary: it could
 *		not serve as a standby.  A switchover is refused for them.
 *
 *-------------------------------------------------------------------------
 */
#include "core/preflight.h"

static bool
is_no_hot_standby(FoPreflightTrial *trial)
{
	return trial->facts->hot_standby == 0;
}

/* On a standby: a standby of it would need as much. */
static bool
is_higher(FoPreflightTrial *trial)
{
	int64_t		here;
	int64_t		at_primary;

	return fo_core_preflight_compare(trial, &here, &at_primary) && here > at_primary;
}

static bool
is_not_let_in(FoPreflightTrial *trial)
{
	fo_core_preflight_add_lines(trial->detail, trial->facts->return_problem, "; ");
	return trial->facts->return_problem[0] != '\0';
}

static const FoPreflightRow rows[] = {
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, is_no_hot_standby, 0,
		"hot_standby is off: as a standby it takes no connections, also not from the coordinator", "Set hot_standby = on."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_higher, FO_PREFLIGHT_FACT(max_connections),
		"max_connections is %d: that one could not follow it after a switchover", "Raise max_connections on the primary, too."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_higher, FO_PREFLIGHT_FACT(max_worker_processes),
		"max_worker_processes is %d: that one could not follow it after a switchover", "Raise max_worker_processes on the primary, too."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_higher, FO_PREFLIGHT_FACT(max_prepared_transactions),
		"max_prepared_transactions is %d: that one could not follow it after a switchover", "Raise max_prepared_transactions on the primary, too."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_higher, FO_PREFLIGHT_FACT(max_locks_per_transaction),
		"max_locks_per_transaction is %d: that one could not follow it after a switchover", "Raise max_locks_per_transaction on the primary, too."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_higher, FO_PREFLIGHT_FACT(max_wal_senders),
		"max_wal_senders is %d: that one could not follow it after a switchover", "Raise max_wal_senders on the primary, too."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_not_let_in, 0,
		"the primary could not follow it after a switchover: %d",
	"In pg_hba.conf here let the user of the standbys' primary_conninfo in for replication from the primary, or put its password in the passfile there."},
};

const FoPreflightRun fo_core_preflight_return_rows = FO_PREFLIGHT_RUN(rows);
