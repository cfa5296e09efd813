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

/* ---- on a standby: actions_standby.c ---- */

/* Stop its walreceiver for good; facts.final receives its position, facts.good_looks_needed how often it must have looked so. */
extern const FoAction fo_coordinator_action_freeze;

/* Wait until it has received facts.lsn. */
extern const FoAction fo_coordinator_action_drain;

/* Set primary_conninfo to facts.conninfo and wait until it streams on facts.timeline or later. */
extern const FoAction fo_coordinator_action_repoint;

/* Set primary_conninfo to facts.conninfo; do not wait for it to stream. */
extern const FoAction fo_coordinator_action_unfreeze;

/* Make its walreceiver reconnect.  Done: it streams again (is_done) or could not (not is_done). */
extern const FoAction fo_coordinator_action_reconnect;

/* ---- on a primary, or one to be: actions_primary.c ---- */

/* Create the physical slots facts.slots. */
extern const FoAction fo_coordinator_action_slots;

/* Set synchronous_standby_names to facts.names. */
extern const FoAction fo_coordinator_action_sync_names;

/* Promote; facts.timeline and facts.lsn receive where it began its own history. */
extern const FoAction fo_coordinator_action_promote;

/* CHECKPOINT until the control file shows the timeline. */
extern const FoAction fo_coordinator_action_checkpoint;

/* Stop it from taking writes, by what SQL can do; facts.lsn receives how far its WAL is flushed: all that it acknowledged. */
extern const FoAction fo_coordinator_action_fence;

/* Put back the settings that the fence replaced. */
extern const FoAction fo_coordinator_action_unfence;

#endif							/* FO_COORDINATOR_ACTIONS_H */
