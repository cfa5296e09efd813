/*-------------------------------------------------------------------------
 *
 * test_verdict.c
 *		Every situation leads to its rule, every rule has a situation, and what
 *		is said about it is right.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "situation.h"

Situation  *situations;

void
add_situation(Situation *situation)
{
	situation->next = situations;
	situations = situation;
}

void
crash(void)
{
	die(PG1, 0.02, 2);
	lose(PG2);
	lose(PG3);
}

void
fall_silent(void)
{
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	lose(PG2);
	lose(PG3);
}

void
shut_door(void)
{
	peers[PG1].connect_failures = 3;
	peers[PG1].connect_failing_since = group.now - SECONDS(6);
	receive(PG2);
	receive(PG3);
}

static void
tell(char *context, size_t size, const Situation *situation)
{
	snprintf(context, size, "%d %s", situation->rule, situation->title);
	unit_context(context);
}

TEST("verdict: every situation leads to its rule")
{
	char		context[200];
	const Situation *situation;
	FoVerdict	verdict;

	for (situation = situations; situation != NULL; situation = situation->next)
	{
		tell(context, sizeof(context), situation);
		scene_begin();
		situation->happen();
		fo_core_judge(&group, &verdict);
		CHECK_INT(verdict.rule, situation->rule);
		CHECK_INT(verdict.situation_rule, situation->situation_rule);
		CHECK_TEXT(fo_core_verdict_name(verdict.kind), fo_core_verdict_name(situation->kind));
		CHECK_TEXT(peer_name(verdict.peer), situation->about);
		if (verdict.kind == FO_VERDICT_FAILOVER || verdict.kind == FO_VERDICT_SWITCHOVER)
			CHECK_TEXT(peer_name(verdict.candidate), "pg2");
	}
}

TEST("verdict: every rule has a situation")
{
	char		context[200];
	const Situation *situation;
	int			i;

	for (i = 0; i < fo_core_rules_n(); i++)
	{
		const FoRule *rule = fo_core_rule(i);
		bool		is_hit = false;

		snprintf(context, sizeof(context), "rule %d (%s)", rule->number, rule->condition);
		unit_context(context);
		for (situation = situations; situation != NULL; situation = situation->next)
			is_hit = is_hit || (situation->rule == rule->number && situation->kind == rule->verdict);
		CHECK(is_hit);
	}
}

TEST("verdict: the table is in order, its numbers are unique and its sentences whole")
{
	char		context[200];
	int			last = 0;
	int			i;

	CHECK(fo_core_rule(-1) == NULL);
	CHECK(fo_core_rule(fo_core_rules_n()) == NULL);
	for (i = 0; i < fo_core_rules_n(); i++)
	{
		const FoRule *rule = fo_core_rule(i);
		const char *placeholder;

		snprintf(context, sizeof(context), "rule %d", rule->number);
		unit_context(context);
		CHECK(rule->number > last);
		last = rule->number;
		CHECK(rule->condition[0] >= 'a' && rule->condition[strlen(rule->condition) - 1] != '.');
		CHECK(rule->reason[0] >= 'A' && rule->reason[0] <= 'Z' && rule->reason[strlen(rule->reason) - 1] == '.');
		CHECK(rule->number < FO_RULE_GATES || rule->verdict == FO_VERDICT_HOLD);
		for (placeholder = strchr(rule->reason, '%'); placeholder != NULL; placeholder = strchr(placeholder + 1, '%'))
			CHECK(strchr("pcwtxonfgl", placeholder[1]) != NULL);
	}
}

TEST("verdict: a sentence names the peers it is about, and fits with names of any length")
{
	char		context[200];
	const Situation *situation;
	FoVerdict	verdict;
	int			i;

	for (situation = situations; situation != NULL; situation = situation->next)
	{
		tell(context, sizeof(context), situation);
		scene_begin();
		situation->happen();
		fo_core_judge(&group, &verdict);
		CHECK(strchr(verdict.reason, '%') == NULL);
		CHECK(strstr(verdict.reason, "\"\"") == NULL);
		CHECK_INT(verdict.reason[strlen(verdict.reason) - 1], '.');
		CHECK(verdict.peer < 0 || verdict.situation_rule < 10 || verdict.rule >= FO_RULE_GATES
			  || strstr(verdict.reason, peer_name(verdict.peer)) != NULL);

		for (i = 0; i < group.peers_n; i++)
			memset(peers[i].name, 'A' + i, FO_NAME_LEN - 1);
		fo_core_judge(&group, &verdict);
		CHECK_INT(verdict.rule, situation->rule);
		CHECK(strlen(verdict.reason) < FO_SENTENCE_LEN);
	}
}

TEST("verdict: the operator reads which peers could be the primary")
{
	FoVerdict	verdict;

	scene_begin();
	forget_primary();
	promote(PG2, 2);
	fo_core_judge(&group, &verdict);
	CHECK(strstr(verdict.reason, "not to be the primary: \"pg1\" (timeline 1), \"pg2\" (timeline 2).") != NULL);
}

TEST("verdict: the operator reads why nobody is eligible, and what would help")
{
	FoVerdict	verdict;

	scene_begin();
	crash();
	peers[PG2].observed.is_replay_paused = true;
	peers[PG3].observed.lsn -= 20 * 1024 * 1024;
	fo_core_judge(&group, &verdict);
	CHECK_TEXT(verdict.reason, "Held because no peer is eligible: \"pg2\" has its replay paused; \"pg3\" is 20 MB behind, over max_lag."
			   " Primary \"pg1\" refuses connections and every witness has lost it: it is dead.");

	scene_begin();
	fall_silent();
	fo_core_judge(&group, &verdict);
	CHECK(strstr(verdict.reason, "Held because \"pg1\" may still take writes") == verdict.reason);

	scene_begin();
	crash();
	fo_core_judge(&group, &verdict);
	CHECK_TEXT(verdict.reason, "Primary \"pg1\" refuses connections and every witness has lost it: it is dead.");
	CHECK_INT(verdict.evidence.standbys, 2);
	CHECK_INT(verdict.evidence.answering, 2);
	CHECK_INT(verdict.evidence.witnesses, 2);
	CHECK_INT(verdict.evidence.lost, 2);
	CHECK_INT(verdict.evidence.eligible, 2);
	CHECK_INT(verdict.evidence.silent_ms, 20);
}

/* Judge, then see what the verdict is at another time and nothing else new. */
static int
rule_at(double seconds_later)
{
	FoGroupView later = group;
	FoVerdict	verdict;

	later.now += SECONDS(seconds_later);
	fo_core_judge(&later, &verdict);
	return verdict.rule;
}

static double
recheck_in(void)
{
	FoVerdict	verdict;

	fo_core_judge(&group, &verdict);
	return verdict.recheck_at == 0 ? -1 : (double) (verdict.recheck_at - group.now) / 1e6;
}

TEST("verdict: recheck_at tells when a grace, a limit, a proof or a block ends")
{
	scene_begin();
	crash();
	peers[PG1].is_stop_orderly = true;
	CHECK(recheck_in() == 4.98);
	CHECK_INT(rule_at(4.98), 71);

	scene_begin();
	fail(PG1, FO_ERROR_STARTING_UP, 10, 10);
	lose(PG2);
	lose(PG3);
	CHECK(recheck_in() == 50);
	CHECK_INT(rule_at(50), 51);

	scene_begin();
	peers[PG1].write_failing_since = group.now - SECONDS(2);
	peers[PG1].lsn_moved_at = group.now - SECONDS(2.5);
	CHECK(recheck_in() == 3);
	CHECK_INT(rule_at(3), 30);

	scene_begin();
	crash();
	group.blocked_until = group.now + SECONDS(30);
	group.recent_failovers = 1;
	CHECK(recheck_in() == 30);
	CHECK_INT(rule_at(30), 71);

	scene_begin();
	crash();
	group.clock_jump_until = group.now + SECONDS(2);
	CHECK(recheck_in() == 2);
	CHECK_INT(rule_at(2), 71);

	scene_begin();
	crash();
	go_unheard(PG3, 1.5);
	fail(PG3, FO_ERROR_TIMEOUT, 1, 1);
	CHECK(recheck_in() == 2);
	CHECK_INT(rule_at(2), 71);

	scene_begin();
	crash();
	CHECK(recheck_in() == -1);
}

TEST("witness: what was said before the trouble began is no testimony")
{
	scene_begin();
	crash();
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_LOST);
	peers[PG2].observed.at = peers[PG1].failing_since;
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_UNHEARD);
	peers[PG2].observed.at = peers[PG1].failing_since + 1;
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_LOST);
	CHECK_INT(fo_core_witness(&group, PG1), FO_WITNESS_NOT);
}

TEST("witness: streaming counts only with something that came since")
{
	scene_begin();
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	stand_still(PG2);
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_STALE);

	/* A message that was under way when the primary fell silent. */
	peers[PG2].observed.message_age_us = peers[PG2].observed.at - peers[PG1].failing_since - SECONDS(0.4);
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_STALE);
	peers[PG2].observed.message_age_us = peers[PG2].observed.at - peers[PG1].failing_since - SECONDS(0.6);
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_RECEIVES);
	peers[PG2].observed.message_age_us = -1;
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_STALE);
	peers[PG2].lsn_moved_at = group.now;
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_RECEIVES);

	/* The slower the witness answers, the older is what it says. */
	peers[PG2].lsn_moved_at = peers[PG1].failing_since + SECONDS(2);
	peers[PG2].health.response_ms = 1900;
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_STALE);
}

TEST("witness: one that could not reconnect has lost the primary, until it streams again")
{
	scene_begin();
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	stand_still(PG2);
	peers[PG2].observed.at = group.now - SECONDS(1);
	probe(PG2, FO_PROBE_LOST, 0.5);
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_LOST);
	peers[PG2].observed.at = group.now;
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_RECEIVES);

	/* It may have never stopped, and heard nothing: a lease does not live on that. */
	peers[PG1].observed.is_armed = true;
	CHECK(peers[PG2].observed.message_age_us >= 0);
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_LOST);
	peers[PG2].observed.message_age_us = SECONDS(0.1);
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_RECEIVES);
	peers[PG2].observed.message_age_us = -1;
	CHECK_INT(fo_core_witness(&group, PG2), FO_WITNESS_RECEIVES);
}
