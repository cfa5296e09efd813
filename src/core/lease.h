/*-------------------------------------------------------------------------
 *
 * lease.h
 *		Term and lease arithmetic, for both ends: when may a data server commit,
 *		and when is it certain that it no longer does.
 *
 * A lease is a moment on the *holder's* clock.  The coordinator never reads
 * that clock from afar; it takes the reading that came with the holder's last
 * reply, adds the lease time, and sends the sum.  However late the grant is
 * delivered, it ends at the same moment, so one that lay in the socket of a
 * frozen host is expired when it is read.  The coordinator knows without
 * asking when that moment has passed: it received the reply after the clock
 * was read, so lease time after the receipt (plus a margin for clocks that
 * tick at different rates) the lease is over.
 *
 * While the coordinator is away, standbys keep the lease alive.  What one of
 * them says counts from the moment at which the WAL position it confirms was
 * written here, not from the arrival of its word, for the same reason.  Of n
 * standbys floor(n/2)+1 are needed: the coordinator can therefore stop it by
 * detaching the others, n-k+1 of them, and knows the end again: lease time
 * after the last moment at which one of those can have received WAL.
 * Standbys may also revive a lease that ran out (the host was frozen while
 * the coordinator was down), because that same count of detached standbys
 * makes it impossible once a promotion is being prepared.
 *
 * The term decides between coordinators and between primaries.  Whoever has
 * heard a term ignores older ones.  A fence is final for its term: a server
 * fenced in term t takes no grant before t+1, so a grant that was under way
 * when the fence arrived cannot undo it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_LEASE_H
#define FO_CORE_LEASE_H

#include "core/types.h"
#include "core/view.h"

/* Standbys that can be counted for renewals. */
#define FO_LEASE_STANDBYS_MAX 64

/* ---- the holder's end; times are of its own clock ---- */

typedef struct FoLease
{
	int64_t		term;			/* highest heard; only rises */
	int64_t		fenced_term;	/* grants of this term and of older ones are void; -1 = never fenced */
	FoTime		valid_until;	/* commits are allowed before this; 0 = no lease */
	int64_t		version;		/* of the list of standbys that renew, as told in this term; 0 = none was told */
	int64_t		lease_us;		/* lease time told with that list, or with the last grant */
	bool		is_renewable;	/* granted in this term since the server started, so standbys may renew it */
} FoLease;

typedef enum FoGrant
{
	FO_GRANT_TAKEN = 0,			/* the lease now ends no earlier than the grant says */
	FO_GRANT_NONE,				/* none was offered: the term was noted */
	FO_GRANT_LATE,				/* it had already ended when it arrived */
	FO_GRANT_FENCED,			/* fenced in this term */
	FO_GRANT_OLD_LIST,			/* of a heartbeat that was overtaken by one with a newer list: only the term was noted */
	FO_GRANT_ABSURD,			/* ends later than any clock reading of this server allows */
	FO_GRANT_OLD_TERM			/* nothing was changed */
} FoGrant;

/* No lease, no term heard. */
extern void fo_core_lease_init(FoLease *lease);

/*
 * A heartbeat: note the term and take the grant that ends at valid_until (0 =
 * none offered), for a lease of lease_us.  A higher term ends the lease of the
 * one before, also when it brings no grant.  version is of the list of standbys
 * that it carries (0 = none); within a term it only rises, and a newer list
 * brings its lease time into force also without a grant.
 */
extern FoGrant fo_core_lease_hear(FoLease *lease, int64_t term, int64_t version, FoTime valid_until,
								  int64_t lease_us, FoTime now);

/* End the lease and bar grants up to this term.  False, and nothing changed, if the term is old. */
extern bool fo_core_lease_fence(FoLease *lease, int64_t term);

/* May it commit now? */
extern bool fo_core_lease_holds(const FoLease *lease, FoTime now);

/* How many of n standbys renew a lease: a majority; 0 if there are none (nobody can). */
extern int	fo_core_lease_quorum(int standbys_n);

/*
 * Renew from what standbys_n standbys have confirmed: written_at[i] is a
 * moment at or before which the newest WAL that standby i confirms was written
 * here, 0 if it confirms nothing.  True if the lease now ends later.
 */
extern bool fo_core_lease_renew(FoLease *lease, int standbys_n, const FoTime *written_at, FoTime now);

/* ---- two coordinators ---- */

/* Does what a data server says of its term and who owns it ('' = did not say) mean that this coordinator was replaced? */
extern bool fo_core_is_superseded(int64_t term, const char *name, int64_t seen_term, const char *seen_owner);

/*
 * Have enough standbys taken a coordinator's term for it to be certain that no
 * other one has the same number of them?  With nobody to ask there is no doubt
 * that could be removed.
 */
extern bool fo_core_is_confirmed(int standbys_n, int accepted_n);

/* ---- the coordinator's end; times are of the coordinator's clock ---- */

/* What the coordinator remembers of the grants it has sent to one peer. */
typedef struct FoLeaseBook
{
	FoTime		granted_until;	/* no grant, nor a renewal by a list that was replaced, ends later, but for the margin; 0 = none was sent */
	int64_t		longest_us;		/* longest lease time ever sent: standbys renew by no more */
} FoLeaseBook;

/*
 * Is nothing left at a holder, by its reply, of lease times and lists of
 * standbys older than that version of them?  Its lease ends remaining_us after
 * the reply; a longer one was renewed for an older lease time.
 */
extern bool fo_core_lease_is_settled(int64_t term, int64_t version, int64_t lease_us,
									 int64_t seen_term, int64_t seen_version, int64_t remaining_us);

/* valid_until to send: lease_us from the clock reading of the holder's last reply. */
extern FoTime fo_core_lease_offer(FoTime clock_of_reply, int64_t lease_us);

/* Note a grant before sending it; replied_at is when the reply was received whose clock it is based on. */
extern void fo_core_lease_note_sent(FoLeaseBook *book, FoTime replied_at, int64_t lease_us);

/* Note a lease that the holder's reply, received at that moment, shows to last so much longer (it may be over). */
extern void fo_core_lease_note_held(FoLeaseBook *book, FoTime received_at, int64_t remaining_us);

/*
 * A coordinator that has just started, or whose memory of a peer is gone, does
 * not know what was granted: assume it was as late as now.
 */
extern void fo_core_lease_assume_sent(FoLeaseBook *book, FoTime now, int64_t lease_us);

/* Safety for clocks that tick at different rates. */
extern int64_t fo_core_lease_margin(int64_t lease_us);

/*
 * By when all WAL that a standby's answer shows had certainly reached it: when
 * the answer arrived, or when the last message had, as the standby says.  It
 * measures that by its clock of the day, so it is believed only if that clock
 * has not been set since the answer before, and never for a moment before that.
 */
extern FoTime fo_core_lease_received_by(const FoObservation *before, const FoObservation *seen);

/*
 * When the peer's lease has certainly ended, margin included.  cut_at[i] is
 * a moment by which standby i had certainly received its last WAL from that
 * peer: when its walreceiver was seen gone and could not come back, or when
 * its last message had arrived if its position has not moved since.  0 = it may
 * still be receiving.  standbys_n counts every standby that the holder was ever told to count.
 * 0 if the end cannot be known: too few are cut off.
 */
extern FoTime fo_core_lease_end(const FoLeaseBook *book, int standbys_n, const FoTime *cut_at);

/*
 * The same where it is not known which of others_n peers the holder was told to
 * count: it may be a single one, so each of them has to be cut off.
 */
extern FoTime fo_core_lease_end_by_any(const FoLeaseBook *book, int others_n, const FoTime *cut_at);

#endif							/* FO_CORE_LEASE_H */
