/*-------------------------------------------------------------------------
 *
 * verdict.h
 *		What is the matter with a group, and what is to be done: one table of
 *		rules, read from top to bottom over a frozen snapshot; the first rule
 *		whose condition holds gives the verdict.
 *
 * Rules come in two runs.  The situation rules (numbers below FO_RULE_GATES)
 * say what the evidence means.  Where that calls for action, the gate rules
 * say whether something forbids acting now (pause, block period, ...); the
 * first gate that holds turns the verdict into "hold", and the situation's
 * rule stays visible in situation_rule.
 *
 * Numbers are part of the product: they are stored with every event.  A number
 * is never given to another rule; numbers ascend in the order of trial.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_VERDICT_H
#define FO_CORE_VERDICT_H

#include "core/view.h"

typedef enum FoVerdictKind
{
	FO_VERDICT_UNKNOWN = 0,		/* not enough seen yet */
	FO_VERDICT_NONE,			/* all is well */
	FO_VERDICT_ALERT,			/* wrong, but moving the primary would not help */
	FO_VERDICT_HOLD,			/* evidence or policy forbids acting */
	FO_VERDICT_ASK,				/* force peer's walreceiver to reconnect, then judge again */
	FO_VERDICT_FAILOVER,
	FO_VERDICT_SWITCHOVER,		/* planned move away from a slow primary */
	FO_VERDICT_FENCE,			/* peer is a second primary: fence it */
	FO_VERDICT_ADOPT,			/* peer became the primary without us: record it */
	FO_VERDICT_PROMOTE,			/* the recorded primary is in recovery: order its promotion (again) */
	FO_VERDICT_N
} FoVerdictKind;

#define FO_RULE_NOBODY 28		/* whoever is out of recovery is to be the primary, because nobody is */
#define FO_RULE_GATES 100
#define FO_RULE_UNFENCEABLE 109	/* the primary may still take writes */

/* What a standby's present view of the primary is worth. */
typedef enum FoWitness
{
	FO_WITNESS_NOT = 0,			/* no witness: see the reason */
	FO_WITNESS_UNHEARD,			/* was receiving before; has not answered since the primary fell silent */
	FO_WITNESS_RECEIVES,		/* receives from the primary now, with progress since */
	FO_WITNESS_STALE,			/* says "streaming", but nothing has moved since */
	FO_WITNESS_LOST				/* was receiving before, and has lost it */
} FoWitness;

/* Counts of the evidence, for the jsonb column and the tests. */
typedef struct FoEvidence
{
	int32_t		standbys;		/* peers other than the primary */
	int32_t		answering;		/* of those, answering now */
	int32_t		witnesses;		/* UNHEARD + RECEIVES + STALE + LOST */
	int32_t		receiving;
	int32_t		stale;
	int32_t		lost;
	int32_t		unheard;		/* those among them that have not answered for too long to wait for, too */
	int32_t		eligible;		/* candidates */
	int64_t		silent_ms;		/* how long the primary has been failing; 0 = it answers */
} FoEvidence;

typedef struct FoVerdict
{
	FoVerdictKind kind;
	int32_t		rule;			/* the rule that decided */
	int32_t		situation_rule; /* what the evidence alone says; = rule unless a gate held */
	int32_t		peer;			/* index of whom it is about: ASK whom, FENCE whom, ADOPT whom, ALERT about whom; else the primary; -1 = nobody */
	int32_t		candidate;		/* index of whom a failover would promote; -1 = nobody */
	char		reason[FO_SENTENCE_LEN];	/* for the operator */
	FoEvidence	evidence;
	FoTime		recheck_at;		/* when time alone could change the verdict; 0 = only new evidence can */
} FoVerdict;

/*
 * A row of the decision table.  In its sentence stand %p for the primary, %w
 * for the other peer it is about, %g for the other group of that one, %t for a
 * time, %o for another coordinator and %n for its term, %f for how the last
 * failover failed, %l for who else is out of recovery, and %x for why nobody is
 * eligible.
 */
typedef struct FoRule
{
	int32_t		number;
	const char *condition;		/* one phrase for failover_rules() */
	FoVerdictKind verdict;
	const char *reason;			/* sentence shown, with its placeholders */
} FoRule;

extern const char *fo_core_verdict_name(FoVerdictKind kind);
extern const char *fo_core_witness_name(FoWitness witness);

/* The rules, in the order in which they are tried. */
extern int	fo_core_rules_n(void);
extern const FoRule *fo_core_rule(int index);

/* What standby number index of the view is worth as a witness. */
extern FoWitness fo_core_witness(const FoGroupView *group, int index);

/* Judge the group.  The same view always gives the same verdict. */
extern void fo_core_judge(const FoGroupView *group, FoVerdict *verdict);

#endif							/* FO_CORE_VERDICT_H */
