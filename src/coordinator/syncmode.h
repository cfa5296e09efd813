/*-------------------------------------------------------------------------
 *
 * syncmode.h
 *		Keeps the primary's synchronous_standby_names as the group's sync_mode
 *		wants it, outside of operations.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_SYNCMODE_H
#define FO_COORDINATOR_SYNCMODE_H

#include "core/syncset.h"
#include "coordinator/world.h"
#include "lib/stringinfo.h"

/* Look at the set of a group that was just judged, and change it where that is due. */
extern void fo_coordinator_sync_manage(FoGroup *group);

/* An operation begins: leave the primary alone. */
extern void fo_coordinator_sync_cancel(FoGroup *group);

/*
 * The group has another recorded primary.  What it acknowledges is on no
 * standby until that is shown, whatever its synchronous_standby_names (of its
 * last observation).
 */
extern void fo_coordinator_sync_primary_changed(FoGroup *group);

/*
 * The set for a primary to be, of the other peers for which is_member (in
 * order of the group's peers) is true.
 */
extern void fo_coordinator_sync_compose(const FoGroup *group, const FoPeer *primary,
										const bool *is_member, FoSyncSet *set);

/* ---- syncplan.c: what the set is to be ---- */

/* The set of a group as it is to be now, palloc'd parts included. */
typedef struct FoSyncPlan
{
	FoGroup    *group;
	FoPeer	   *primary;
	FoTime		now;
	FoTime		due;			/* when time alone changes it; 0 = never */
	FoSyncNames present;		/* cfg.sync_names */
	bool	   *is_member;
	bool	   *is_doubtful;	/* leaves for its silence alone */
	bool		is_growing;
	StringInfoData reason;
	FoSyncSet	set;
} FoSyncPlan;

extern void fo_coordinator_sync_plan(FoSyncPlan *plan, FoGroup *group, FoPeer *primary);

/* Has this moment come?  If not, plan->due is no later. */
extern bool fo_coordinator_sync_has_come(FoSyncPlan *plan, FoTime moment);

/* SQL of arrays for the action: the names in the set ("*": none), and those of the doubtful. */
extern char *fo_coordinator_sync_member_names(const FoSyncSet *set);
extern char *fo_coordinator_sync_doubtful_names(const FoSyncPlan *plan);

/* How many registered standbys go by a name of the set. */
extern int	fo_coordinator_sync_count_bearers(const FoSyncPlan *plan);

/* The primary has spoken up for members that do not answer us: their names, a line each. */
extern void fo_coordinator_sync_note_vouched(FoGroup *group, const char *lines);

/* ---- for actions_sync.c ---- */

/* Before it touches the primary: note durably what it is told.  False if that cannot be done now. */
extern bool fo_coordinator_sync_intend(FoPeer *primary, const char *names);

#endif							/* FO_COORDINATOR_SYNCMODE_H */
