/*-------------------------------------------------------------------------
 *
 * judging.h
 *		What the files that make up the verdict share, and nobody else needs:
 *		one judging in progress, and the runs of rules.
 *
 *		witness.c		the evidence of the standbys
 *		identity.c		rules 1-24: who is the primary, is there more than one
 *		vacancy.c		rules 25-28: the recorded one is a standby, and nobody takes writes
 *		outage.c		rules 30-79: is the primary alive
 *		condition.c		rules 80-99: the primary is alive, what else is wrong
 *		gates.c			rules 100 and up: what forbids acting
 *		verdict.c		tries them in this order and writes the sentence
 *
 * A condition is a function of the judging alone.  It may set subject and
 * span_us for the sentence.  Time is compared through fo_core_has_come() only, which
 * remembers the earliest moment that was still ahead: that is when the group
 * must be judged again even if nothing new was heard.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_JUDGING_H
#define FO_CORE_JUDGING_H

#include "core/candidate.h"
#include "core/evidence.h"
#include "core/verdict.h"

/* Indexes of the first peer, in order of name, of each kind of witness; -1 = none. */
typedef struct FoWitnesses
{
	int32_t		receiving;
	int32_t		lost;			/* was receiving, has lost it, and answers */
	int32_t		probe_lost;		/* lost it and, asked to reconnect, could not */
	int32_t		probe_asked;	/* asked to reconnect, outcome awaited */
	int32_t		probe_back;		/* asked, was able to not long ago, and has not lost it since */
	int32_t		probe_unheard;	/* asked, has not said what became of it, and is to be asked again or waited for */
	int32_t		unasked;		/* stale, neither asked nor back */
	int32_t		stale;			/* any stale one */
	int32_t		awaited;		/* not heard since, and not silent for too long to wait for */
} FoWitnesses;

typedef struct FoJudging
{
	const FoGroupView *group;
	const FoPeerView *primary;	/* NULL = none recorded */
	FoTime		trouble;		/* fo_core_trouble_since() */
	FoEvidence	evidence;
	FoWitnesses witnesses;
	int32_t		candidate;		/* -1 = nobody is eligible */

	const FoRule *situation;	/* for the gates: what was to be done */

	/* set by conditions */
	int32_t		subject;		/* %w */
	FoTime		span_us;		/* %t */
	FoTime		recheck_at;		/* earliest moment asked for that is still ahead; 0 = none */
} FoJudging;

typedef struct FoRuleRow
{
	FoRule		rule;
	bool		(*holds) (FoJudging *judging);
} FoRuleRow;

typedef struct FoRuleRun
{
	const FoRuleRow *rows;
	int			n;
} FoRuleRun;

extern const FoRuleRun fo_core_identity_rules;
extern const FoRuleRun fo_core_vacancy_rules;
extern const FoRuleRun fo_core_outage_rules;
extern const FoRuleRun fo_core_condition_rules;
extern const FoRuleRun fo_core_gate_rules;

#define FO_RULE_RUN(rows) {rows, (int) (sizeof(rows) / sizeof((rows)[0]))}

/* Has this moment come?  If not, judge again then. */
extern bool fo_core_has_come(FoJudging *judging, FoTime moment);

/* Collect the evidence and the witnesses. */
extern void fo_core_collect_witnesses(FoJudging *judging);

/* The one of two peers whose name comes first; either may be -1. */
extern int32_t fo_core_first_by_name(const FoGroupView *group, int32_t a, int32_t b);

/* The last attempt to reach the primary met silence. */
extern bool fo_core_is_silent(const FoJudging *judging);

/* As many checks of the primary in a row have failed as the group asks for, over as long as that many take. */
extern bool fo_core_is_threshold_reached(FoJudging *judging);

/* Is the peer known, not only not known otherwise, to be of the group's database system? */
extern bool fo_core_is_surely_same_system(const FoJudging *judging, const FoPeerView *peer);

/* Does some standby know of a newer timeline than the subject is on? */
extern bool fo_core_is_timeline_surpassed(const FoJudging *judging, int32_t subject);

/* Is it out of recovery, answering, of the group's system, and able to take writes? */
extern bool fo_core_is_unfenced_primary(const FoJudging *judging, int32_t index);

#endif							/* FO_CORE_JUDGING_H */
