/*-------------------------------------------------------------------------
 *
 * test_candidate.c
 *		Who is to be promoted.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "scene.h"

static FoCandidate ranked[SCENE_PEERS];
static FoFinalPosition final[SCENE_PEERS];

static int
rank_with(const FoFinalPosition *positions, bool is_forced, int target)
{
	FoCandidateOptions options = {.final = positions, .is_forced = is_forced, .target = target};

	return fo_core_rank_candidates(&group, &options, ranked);
}

static int
rank(void)
{
	return rank_with(NULL, false, -1);
}

/* Final positions as the peers show them; all known but the primary's. */
static void
take_positions(void)
{
	int			i;

	for (i = 0; i < group.peers_n; i++)
	{
		final[i].is_known = i != group.primary;
		final[i].timeline = peers[i].observed.timeline;
		final[i].lsn = peers[i].observed.lsn;
	}
}

static void
kill_primary(void)
{
	fail(PG1, FO_ERROR_REFUSED, 0.1, 1);
	lose(PG2);
	lose(PG3);
}

static const FoCandidate *
candidate_of(int peer)
{
	int			i;

	for (i = 0; i < group.peers_n; i++)
	{
		if (ranked[i].peer == peer)
			return &ranked[i];
	}
	return NULL;
}

#define CHECK_EXCLUDED(peer, why) \
	do { \
		(void) rank(); \
		CHECK_TEXT(fo_core_exclusion_name(candidate_of(peer)->exclusion), fo_core_exclusion_name(why)); \
		CHECK(candidate_of(peer)->reason[0] != '\0'); \
	} while (0)

TEST("candidate: in a healthy group every standby is eligible, ranked by priority, then name")
{
	scene_begin();
	CHECK_INT(rank(), 2);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg2");
	CHECK_INT(ranked[0].rank, 1);
	CHECK_INT(ranked[0].lag_bytes, 0);
	peers[PG3].priority = 50;
	CHECK_INT(rank(), 2);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg3");
	CHECK_TEXT(ranked[0].reason, "0 bytes behind, priority 50");
	CHECK_INT(ranked[2].exclusion, FO_EXCLUDED_PRIMARY);
}

TEST("candidate: each reason to be excluded is found, and worded")
{
	FoExclusion seen;

	for (seen = FO_EXCLUDED_NOT; seen < FO_EXCLUDED_N; seen++)
		CHECK(strcmp(fo_core_exclusion_name(seen), "unknown") != 0);

	scene_begin();
	CHECK_EXCLUDED(PG1, FO_EXCLUDED_PRIMARY);
	fail(PG2, FO_ERROR_TIMEOUT, 5, 3);
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_UNREACHABLE);
	CHECK_TEXT(candidate_of(PG2)->reason, "does not answer (timeout)");
	scene_begin();
	promote(PG2, 1);
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_NOT_STANDBY);
	scene_begin();
	peers[PG2].is_fenced = true;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_NOT_STANDBY);
	scene_begin();
	peers[PG2].is_promotable = false;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_NOT_PROMOTABLE);
	scene_begin();
	peers[PG2].is_in_maintenance = true;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_MAINTENANCE);
	scene_begin();
	peers[PG2].observed.system_identifier++;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_SYSTEM);
	scene_begin();
	peers[PG2].observed.timeline = 2;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_HISTORY);
	CHECK_TEXT(candidate_of(PG2)->reason, "is on timeline 2, newer than timeline 1 of the primary");
	scene_begin();
	peers[PG1].observed.timeline = 2;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_HISTORY);
	CHECK_TEXT(candidate_of(PG2)->reason, "is on timeline 1 and the primary on 2");
	scene_begin();
	peers[PG2].is_history_rejected = true;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_HISTORY);
	scene_begin();
	never_received(PG2);
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_NOT_RECEIVING);
	peers[PG2].wal_gone_from = (FoLsn) 0x1A << 32 | 0x3000028;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_NOT_RECEIVING);
	CHECK_TEXT(candidate_of(PG2)->reason, "needs WAL from 1A/3000028 that the primary no longer has: clone it again");
	scene_begin();
	kill_primary();
	peers[PG2].received_at = peers[PG1].failing_since - SECONDS(10.001);
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_NOT_RECEIVING);
	scene_begin();
	peers[PG1].observed.streaming_standbys = 0;
	stand_still(PG2);
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_NOT_RECEIVING);
	scene_begin();
	peers[PG2].observed.is_archive_only = true;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_ARCHIVE_ONLY);
	scene_begin();
	peers[PG2].observed.is_replay_paused = true;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_REPLAY_PAUSED);
	scene_begin();
	peers[PG2].observed.apply_delay_ms = 3600000;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_DELAYED);
	CHECK_TEXT(candidate_of(PG2)->reason, "applies WAL with a delay of 60 min");
	scene_begin();
	peers[PG2].observed.lsn -= 17 * 1024 * 1024;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_LAG);
	CHECK_TEXT(candidate_of(PG2)->reason, "is 17 MB behind, over max_lag");
	scene_begin();
	peers[PG2].observed.lsn = 0;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_LAG);
	scene_begin();
	peers[PG2].observed.has_upstream_password = true;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_CREDENTIAL);
	scene_begin();
	peers[PG2].observed.is_privileged = false;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_CREDENTIAL);
	scene_begin();
	peers[PG2].observed.is_inoperable = true;
	CHECK_EXCLUDED(PG2, FO_EXCLUDED_CREDENTIAL);
	CHECK_TEXT(candidate_of(PG2)->reason, "does not grant the coordinator the privileges to operate it");
}

TEST("candidate: over final positions the most advanced wins whatever its priority")
{
	scene_begin();
	kill_primary();
	peers[PG2].priority = 1;
	peers[PG2].observed.lsn -= 8;
	take_positions();
	CHECK_INT(rank_with(final, false, -1), 2);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg3");
	CHECK_INT(ranked[1].lag_bytes, 8);

	/* In a forecast both are close enough, so the priority decides. */
	CHECK_INT(rank(), 2);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg2");
	group.settings.strategy = FO_STRATEGY_MOST_ADVANCED;
	CHECK_INT(rank(), 2);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg3");
}

TEST("candidate: a newer timeline beats a higher position")
{
	scene_begin();
	kill_primary();
	peers[PG1].observed.timeline = 0;
	peers[PG2].observed.timeline = 2;
	peers[PG2].observed.lsn -= 100;
	take_positions();
	(void) rank_with(final, false, -1);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg2");
}

TEST("candidate: equal positions are decided by strategy, then zone, then name")
{
	scene_begin();
	kill_primary();
	strcpy(peers[PG1].zone, "east");
	strcpy(peers[PG3].zone, "east");
	take_positions();
	(void) rank_with(final, false, -1);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg3");
	peers[PG2].priority = 99;
	(void) rank_with(final, false, -1);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg2");
}

TEST("candidate: lag counts from the dead primary's last words, and force overrides it")
{
	scene_begin();
	kill_primary();
	peers[PG1].observed.lsn += 64 * 1024 * 1024;
	take_positions();
	CHECK_INT(rank_with(final, false, -1), 0);
	CHECK_INT(candidate_of(PG2)->lag_bytes, 64 * 1024 * 1024);
	CHECK_INT(rank_with(final, true, -1), 2);
	peers[PG2].received_at = 0;
	CHECK_INT(rank_with(final, true, -1), 2);
	peers[PG2].is_in_maintenance = true;
	CHECK_INT(rank_with(final, true, -1), 1);
}

TEST("candidate: whoever was not read after freezing is out")
{
	scene_begin();
	kill_primary();
	take_positions();
	final[PG2].is_known = false;
	CHECK_INT(rank_with(final, false, -1), 1);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg3");
}

TEST("candidate: who was not receiving is out, unless those who were have no more than it has")
{
	scene_begin();
	kill_primary();
	never_received(PG3);
	take_positions();
	final[PG2].lsn = final[PG3].lsn + 1;
	CHECK_INT(rank_with(final, false, -1), 1);
	CHECK_INT(ranked[0].peer, PG2);
	CHECK_INT(candidate_of(PG3)->exclusion, FO_EXCLUDED_NOT_RECEIVING);

	final[PG2].lsn = final[PG3].lsn - 1;
	CHECK_INT(rank_with(final, false, -1), 2);
	CHECK_INT(ranked[0].peer, PG3);

	/* Nobody was receiving, or nobody who can be promoted: nothing to compare with. */
	peers[PG2].is_promotable = false;
	CHECK_INT(rank_with(final, false, -1), 0);
	CHECK_INT(candidate_of(PG3)->exclusion, FO_EXCLUDED_NOT_RECEIVING);
}

TEST("candidate: a planned move needs no receiver that still runs, for it was frozen")
{
	scene_begin();
	lose(PG2);
	lose(PG3);
	peers[PG2].received_at -= SECONDS(60);
	take_positions();
	CHECK_INT(rank_with(final, false, -1), 2);
}

TEST("candidate: a target excludes the others, but is not excused from anything")
{
	scene_begin();
	CHECK_INT(rank_with(NULL, false, PG3), 1);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg3");
	CHECK_INT(candidate_of(PG2)->exclusion, FO_EXCLUDED_TARGET);
	peers[PG3].is_promotable = false;
	CHECK_INT(rank_with(NULL, true, PG3), 0);
	CHECK_INT(candidate_of(PG3)->exclusion, FO_EXCLUDED_NOT_PROMOTABLE);
}

TEST("candidate: under synchronous replication nobody may win who could lack an acknowledged commit")
{
	scene_begin();
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg1, pg2, pg3)");
	kill_primary();
	take_positions();
	CHECK_INT(fo_core_sync_proof(&group, final), FO_SYNC_PROOF_COVERED);
	CHECK_INT(rank_with(final, false, -1), 2);

	/* One of the two was not read: it may hold the only copy. */
	final[PG3].is_known = false;
	CHECK_INT(fo_core_sync_proof(&group, final), FO_SYNC_PROOF_UNCOVERED);
	CHECK_INT(rank_with(final, false, -1), 0);
	CHECK_INT(candidate_of(PG2)->exclusion, FO_EXCLUDED_SYNC);
	CHECK_INT(rank_with(final, true, -1), 1);
	group.settings.prefer = FO_PREFER_AVAILABILITY;
	CHECK_INT(rank_with(final, false, -1), 1);

	/* The one that is ahead may not be promoted: promoting the other would lose what it holds. */
	group.settings.prefer = FO_PREFER_CONSISTENCY;
	take_positions();
	peers[PG3].is_promotable = false;
	final[PG3].lsn += 100;
	CHECK_INT(rank_with(final, false, -1), 0);
	CHECK_INT(candidate_of(PG2)->exclusion, FO_EXCLUDED_SYNC);

	/* A position on a timeline that the primary never was on proves nothing. */
	peers[PG3].is_promotable = true;
	take_positions();
	final[PG3].timeline = 5;
	CHECK_INT(fo_core_sync_proof(&group, final), FO_SYNC_PROOF_UNCOVERED);
}

TEST("candidate: what a drained primary has written is enough, and less is not")
{
	FoCandidateOptions options = {.final = final,.target = -1};

	/* One of the two that may have confirmed is down, and nothing can be proven from the names. */
	scene_begin();
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3)");
	fail(PG3, FO_ERROR_REFUSED, 60, 60);
	take_positions();
	final[PG3].is_known = false;
	CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), 0);
	options.drained_to = final[PG2].lsn;
	CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), 1);
	options.drained_to++;
	CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), 0);
	CHECK_TEXT(candidate_of(PG2)->reason, "has not received everything that the primary had written");
	group.settings.prefer = FO_PREFER_AVAILABILITY;
	CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), 1);
}

TEST("candidate: what a drained primary has written and nobody confirmed was acknowledged to nobody")
{
	FoCandidateOptions options = {.final = final,.target = -1};

	/* Both that may have confirmed are read, and the rest of the WAL has reached nobody: its postmaster hangs. */
	scene_begin();
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3)");
	take_positions();
	final[PG3].lsn += 100;
	options.drained_to = final[PG3].lsn + 100;
	CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), 1);
	CHECK_INT(ranked[0].peer, PG3);
	CHECK_INT(candidate_of(PG2)->exclusion, FO_EXCLUDED_SYNC);

	/* Without names nobody has waited: then it may have been acknowledged. */
	peers[PG1].observed.sync_names[0] = '\0';
	CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), 0);
}

TEST("candidate: who was promoted while nobody looked is found, and what an operation did itself is not")
{
	/* pg1 has been told to stop and still answers, pg2 is about to begin timeline 3. */
	scene_begin();
	CHECK_INT(fo_core_find_usurper(&group, PG2, 3), -1);
	promote(PG2, 3);
	CHECK_INT(fo_core_find_usurper(&group, PG2, 3), -1);
	promote(PG3, 3);
	CHECK_INT(fo_core_find_usurper(&group, PG2, 3), PG3);
	CHECK_INT(fo_core_find_usurper(&group, -1, 3), PG2);
	promote(PG3, 4);
	fail(PG3, FO_ERROR_REFUSED, 60, 60);
	CHECK_INT(fo_core_find_usurper(&group, PG2, 3), -1);

	/* A primary that has not stopped yet, whose timeline the candidate does not show yet; so another standby. */
	scene_begin();
	peers[PG1].observed.timeline = peers[PG3].observed.timeline = 2;
	CHECK_INT(fo_core_find_usurper(&group, PG2, 3), -1);

	/* A former primary is back, and one has become the primary again. */
	scene_begin();
	promote(PG3, 1);
	CHECK_INT(fo_core_find_usurper(&group, PG2, 3), -1);
	promote(PG1, 3);
	CHECK_INT(fo_core_find_usurper(&group, PG2, 3), PG1);

	/* Only followers of the new one answer. */
	scene_begin();
	peers[PG3].observed.timeline = 3;
	CHECK_INT(fo_core_find_usurper(&group, PG2, 3), PG3);
	scene_begin();
	peers[PG2].observed.timeline = 3;
	CHECK_INT(fo_core_find_usurper(&group, PG2, 3), PG2);
	peers[PG2].observed.system_identifier++;
	peers[PG3].observed.system_identifier++;
	promote(PG3, 3);
	CHECK_INT(fo_core_find_usurper(&group, -1, 3), -1);
}

TEST("candidate: a timeline that a dead candidate of ours has begun is a continuation, any other is not")
{
	FoCandidateOptions options = {.final = final,.target = -1};

	scene_begin();
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3)");
	kill_primary();
	take_positions();
	final[PG3].timeline = 2;
	CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), 0);
	group.newest_timeline = 2;
	CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), 2);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg3");
	final[PG3].timeline = 3;
	CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), 0);
}

TEST("candidate: a promotion begins a timeline that nobody has begun, nor may have")
{
	scene_begin();
	take_positions();
	CHECK_INT(fo_core_next_timeline(&group, NULL, 0), 2);
	CHECK_INT(fo_core_next_timeline(&group, final, 0), 2);
	CHECK_INT(fo_core_next_timeline(&group, final, 2), 3);
	peers[PG3].observed.timeline = 4;
	CHECK_INT(fo_core_next_timeline(&group, final, 2), 5);
	final[PG2].timeline = 5;
	CHECK_INT(fo_core_next_timeline(&group, final, 2), 6);
	final[PG2].newest_history = 7;
	CHECK_INT(fo_core_next_timeline(&group, final, 2), 8);
	final[PG2].is_known = false;
	CHECK_INT(fo_core_next_timeline(&group, final, 2), 5);
	peers[PG3].observed.system_identifier = 99;
	CHECK_INT(fo_core_next_timeline(&group, final, 2), 3);
}

TEST("candidate: a primary that is fenced in the present term needs the next one")
{
	FoObservation *seen = &peers[PG1].observed;

	scene_begin();
	group.term = 5;
	seen->has_node_library = true;
	seen->fenced_term = -1;
	CHECK_INT(fo_core_needed_term(&group), 5);
	seen->fenced_term = 4;
	CHECK_INT(fo_core_needed_term(&group), 5);
	seen->fenced_term = 5;
	CHECK_INT(fo_core_needed_term(&group), 6);
	strcpy(seen->rejoin_phase, "stopping");
	CHECK_INT(fo_core_needed_term(&group), 5);
	strcpy(seen->rejoin_phase, "failed");
	CHECK_INT(fo_core_needed_term(&group), 6);
	seen->in_recovery = true;
	CHECK_INT(fo_core_needed_term(&group), 5);
	seen->in_recovery = false;
	seen->has_node_library = false;
	CHECK_INT(fo_core_needed_term(&group), 5);
}

TEST("candidate: an asynchronous standby that is ahead may win, one that is behind may not")
{
	scene_begin();
	strcpy(peers[PG1].observed.sync_names, "pg2");
	kill_primary();
	take_positions();
	final[PG3].lsn += 100;
	CHECK_INT(rank_with(final, false, -1), 2);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg3");
	CHECK_INT(candidate_of(PG2)->lag_bytes, 100);
	final[PG3].lsn -= 200;
	CHECK_INT(rank_with(final, false, -1), 1);
	CHECK_TEXT(peer_name(ranked[0].peer), "pg2");
	CHECK_INT(candidate_of(PG3)->exclusion, FO_EXCLUDED_SYNC);
}

TEST("candidate: synchronous names that cannot be trusted prove nothing")
{
	scene_begin();
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_NONE);
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3");
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_UNCOVERED);
	memset(peers[PG1].observed.sync_names, 0, FO_SYNC_NAMES_LEN);
	memset(peers[PG1].observed.sync_names, ' ', FO_SYNC_NAMES_LEN - 1);
	memcpy(peers[PG1].observed.sync_names, "pg2", 3);
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_UNCOVERED);

	/* Under "*" a standby that is not registered may have confirmed. */
	memset(peers[PG1].observed.sync_names, 0, FO_SYNC_NAMES_LEN);
	strcpy(peers[PG1].observed.sync_names, "*");
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_COVERED);
	peers[PG1].observed.streaming_standbys = 3;
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_UNCOVERED);

	/* So it may under a name that it shares with one that is. */
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2)");
	peers[PG1].observed.listed_standbys = 1;
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_COVERED);
	peers[PG1].observed.listed_standbys = 2;
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_UNCOVERED);
	memset(peers[PG3].observed.application_name, 0, FO_NAME_LEN);
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_COVERED);
	strcpy(peers[PG3].observed.application_name, "PG2");
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_COVERED);

	/* A primary that was never seen: only hearing everybody leaves nothing out. */
	scene_begin();
	kill_primary();
	peers[PG1].observed.at = 0;
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_NONE);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 9);
	CHECK_INT(fo_core_sync_proof(&group, NULL), FO_SYNC_PROOF_UNCOVERED);
}

/* Random final positions, close to each other; sometimes none. */
static const FoFinalPosition *
random_positions(void)
{
	if (unit_one_in(2))
		return NULL;
	take_positions();
	return final;
}

TEST("candidate: the order is total and does not depend on the order of the peers")
{
	char		order[SCENE_PEERS][FO_NAME_LEN];
	FoCandidate best;
	int			round;
	int			turn;
	int			i;

	for (round = 0; round < 5000; round++)
	{
		const FoFinalPosition *positions;
		FoCandidateOptions options = {.is_forced = unit_one_in(4), .target = -1};
		int			eligible_n;

		scene_random();
		positions = random_positions();
		options.final = positions;
		eligible_n = fo_core_rank_candidates(&group, &options, ranked);
		for (i = 0; i < group.peers_n; i++)
		{
			strcpy(order[i], peer_name(ranked[i].peer));
			CHECK_INT(ranked[i].rank, i + 1);
			CHECK_INT(ranked[i].exclusion == FO_EXCLUDED_NOT, i < eligible_n);
		}
		for (turn = 0; turn < 4; turn++)
		{
			scene_shuffle();
			if (positions != NULL)
				take_positions();
			CHECK_INT(fo_core_rank_candidates(&group, &options, ranked), eligible_n);
			for (i = 0; i < group.peers_n; i++)
				CHECK_TEXT(peer_name(ranked[i].peer), order[i]);
		}
		CHECK_INT(fo_core_best_candidate(&group, &options, &best), eligible_n);
		CHECK_TEXT(peer_name(best.peer), eligible_n > 0 ? order[0] : "");
	}
}

/* Leave only these two and the primary in the group, and rank. */
static bool
is_pair_in_order(const FoPeerView *all, const FoPeerView *primary, int a, int b)
{
	peers[0] = *primary;
	peers[1] = all[a];
	peers[2] = all[b];
	group.primary = 0;
	group.peers_n = 3;
	(void) rank();
	return candidate_of(1)->rank < candidate_of(2)->rank;
}

TEST("candidate: pair by pair the order is antisymmetric and transitive")
{
	FoPeerView	all[SCENE_PEERS];
	bool		before[SCENE_PEERS][SCENE_PEERS];
	int			round;
	int			a;
	int			b;
	int			c;

	for (round = 0; round < 1500; round++)
	{
		scene_begin();
		for (a = 0; a < 4; a++)
			add_peer();
		group.settings.strategy = unit_below(FO_STRATEGY_N);
		strcpy(peers[0].zone, "east");
		for (a = 1; a < group.peers_n; a++)
		{
			/* Nobody ahead of the primary: then it is the reference in every pair. */
			peers[a].observed.lsn -= (FoLsn) unit_below(3) * 10 * 1024 * 1024;
			peers[a].priority = unit_below(2);
			strcpy(peers[a].zone, unit_one_in(2) ? "east" : "west");
		}
		memcpy(all, peers, sizeof(all));
		for (a = 1; a < 7; a++)
		{
			for (b = 1; b < 7; b++)
				before[a][b] = a != b && is_pair_in_order(all, &all[0], a, b);
		}
		for (a = 1; a < 7; a++)
		{
			for (b = 1; b < 7; b++)
			{
				CHECK(a == b || before[a][b] != before[b][a]);
				for (c = 1; c < 7; c++)
					CHECK(!(before[a][b] && before[b][c]) || before[a][c]);
			}
		}
	}
}

TEST("candidate: over final positions no eligible peer is behind the chosen one's rivals")
{
	int			round;
	int			i;

	for (round = 0; round < 5000; round++)
	{
		int			eligible_n;

		scene_random();
		take_positions();
		eligible_n = rank_with(final, unit_one_in(3), -1);
		for (i = 1; i < eligible_n; i++)
		{
			CHECK(ranked[0].timeline >= ranked[i].timeline);
			CHECK(ranked[0].timeline > ranked[i].timeline || ranked[0].lsn >= ranked[i].lsn);
		}
	}
}
