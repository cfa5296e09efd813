/*-------------------------------------------------------------------------
 *
 * monitor.h
 *		Observation of one peer: checks on the kept session, reconnects,
 *		knocks and the write check.  Fills FoPeer.view; decides nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_MONITOR_H
#define FO_COORDINATOR_MONITOR_H

#include "coordinator/world.h"

/* Begin to observe; peer->cfg is filled in.  Creates peer->link and peer->monitor in peer->cxt. */
extern void fo_coordinator_monitor_start(FoPeer *peer);

/* Stop and free everything it holds. */
extern void fo_coordinator_monitor_stop(FoPeer *peer);

/* The peer's conninfo or the group's settings have changed: reconnect if need be, take up new intervals. */
extern void fo_coordinator_monitor_reconfigure(FoPeer *peer, bool is_conninfo_changed);

/* Try now whether the peer takes new connections, if it has a session. */
extern void fo_coordinator_monitor_knock(FoPeer *peer);

/* Check this peer now (or as soon as the check in flight has ended). */
extern void fo_coordinator_monitor_check_now(FoPeer *peer);

/* It has just refused connections, and another session with it, still up, may show whether its process has ended. */
extern bool fo_coordinator_monitor_is_end_awaited(const FoPeer *peer);

/* At the first sign of trouble: check every peer of the group now. */
extern void fo_coordinator_monitor_recheck(FoGroup *group);

#endif							/* FO_COORDINATOR_MONITOR_H */
