/*-------------------------------------------------------------------------
 *
 * test_verdict_random.c
 *		What must hold for every verdict, over views in which anything may be
 *		true.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "scene.h"

#define ROUNDS 60000

static bool
is_action(FoVerdictKind kind)
{
	return kind == FO_VERDICT_ASK || kind == FO_VERDICT_FAILOVER || kind == FO_VERDICT_SWITCHOVER
		|| kind == FO_VERDICT_FENCE || kind == FO_VERDICT_ADOPT || kind == FO_VERDICT_PROMOTE;
}

TEST("any verdict: the same view gives the same verdict, byte for byte")
{
	FoVerdict	first;
	FoVerdict	second;
	int			round;

	for (round = 0; round < ROUNDS; round++)
	{
		scene_random();
		memset(&first, 0x11, sizeof(first));
		memset(&second, 0xEE, sizeof(second));
		fo_core_judge(&group, &first);
		fo_core_judge(&group, &second);
		CHECK(memcmp(&first, &second, sizeof(first)) == 0);
	}
}

TEST("any verdict: the order of the peers does not matter")
{
	FoVerdict	first;
	FoVerdict	second;
	char		about[FO_NAME_LEN];
	char		candidate[FO_NAME_LEN];
	int			round;

	for (round = 0; round < ROUNDS; round++)
	{
		scene_random();
		fo_core_judge(&group, &first);
		strcpy(about, peer_name(first.peer));
		strcpy(candidate, peer_name(first.candidate));
		scene_shuffle();
		fo_core_judge(&group, &second);
		CHECK_INT(first.rule, second.rule);
		CHECK_INT(first.situation_rule, second.situation_rule);
		CHECK_INT(first.kind, second.kind);
		CHECK_INT(first.recheck_at, second.recheck_at);
		CHECK_TEXT(peer_name(second.peer), about);
		CHECK_TEXT(peer_name(second.candidate), candidate);
		CHECK_TEXT(second.reason, first.reason);
		CHECK(memcmp(&first.evidence, &second.evidence, sizeof(first.evidence)) == 0);
	}
}

TEST("any verdict: time alone changes nothing before recheck_at")
{
	FoVerdict	first;
	FoVerdict	second;
	int			round;

	for (round = 0; round < ROUNDS; round++)
	{
		int64_t		span = SECONDS(3600);

		scene_random();
		fo_core_judge(&group, &first);
		CHECK(first.recheck_at == 0 || first.recheck_at > group.now);
		if (first.recheck_at != 0)
			span = first.recheck_at - group.now;
		group.now += unit_one_in(3) ? span - 1 : (int64_t) (unit_random() % (uint64_t) span);
		fo_core_judge(&group, &second);
		CHECK_INT(second.rule, first.rule);
		CHECK_INT(second.situation_rule, first.situation_rule);
		CHECK_INT(second.peer, first.peer);
	}
}

TEST("any verdict: judging at each recheck_at comes to an end")
{
	FoVerdict	verdict;
	int			round;
	int			times;

	for (round = 0; round < 5000; round++)
	{
		scene_random();
		for (times = 0; times < 100; times++)
		{
			fo_core_judge(&group, &verdict);
			if (verdict.recheck_at == 0)
				break;
			group.now = verdict.recheck_at;
		}
		CHECK(times < 100);
	}
}

/* Facts about the primary in trouble that a failover must rest on. */
static void
check_failover(const FoVerdict *verdict)
{
	const FoPeerView *primary = &peers[group.primary];
	const FoPeerView *candidate = &peers[verdict->candidate];
	bool		is_stalled = group.settings.write_check && primary->write_failing_since != 0;
	bool		is_door_shut = primary->connect_failures >= group.settings.failure_threshold;
	bool		is_standby = verdict->situation_rule == 26 && primary->observed.in_recovery;

	CHECK(primary->error != FO_ERROR_AUTH && primary->error != FO_ERROR_TOO_MANY_CONNECTIONS
		  && primary->error != FO_ERROR_QUERY && primary->error != FO_ERROR_PROTOCOL && primary->error != FO_ERROR_DNS);
	CHECK(is_stalled || is_door_shut || is_standby || !fo_core_peer_answers(primary));
	CHECK(is_stalled || is_standby || verdict->evidence.lost > 0);
	CHECK(fo_core_peer_answers(primary) || is_stalled
		  || (verdict->evidence.receiving == 0 && verdict->evidence.stale == 0));
	CHECK(fo_core_peer_answers(candidate) && candidate->observed.in_recovery && candidate->is_promotable
		  && !candidate->is_in_maintenance && !candidate->is_fenced && !candidate->is_history_rejected);
	CHECK(group.settings.prefer == FO_PREFER_AVAILABILITY
		  || fo_core_sync_proof(&group, NULL) != FO_SYNC_PROOF_UNCOVERED);
	CHECK(group.settings.prefer == FO_PREFER_AVAILABILITY || fo_core_needs_lease(primary)
		  || (primary->error != FO_ERROR_TIMEOUT && primary->error != FO_ERROR_RESET)
		  || fo_core_sync_proof(&group, NULL) == FO_SYNC_PROOF_COVERED);
}

TEST("any verdict: no action against a pause, a running operation, a living primary or without a candidate")
{
	FoVerdict	verdict;
	int			seen[FO_VERDICT_N] = {0};
	int			round;

	for (round = 0; round < 4 * ROUNDS; round++)
	{
		scene_random();
		fo_core_judge(&group, &verdict);
		seen[verdict.kind]++;
		CHECK(verdict.peer >= -1 && verdict.peer < group.peers_n);
		CHECK(verdict.candidate >= -1 && verdict.candidate < group.peers_n);
		CHECK((verdict.candidate >= 0) == (verdict.evidence.eligible > 0) || group.primary < 0);
		CHECK(verdict.evidence.lost + verdict.evidence.stale + verdict.evidence.receiving
			  + verdict.evidence.unheard == verdict.evidence.witnesses);
		CHECK(verdict.evidence.witnesses <= verdict.evidence.standbys);
		CHECK(verdict.reason[0] != '\0' && memchr(verdict.reason, '\0', FO_SENTENCE_LEN) != NULL);
		if (!is_action(verdict.kind))
			continue;
		CHECK(group.newer_term == 0 && !group.is_claiming && !group.is_unconfirmed);
		CHECK(!group.is_paused && !group.is_operation_running && group.clock_jump_until <= group.now);
		CHECK_INT(verdict.rule, verdict.situation_rule);
		if (verdict.kind == FO_VERDICT_FENCE || verdict.kind == FO_VERDICT_ADOPT)
		{
			CHECK(verdict.peer != group.primary);
			CHECK(fo_core_peer_answers(&peers[verdict.peer]) && !peers[verdict.peer].observed.in_recovery);
			continue;
		}
		if (verdict.kind == FO_VERDICT_PROMOTE)
		{
			CHECK_INT(verdict.peer, group.primary);
			CHECK(group.is_primary_pending && fo_core_peer_answers(&peers[group.primary]) && peers[group.primary].observed.in_recovery);
			CHECK(group.recent_failovers < group.settings.max_attempts);
			continue;
		}
		CHECK(group.settings.auto_failover && !peers[group.primary].is_in_maintenance);
		CHECK(group.recent_failovers < group.settings.max_attempts);
		if (verdict.kind == FO_VERDICT_ASK)
			CHECK(verdict.peer != group.primary && fo_core_peer_answers(&peers[verdict.peer]));
		else
			CHECK(verdict.candidate >= 0);
		if (verdict.kind == FO_VERDICT_FAILOVER && verdict.candidate >= 0)
			check_failover(&verdict);
	}
	for (round = 0; round < FO_VERDICT_N; round++)
	{
		unit_context(fo_core_verdict_name((FoVerdictKind) round));
		CHECK(seen[round] > 10);
	}
}

TEST("any verdict: bytes that make no sense do not lead beyond the view")
{
	FoVerdict	verdict;
	int			round;
	int			i;

	for (round = 0; round < ROUNDS / 2; round++)
	{
		scene_random();
		for (i = 0; i < group.peers_n; i++)
		{
			peers[i].failing_since = (FoTime) (unit_random() >> 2);
			peers[i].probe_at = (FoTime) (unit_random() >> 2);
			peers[i].received_at = (FoTime) (unit_random() >> 2);
			peers[i].observed.lsn = unit_random();
			peers[i].observed.timeline = (uint32_t) unit_random();
			peers[i].observed.at = (FoTime) (unit_random() >> 2);
		}
		group.primary = unit_below(20) - 5;
		group.settings.strategy = unit_below(5);
		fo_core_judge(&group, &verdict);
		CHECK(verdict.rule > 0);
	}
}
