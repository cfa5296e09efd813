/*-------------------------------------------------------------------------
 *
 * verdict.c
 *		Tries the rules over a frozen snapshot and writes the sentence.
 *
 * The situation rules are tried from top to bottom, the first that holds says
 * what is the matter; the last one always holds.  If it calls for action, the
 * gate rules are tried in the same way.  What a rule says is a template, and
 * the peers and times in it are those that its condition has found.
 *
 * Everything here is a function of the snapshot: no clock, no state between
 * two judgings, no dependence on the order of the peers.
 *
 *-------------------------------------------------------------------------
 */
#include "core/verdict.h"

#include <string.h>

#include "core/judging.h"
#include "core/text.h"

static const FoRuleRun *const runs[] = {
	&fo_core_identity_rules,
	&fo_core_vacancy_rules,
	&fo_core_outage_rules,
	&fo_core_condition_rules,
	&fo_core_gate_rules,
};

#define RUNS_N ((int) (sizeof(runs) / sizeof(runs[0])))
#define SITUATION_RUNS_N (RUNS_N - 1)

const char *
fo_core_verdict_name(FoVerdictKind kind)
{
	switch (kind)
	{
		case FO_VERDICT_UNKNOWN:
			return "unknown";
		case FO_VERDICT_NONE:
			return "none";
		case FO_VERDICT_ALERT:
			return "alert";
		case FO_VERDICT_HOLD:
			return "hold";
		case FO_VERDICT_ASK:
			return "ask";
		case FO_VERDICT_FAILOVER:
			return "failover";
		case FO_VERDICT_SWITCHOVER:
			return "switchover";
		case FO_VERDICT_FENCE:
			return "fence";
		case FO_VERDICT_ADOPT:
			return "adopt";
		case FO_VERDICT_PROMOTE:
			return "promote";
		case FO_VERDICT_N:
			break;
	}
	return "unknown";
}

int
fo_core_rules_n(void)
{
	int			n = 0;
	int			run;

	for (run = 0; run < RUNS_N; run++)
		n += runs[run]->n;
	return n;
}

const FoRule *
fo_core_rule(int index)
{
	int			run;

	for (run = 0; run < RUNS_N && index >= 0; run++)
	{
		if (index < runs[run]->n)
			return &runs[run]->rows[index].rule;
		index -= runs[run]->n;
	}
	return NULL;
}

/* The first rule of these runs that holds; NULL if none does. */
static const FoRule *
try_rules(FoJudging *judging, int first_run, int end_run)
{
	int			run;
	int			row;

	for (run = first_run; run < end_run; run++)
	{
		for (row = 0; row < runs[run]->n; row++)
		{
			judging->subject = -1;
			judging->span_us = 0;
			if (runs[run]->rows[row].holds(judging))
				return &runs[run]->rows[row].rule;
		}
	}
	return NULL;
}

/* Does this verdict mean to do something, so that the gates have a say? */
static bool
is_action(FoVerdictKind kind)
{
	switch (kind)
	{
		case FO_VERDICT_ASK:
		case FO_VERDICT_FAILOVER:
		case FO_VERDICT_SWITCHOVER:
		case FO_VERDICT_FENCE:
		case FO_VERDICT_ADOPT:
		case FO_VERDICT_PROMOTE:
			return true;
		case FO_VERDICT_UNKNOWN:
		case FO_VERDICT_NONE:
		case FO_VERDICT_ALERT:
		case FO_VERDICT_HOLD:
		case FO_VERDICT_N:
			break;
	}
	return false;
}

/* Is the verdict about the subject rather than about the primary? */
static bool
is_about_subject(FoVerdictKind kind)
{
	return kind == FO_VERDICT_ASK || kind == FO_VERDICT_FENCE || kind == FO_VERDICT_ADOPT
		|| kind == FO_VERDICT_ALERT;
}

/* The peer whose name follows that of previous; -1 after the last. */
static int32_t
next_by_name(const FoGroupView *group, int32_t previous)
{
	int32_t		next = -1;
	int			i;

	for (i = 0; i < group->peers_n; i++)
	{
		if (previous < 0 || strcmp(group->peers[i].name, group->peers[previous].name) > 0)
			next = fo_core_first_by_name(group, next, i);
	}
	return next;
}

/* Why nobody is eligible, peer by peer, for as long as there is room. */
static void
add_exclusions(FoText *text, const FoGroupView *group)
{
	static const FoCandidateOptions forecast = {.target = -1};
	FoCandidate candidate;
	bool		is_first = true;
	int32_t		peer;

	for (peer = next_by_name(group, -1); peer >= 0 && !text->is_cut; peer = next_by_name(group, peer))
	{
		if (peer == group->primary)
			continue;
		fo_core_examine_candidate(group, &forecast, peer, &candidate);
		fo_core_text_add(text, is_first ? "\"" : "; \"");
		fo_core_text_add(text, group->peers[peer].name);
		fo_core_text_add(text, "\" ");
		fo_core_text_add(text, candidate.reason);
		is_first = false;
	}
	if (is_first)
		fo_core_text_add(text, "there is none but the primary");
}

/* Who is out of recovery without being the recorded primary, and on which timeline. */
static void
add_primaries(FoText *text, const FoJudging *judging)
{
	const FoGroupView *group = judging->group;
	bool		is_first = true;
	int32_t		peer;

	for (peer = next_by_name(group, -1); peer >= 0 && !text->is_cut; peer = next_by_name(group, peer))
	{
		if (peer == group->primary || !fo_core_is_unfenced_primary(judging, peer))
			continue;
		fo_core_text_add(text, is_first ? "\"" : ", \"");
		fo_core_text_add(text, group->peers[peer].name);
		fo_core_text_add(text, "\" (timeline ");
		fo_core_text_add_integer(text, group->peers[peer].observed.timeline);
		fo_core_text_add(text, ")");
		is_first = false;
	}
}

static void
add_name(FoText *text, const FoGroupView *group, int32_t peer)
{
	fo_core_text_add(text, peer >= 0 ? group->peers[peer].name : "");
}

/* Write a rule's sentence with its placeholders filled in. */
static void
add_sentence(FoText *text, const FoJudging *judging, const char *template)
{
	char		letter[2] = {'\0', '\0'};

	for (; *template != '\0'; template++)
	{
		if (template[0] != '%' || template[1] == '\0')
		{
			letter[0] = *template;
			fo_core_text_add(text, letter);
			continue;
		}
		switch (*++template)
		{
			case 'p':
				add_name(text, judging->group, judging->group->primary);
				break;
			case 'w':
				add_name(text, judging->group, judging->subject);
				break;
			case 'g':
				fo_core_text_add(text, judging->subject >= 0 ? judging->group->peers[judging->subject].other_group : "");
				break;
			case 't':
				fo_core_text_add_duration(text, judging->span_us < 0 ? 0 : judging->span_us);
				break;
			case 'o':
				fo_core_text_add(text, judging->group->newer_owner);
				break;
			case 'n':
				fo_core_text_add_integer(text, judging->group->newer_term);
				break;
			case 'f':
				fo_core_text_add(text, judging->group->retry_reason);
				break;
			case 'l':
				add_primaries(text, judging);
				break;
			case 'x':
				add_exclusions(text, judging->group);
				break;
		}
	}
}

static void
begin_judging(FoJudging *judging, const FoGroupView *group)
{
	static const FoCandidateOptions forecast = {.target = -1};
	FoCandidate best;

	memset(judging, 0, sizeof(*judging));
	judging->group = group;
	judging->primary = fo_core_primary(group);
	judging->trouble = fo_core_trouble_since(group);
	judging->subject = -1;
	fo_core_collect_witnesses(judging);
	judging->evidence.eligible = fo_core_best_candidate(group, &forecast, &best);
	judging->candidate = judging->primary == NULL ? -1 : best.peer;
}

/* Ask the gates; true if one of them turns the verdict into its own. */
static bool
is_held(FoJudging *judging, FoVerdict *verdict, const char *situation_reason)
{
	const FoRule *gate;
	FoText		text;

	if (!is_action(judging->situation->verdict))
		return false;
	gate = try_rules(judging, SITUATION_RUNS_N, RUNS_N);
	if (gate == NULL)
		return false;
	verdict->kind = gate->verdict;
	verdict->rule = gate->number;
	fo_core_text_begin(&text, verdict->reason, sizeof(verdict->reason));
	add_sentence(&text, judging, gate->reason);
	fo_core_text_add(&text, " ");
	fo_core_text_add(&text, situation_reason);
	return true;
}

void
fo_core_judge(const FoGroupView *group, FoVerdict *verdict)
{
	FoJudging	judging;
	FoText		text;
	int32_t		subject;
	char		situation_reason[FO_SENTENCE_LEN];

	begin_judging(&judging, group);
	judging.situation = try_rules(&judging, 0, SITUATION_RUNS_N);
	subject = judging.subject;

	memset(verdict, 0, sizeof(*verdict));
	verdict->kind = judging.situation->verdict;
	verdict->rule = judging.situation->number;
	verdict->situation_rule = judging.situation->number;
	verdict->peer = is_about_subject(verdict->kind) && subject >= 0 ? subject
		: judging.primary != NULL ? group->primary : -1;
	verdict->candidate = judging.candidate;
	verdict->evidence = judging.evidence;

	fo_core_text_begin(&text, situation_reason, sizeof(situation_reason));
	add_sentence(&text, &judging, judging.situation->reason);
	if (!is_held(&judging, verdict, situation_reason))
		fo_core_copy_text(verdict->reason, sizeof(verdict->reason), situation_reason);
	verdict->recheck_at = judging.recheck_at;
}
