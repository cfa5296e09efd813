/*-------------------------------------------------------------------------
 *
 * blocked.c
 *		Groups whose rows somebody keeps locked.
 *
 * An operation does nothing that it has not written down.  So a session that
 * has locked the rows of a group, and then sits there, keeps that group from
 * failing over.  Who it is goes into the log at once.  When an operation has
 * waited for PATIENCE_US and the session is idle in its transaction, it is
 * ended: what it had not committed is worth less than a primary.  One that is
 * at work is only named.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/elog.h"
#include "utils/timestamp.h"

#include "coordinator/blocked.h"
#include "coordinator/executor.h"
#include "coordinator/record.h"

#define PATIENCE_US FO_MS(3000)

static void
tell(FoGroup *group, const FoBlocker *blocker)
{
	if (group->blocker_pid == blocker->pid)
		return;
	group->blocker_pid = blocker->pid;
	fo_coordinator_record(group, NULL, "rows_locked", FO_WARNING, NULL,
						  "nothing about the group can be written: session %d of user \"%s\" (application \"%s\", %s) keeps its rows locked",
						  blocker->pid, blocker->user, blocker->application,
						  blocker->is_idle ? "idle in a transaction" : "at work");
}

/* In a transaction. */
static void
look_at_blocker(FoGroup *group)
{
	FoBlocker	blocker;

	if (!fo_catalog_find_blocker(group->cfg.name, &blocker))
		return;
	tell(group, &blocker);
	if (blocker.is_idle && fo_coordinator_run_is_waiting(group) && fo_net_now() - group->blocked_since >= PATIENCE_US &&
		fo_catalog_end_blocker(&blocker))
		fo_coordinator_record(group, NULL, "session_ended", FO_WARNING, NULL,
							  "ended session %d of user \"%s\" (application \"%s\"): an operation waited for rows that it kept locked",
							  blocker.pid, blocker.user, blocker.application);
}

/* What goes wrong here costs a name in the log, and is tried again with the next write. */
void
fo_coordinator_blocked(FoGroup *group)
{
	MemoryContext cxt = CurrentMemoryContext;

	if (group->blocked_since == 0)
		group->blocked_since = fo_net_now();
	PG_TRY();
	{
		if (fo_catalog_begin("looking for who keeps rows locked"))
		{
			look_at_blocker(group);
			fo_catalog_end();
		}
	}
	PG_CATCH();
	{
		(void) fo_coordinator_give_up_transaction(cxt);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
}

void
fo_coordinator_unblocked(FoGroup *group)
{
	group->blocked_since = 0;
	group->blocker_pid = 0;
}
