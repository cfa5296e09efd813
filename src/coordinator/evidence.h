/*-------------------------------------------------------------------------
 *
 * evidence.h
 *		From results of checks to the fields of FoPeer.view.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_EVIDENCE_H
#define FO_COORDINATOR_EVIDENCE_H

#include "coordinator/world.h"

/* Take in a check that failed. */
extern void fo_coordinator_take_failure(FoPeer *peer, const FoNetError *error, FoTime now);

/*
 * Another session than that of the checks was ended by the process at its other
 * end.  A server that dies resets one in which a question lies unread, and that
 * of the checks may be such a one.  But what ends long after checks have begun
 * to fail ends for reasons of its own.
 */
extern void fo_coordinator_hear_end(FoPeer *peer);

/* Is it so short after the first failed check that another session may yet say how the peer has ended? */
extern bool fo_coordinator_is_end_fresh(const FoPeer *peer);

/* Take in an answer to the status query.  False, with error filled in, if it cannot be read. */
extern bool fo_coordinator_take_answer(FoPeer *peer, const PGresult *result, int64 rtt_us, FoTime now,
									   FoNetError *error);

/* What was seen under another conninfo proves nothing. */
extern void fo_coordinator_forget_evidence(FoPeer *peer);

/* The group has another recorded primary: who receives from it is another question now. */
extern void fo_coordinator_primary_changed(FoGroup *group);

/*
 * An operation has seen it stream from the group's primary, on that timeline.  It is
 * a witness from now on: if the primary dies before the next check, no later one can tell.
 */
extern void fo_coordinator_note_following(FoPeer *peer, uint32 timeline);

/*
 * Does it receive from a server that was the primary when it began to, or when
 * it was told to, and is none any more?  A standby that was away during a
 * failover does, when the old primary has become a standby.
 */
extern bool fo_coordinator_follows_former_primary(const FoPeer *peer);

/* Does host and port of its walreceiver's upstream lead to another peer than that conninfo does? */
extern bool fo_coordinator_is_other_upstream(const FoPeer *peer, const char *conninfo, const char *host, int port);

/* Was it never the group's primary, nor seen to follow it? */
extern bool fo_coordinator_is_stranger(const FoPeer *peer);

/* Is it a second name of a server that another peer stands for?  As of the last judgement of the group. */
extern bool fo_coordinator_is_alias(const FoPeer *peer);

/* Does it stream from another standby of the group?  Not while an operation may have pointed it at its candidate. */
extern bool fo_coordinator_is_cascading(const FoPeer *peer);

#endif							/* FO_COORDINATOR_EVIDENCE_H */
