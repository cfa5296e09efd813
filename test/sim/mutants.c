/*-------------------------------------------------------------------------
 *
 * mutants.c
 *		Planted bugs.  Each must be caught within a number of seeds, or the
 *		simulation proves less than it says.
 *
 *-------------------------------------------------------------------------
 */
#include "sim.h"

const MutantDef mutants[MUTANT_N] = {
	[MUTANT_NONE] = {"none", "", 0, false},
	[MUTANT_LEASE_ON_ARRIVAL] = {"lease-on-arrival", "a node counts the lease from the arrival of the grant", 3000, false},
	[MUTANT_NO_FREEZE] = {"no-freeze", "standbys are not frozen before the choice", 3000, false},
	[MUTANT_STALE_CHOICE] = {"stale-choice", "the choice is made on positions from before the freezing", 3000, false},
	[MUTANT_OLD_TERM] = {"old-term", "a node takes heartbeats of older terms", 300000, false},
	[MUTANT_NO_RECHECK] = {"no-recheck", "the gate is not asked again before the acknowledgement", 3000, false},
	[MUTANT_RENEWAL_ON_ARRIVAL] = {"renewal-on-arrival", "a renewal counts from the arrival of a standby's word", 300000, false},
	[MUTANT_NO_LEASE_WAIT] = {"no-lease-wait", "the end of the old primary's lease is not waited for", 3000, false},
	[MUTANT_NO_MARGIN] = {"no-margin", "the wait leaves no margin for clocks of other rates", 300000, false},
	[MUTANT_GRANT_TO_OLD] = {"grant-to-old", "the old primary is granted leases while it is being replaced", 3000, false},
	[MUTANT_LEASE_SURVIVES] = {"lease-survives", "a lease survives the restart of its server", 3000, false},
	[MUTANT_BOOK_FORGOTTEN] = {"book-forgotten", "a new coordinator process believes that nothing was granted", 300000, false},
	[MUTANT_ORPHANS] = {"orphans", "backends of a killed postmaster pass the gate", 3000, false},
	[MUTANT_UNDO_AFTER_ORDER] = {"undo-after-order", "a failover that has ordered a promotion returns to the old primary", 300000, false},
	[MUTANT_TIMELINE_TWICE] = {"timeline-twice", "nothing keeps two candidates from beginning timelines of the same number", 300000, false},
	[MUTANT_GRANT_AT_ONCE] = {"grant-at-once", "a coordinator that returns grants before enough standbys have taken its term", 300000, false},
	[MUTANT_NAMES_UNNOTED] = {"names-unnoted", "another set of synchronous standbys counts at once", 300000, false},
	[MUTANT_RENEWERS_FORGOTTEN] = {"renewers-forgotten", "a new coordinator process counts only standbys that it has seen itself", 300000, false},
	[MUTANT_FENCE_FORGOTTEN] = {"fence-forgotten", "nobody notices that the primary is fenced in the present term", 300000, true},
	[MUTANT_TIMELINE_FOREIGN] = {"timeline-foreign", "the timeline of a primary that was ordered and never seen counts as foreign", 300000, false},
	[MUTANT_INTENT_NOT_COMMITTED] = {"intent-not-committed", "a promotion is ordered before the order is committed", 300000, false},
	[MUTANT_PROOF_FORGOTTEN] = {"proof-forgotten", "a new primary's synchronous_standby_names count before its standbys have caught up", 300000, false},
	[MUTANT_FENCE_ASSUMED] = {"fence-assumed", "a resumed failover takes a fence that was skipped for one that worked", 300000, false},
	[MUTANT_NUMBERS_TRUSTED] = {"numbers-trusted", "the same, and servers that rejoin go by numbers of timelines alone", 300000, false},
	[MUTANT_HOLD_FOR_EVER] = {"hold-for-ever", "nobody remembers that the primary is still to be promoted", 3000, true},
	[MUTANT_CANDIDATE_UNDRAINED] = {"candidate-undrained", "a switchover whose candidate died takes the next one as if that had never served, and a resumed one takes any", 300000, false},
	[MUTANT_LEASE_TIME_OF_THE_DAY] = {"lease-time-of-the-day", "a new coordinator process counts leases by the present lease time", 300000, false},
	[MUTANT_TERMS_ASSUMED] = {"terms-assumed", "a lease time and a list that are about to be sent count as taken", 300000, false},
	[MUTANT_LIBRARY_FORGOTTEN] = {"library-forgotten", "a new coordinator process takes a silent primary for one without the node library", 300000, false},
	[MUTANT_SETTLED_EARLY] = {"settled-early", "a set settles before commits wait for it", 300000, false},
	[MUTANT_NOBODY_COVERS] = {"nobody-covers", "a set of nobody counts as if the group managed none", 10000, false},
	[MUTANT_DRAIN_SKIPPED] = {"drain-skipped", "a planned move does not wait until the candidate has what the old primary had acknowledged", 10000, false},
};
