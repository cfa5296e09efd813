/*-------------------------------------------------------------------------
 *
 * lease.h
 *		The coordinator's end of leases: what each check grants, and when a
 *		silent primary's lease has certainly ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_LEASE_H
#define FO_COORDINATOR_LEASE_H

#include "coordinator/world.h"
#include "net/probe.h"

/*
 * Bring what the peer is to be told of leases up to date; the next flush writes
 * it down.  False if nothing of it is on disk yet: no heartbeat then.
 */
extern bool fo_coordinator_lease_prepare(FoPeer *peer);

/*
 * This coordinator takes the group over, with tables that may lag behind those
 * of the former one: until a peer has taken what it is told now, it may know any list.
 */
extern void fo_coordinator_lease_doubt(FoGroup *group);

/* The peer's state has been written: if it was to be told something new, it is checked at once. */
extern void fo_coordinator_lease_written(FoPeer *peer);

/* After each answer: has the peer taken what it was told last? */
extern void fo_coordinator_lease_hear(FoPeer *peer);

/* Copy into the peer's context; *to must be empty. */
extern void fo_coordinator_lease_copy_terms(FoPeer *peer, FoLeaseTerms *to, const FoLeaseTerms *from);

/*
 * What the next check of a peer with the node library tells it, palloc'd.  A
 * grant in it is noted as sent.  fo_coordinator_lease_prepare() was true.
 */
extern FoHeartbeat fo_coordinator_heartbeat(FoPeer *peer);

/* How long a check of this peer may take: a lease holder's silence must be noticed well within its lease. */
extern int64 fo_coordinator_check_timeout_ms(const FoPeer *peer);

/* When a standby was cut off from the primary: see fo_core_lease_end(). */
typedef FoTime (*FoCutOff) (const FoPeer *standby, void *arg);

/* When the peer's lease has certainly ended; 0 if that cannot be known, because too few standbys are cut off. */
extern FoTime fo_coordinator_lease_end(FoPeer *peer, FoCutOff cut_off, void *arg);

#endif							/* FO_COORDINATOR_LEASE_H */
