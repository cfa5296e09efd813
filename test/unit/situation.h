/*-------------------------------------------------------------------------
 *
 * situation.h
 *		Data sets for the rules: what happened, and the verdict that it must
 *		lead to.
 *
 * Each SITUATION starts from a healthy group of primary pg1 and standbys pg2,
 * pg3 at the default settings.  HELD is one in which a gate holds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SITUATION_H
#define SITUATION_H

#include "scene.h"

typedef struct Situation
{
	int			rule;
	int			situation_rule;
	FoVerdictKind kind;
	const char *about;			/* verdict.peer */
	const char *title;
	void		(*happen) (void);
	struct Situation *next;
} Situation;

extern Situation *situations;

extern void add_situation(Situation *situation);

/* kill -9: refused, and both standbys have lost it. */
extern void crash(void);

/* SIGSTOP or power loss, long enough ago. */
extern void fall_silent(void);

/* The postmaster hangs: sessions and streaming go on. */
extern void shut_door(void);

#define SITUATION(rule, kind, about, title) SITUATION_AS(rule, rule, kind, about, title)
#define HELD(gate, situation, about, title) SITUATION_AS(gate, situation, FO_VERDICT_HOLD, about, title)
#define SITUATION_AS(rule, situation, kind, about, title) \
	static void UNIT_JOIN(happen_, __LINE__) (void); \
	static Situation UNIT_JOIN(situation_, __LINE__) = \
		{rule, situation, kind, about, title, UNIT_JOIN(happen_, __LINE__), 0}; \
	static void __attribute__((constructor)) UNIT_JOIN(add_situation_, __LINE__) (void) \
	{ \
		add_situation(&UNIT_JOIN(situation_, __LINE__)); \
	} \
	static void UNIT_JOIN(happen_, __LINE__) (void)

#endif							/* SITUATION_H */
