/*-------------------------------------------------------------------------
 *
 * actions.h
 *		What can be done to a peer with SQL: the actions that tasks drive.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_ACTIONS_H
#define FO_COORDINATOR_ACTIONS_H

#include "coordinator/task.h"

/* Of pg_stat_get_wal_receiver() r: has it had a message of its primary?  It begins with the two times alike. */
#define FO_RECEIVER_HAS_HEARD "r.last_msg_send_time <> r.last_msg_receipt_time"

/* ---- on a standby: actions_standby.c ---- */

/* Stop its walreceiver for good; facts.final receives its position, facts.good_looks_needed how often it must have looked so. */
extern const FoAction fo_coordinator_action_freeze;

/* Wait until it has received facts.lsn. */
extern const FoAction fo_coordinator_action_drain;

/* The same, but it is to answer all the time: in a planned move writers wait, or are about to. */
extern const FoAction fo_coordinator_action_drain_due;

/* Wait until its walreceiver has ended because its primary has. */
extern const FoAction fo_coordinator_action_stopped;

/* Make its walreceiver reconnect.  Done: it streams again (is_done) or could not (not is_done). */
extern const FoAction fo_coordinator_action_reconnect;

/* ---- to follow another primary: actions_follow.c ---- */

/*
 * Set primary_conninfo to facts.conninfo and wait until it streams on
 * facts.timeline or later.  facts.standing: where it stands if it does not.
 */
extern const FoAction fo_coordinator_action_repoint;

/* Set primary_conninfo to facts.conninfo; do not wait for it to stream. */
extern const FoAction fo_coordinator_action_unfreeze;

/* On the primary: what keeps a standby that stands at facts.standing from following it, as far as can be told from here. */
extern const FoAction fo_coordinator_action_compare;

/*
 * Has that walreceiver been sent anything, as far as the looks of this task
 * have seen?  To be called with each look.
 */
extern bool fo_coordinator_is_fed(FoTaskFacts *facts, bool is_streaming, bool has_heard, int pid);

/*
 * A receiver that keeps "waiting" on a timeline older than facts->timeline cannot follow: the new
 * history forked off behind its own position.  To be called with each look.
 */
extern bool fo_coordinator_is_waiting_in_vain(FoTaskFacts *facts, const char *status, uint32 timeline);

/* ---- on a primary, or one to be: actions_primary.c ---- */

/* Create the physical slots facts.slots. */
extern const FoAction fo_coordinator_action_slots;

/* Set synchronous_standby_names to facts.names. */
extern const FoAction fo_coordinator_action_sync_names;

/*
 * actions_sync.c: the same on a primary at work; done when the new set alone
 * vouches for all that was acknowledged.  facts: names, members, members_n,
 * required, is_any, is_growing, and doubtful with lsn: members that are to go
 * unless they have flushed that; then nothing is done, and facts.vouched names
 * them.  facts.is_applied: it is in force.  Without the node library, unless
 * facts.is_waiting says that commits wait, it ends with facts.is_checkpoint_due.
 */
extern const FoAction fo_coordinator_action_sync_set;

/* CHECKPOINT, which shows that commits wait if the set was in force before.  facts.is_forbidden: our role may not. */
extern const FoAction fo_coordinator_action_sync_checkpoint;

/* Put back what the configuration files say, if what is in force was set by the group. */
extern const FoAction fo_coordinator_action_sync_reset;

/* Promote in facts.term, onto facts.timeline or a later one; both and facts.lsn receive where it began its own history. */
extern const FoAction fo_coordinator_action_promote;

/* The same, with the node library. */
extern const FoAction fo_coordinator_action_node_promote;

/* CHECKPOINT until the control file shows the timeline. */
extern const FoAction fo_coordinator_action_checkpoint;

/* CHECKPOINT, whatever the control file shows; facts.lsn receives how far its WAL is flushed then. */
extern const FoAction fo_coordinator_action_checkpoint_now;

/* Stop it from taking writes, by what SQL can do; facts.lsn receives how far its WAL is flushed: all that it acknowledged. */
extern const FoAction fo_coordinator_action_fence;

/* Put back the settings that the fence replaced. */
extern const FoAction fo_coordinator_action_unfence;

/* ---- on a server with the node library: actions_node.c ---- */

/* Give up the lease, in facts.term; facts.lsn receives how far its WAL is flushed. */
extern const FoAction fo_coordinator_action_node_fence;

/* Stop, and come back as a standby with facts.conninfo and facts.slot.  Done when that has begun. */
extern const FoAction fo_coordinator_action_node_demote;

/* Become a standby with facts.conninfo and facts.slot, and stream on facts.timeline. */
extern const FoAction fo_coordinator_action_node_rejoin;

#endif							/* FO_COORDINATOR_ACTIONS_H */
