/*-------------------------------------------------------------------------
 *
 * test_summary.c
 *		What failover_status says of a group.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "core/summary.h"
#include "scene.h"

static FoSummary summary;
static FoCandidate ranked[SCENE_PEERS];
static FoSummaryInput input;

static void
summarize(void)
{
	FoCandidateOptions options = {.target = -1};

	input.group = &group;
	input.candidates = ranked;
	input.eligible = fo_core_rank_candidates(&group, &options, ranked);
	fo_core_summarize(&input, &summary);
}

/* A healthy group with a coordinator that knows it, and no failover behind it. */
static void
begin(void)
{
	scene_begin();
	memset(&input, 0, sizeof(input));
	input.is_redundancy_restored = true;
}

#define CHECK_STATE(expected) \
	do { \
		summarize(); \
		CHECK_TEXT(fo_core_group_state_name(summary.state), expected); \
	} while (0)

/* One reason, and exactly this one. */
#define CHECK_REASON(expected) \
	do { \
		CHECK_STATE("degraded"); \
		CHECK_INT(summary.reasons_n, 1); \
		CHECK_TEXT(summary.reasons[0], expected); \
	} while (0)

static const char *
block(void)
{
	summarize();
	return fo_core_block_name(summary.blocked_by) == NULL ? "" : fo_core_block_name(summary.blocked_by);
}

TEST("summary: a healthy group has no reason to be called anything else")
{
	begin();
	CHECK_STATE("healthy");
	CHECK_INT(summary.reasons_n, 0);
	CHECK_INT(summary.peers_total, 3);
	CHECK_INT(summary.peers_healthy, 3);
	CHECK_INT(summary.standbys_healthy, 2);
	CHECK_INT(summary.backups, 2);
	CHECK_TEXT(fo_core_redundancy_name(summary.redundancy), "multi");
	CHECK_TEXT(peer_name(summary.candidate), "pg2");
	CHECK_TEXT(block(), "");
}

TEST("summary: redundancy counts the peers that could serve")
{
	begin();
	fail(PG3, FO_ERROR_REFUSED, 10, 5);
	peers[PG3].health.health = FO_HEALTH_UNHEALTHY;
	CHECK_REASON("standby \"pg3\" does not answer (refused)");
	CHECK_TEXT(fo_core_redundancy_name(summary.redundancy), "dual");
	CHECK_INT(summary.peers_healthy, 2);
	CHECK_INT(summary.standbys_healthy, 1);

	fail(PG2, FO_ERROR_TIMEOUT, 10, 5);
	CHECK_STATE("degraded");
	CHECK_INT(summary.reasons_n, 3);
	CHECK_TEXT(summary.reasons[2], "no standby could take over");
	CHECK_TEXT(fo_core_redundancy_name(summary.redundancy), "single");
	CHECK_INT(summary.candidate, -1);

	fail(PG1, FO_ERROR_REFUSED, 10, 5);
	CHECK_STATE("degraded");
	CHECK_TEXT(summary.reasons[0], "primary \"pg1\" does not answer (refused)");
	CHECK_TEXT(fo_core_redundancy_name(summary.redundancy), "none");
}

TEST("summary: a primary that gets no lease is degraded, with the cause where it is known")
{
	begin();
	peers[PG1].observed.is_armed = peers[PG1].observed.has_node_library = true;
	peers[PG1].leaseless_since = group.now - SECONDS(2.9);
	CHECK_STATE("healthy");
	peers[PG1].leaseless_since = group.now - SECONDS(3);
	CHECK_STATE("degraded");
	CHECK_REASON("primary \"pg1\" holds no lease and refuses commits");
	group.is_unconfirmed = true;
	CHECK_REASON("primary \"pg1\" holds no lease and refuses commits: too few standbys have taken this coordinator's term;"
				 " failover_acknowledge() says that no other one has taken over");
	peers[PG1].observed.has_node_library = false;
	CHECK_REASON("primary \"pg1\" holds no lease and refuses commits: the extension is gone there, or no longer fits;"
				 " create it, or call failover_node_release() there");
	group.is_unconfirmed = false;
	peers[PG1].leaseless_since = 0;
	CHECK_STATE("degraded");
	CHECK_REASON("primary \"pg1\" commits by lease, and cannot be asked or granted one: the extension is gone there, or no longer fits");
	peers[PG1].observed.is_armed = false;
	CHECK_STATE("healthy");
}

TEST("summary: what is wrong with a peer is said, what a DBA chose is not")
{
	begin();
	peers[PG2].is_in_maintenance = true;
	CHECK_STATE("healthy");
	CHECK_INT(summary.standbys_healthy, 1);
	CHECK_INT(summary.backups, 1);
	begin();
	peers[PG2].is_promotable = false;
	CHECK_STATE("healthy");
	begin();
	peers[PG2].observed.apply_delay_ms = 1000;
	CHECK_STATE("healthy");
	begin();
	peers[PG2].observed.is_replay_paused = true;
	CHECK_REASON("standby \"pg2\" has its replay paused");
	begin();
	never_received(PG3);
	CHECK_REASON("standby \"pg3\" is not receiving from the primary");
	peers[PG3].wal_gone_from = 0x3000028;
	CHECK_REASON("standby \"pg3\" needs WAL from 0/3000028 that the primary no longer has: clone it again");
	peers[PG3].is_promotable = false;
	CHECK_REASON("standby \"pg3\" needs WAL from 0/3000028 that the primary no longer has: clone it again");
	begin();
	promote(PG3, 1);
	CHECK_REASON("peer \"pg3\" is out of recovery beside the primary");
	peers[PG3].observed.is_armed = true;
	CHECK_REASON("peer \"pg3\" is out of recovery beside the primary, without the lease: it takes no writes");
	peers[PG3].is_fenced = true;
	CHECK_REASON("peer \"pg3\" is fenced: it was the primary, and has not come back as a standby");
	begin();
	peers[PG1].write_failing_since = group.now - SECONDS(1);
	summarize();
	CHECK_TEXT(summary.reasons[0], "primary \"pg1\" cannot write");
	begin();
	peers[PG1].connect_failing_since = group.now - SECONDS(1);
	summarize();
	CHECK_TEXT(summary.reasons[0], "primary \"pg1\" takes no new connections");
	begin();
	peers[PG2].health.is_slow = true;
	CHECK_REASON("standby \"pg2\" answers slowly");
	begin();
	group.peers_n = 1;
	CHECK_REASON("there is no standby");
}

TEST("summary: a synchronous set that has shrunk, or that commits wait for, is said")
{
	begin();
	group.is_sync_managed = true;
	group.settings.sync_mode = FO_SYNC_QUORUM;
	group.settings.sync_standbys = 2;
	peers[PG1].observed.sync_standbys = 2;
	strcpy(group.sync_names, "ANY 2 (pg2, pg3)");
	strcpy(group.sync_before, group.sync_names);
	CHECK_STATE("healthy");
	peers[PG1].observed.sync_standbys = 1;
	CHECK_REASON("commits may hang: 1 of the 2 synchronous standbys that must confirm them stream");
	strcpy(group.sync_names, "ANY 1 (pg2)");
	CHECK_REASON("commits wait for 1 of the 2 standbys that sync_standbys asks for");
	strcpy(group.sync_names, "");
	CHECK_REASON("no standby confirms commits: what is acknowledged now is on the primary alone");
}

TEST("summary: nothing is claimed while nobody looks")
{
	begin();
	input.unknown_reason = "the coordinator is not running";
	group.is_operation_running = true;
	CHECK_STATE("unknown");
	CHECK_INT(summary.peers_total, 3);
	CHECK_INT(summary.peers_healthy, 0);
	CHECK_INT(summary.backups, 0);
	CHECK_INT(summary.candidate, -1);
	CHECK_TEXT(fo_core_redundancy_name(summary.redundancy), "none");
	CHECK_INT(summary.reasons_n, 1);
	CHECK_TEXT(summary.reasons[0], "the coordinator is not running");
	CHECK_TEXT(block(), "coordinator");

	begin();
	forget_primary();
	CHECK_STATE("unknown");
	CHECK_TEXT(summary.reasons[0], "no primary is known");
	begin();
	group.peers_n = 0;
	group.primary = -1;
	CHECK_STATE("unknown");
	CHECK_TEXT(summary.reasons[0], "no peer is registered");
	begin();
	memset(&peers[PG1].observed, 0, sizeof(peers[PG1].observed));
	peers[PG1].last_attempt_at = 0;
	CHECK_STATE("unknown");
	CHECK_TEXT(summary.reasons[0], "primary \"pg1\" has not been checked yet");
}

TEST("summary: a failover goes from in progress by way of complete and recovery to healthy")
{
	begin();
	input.is_redundancy_restored = false;
	group.is_operation_running = true;
	input.operation = FO_OPERATION_FAILOVER;
	CHECK_STATE("failover_in_progress");
	CHECK_TEXT(block(), "operation");
	group.is_operation_running = false;
	fail(PG3, FO_ERROR_REFUSED, 10, 5);
	CHECK_STATE("failover_complete");
	fail(PG3, FO_ERROR_STARTING_UP, 10, 5);
	CHECK_STATE("recovery_in_progress");
	begin();
	input.is_redundancy_restored = false;
	never_received(PG3);
	CHECK_STATE("recovery_in_progress");
	group.is_operation_running = true;
	input.operation = FO_OPERATION_REJOIN;
	CHECK_STATE("recovery_in_progress");
	begin();
	CHECK_STATE("healthy");
}

TEST("summary: the first thing that blocks a failover is named, in the order of the gates")
{
	FoVerdict	verdict = {.kind = FO_VERDICT_HOLD,.rule = FO_RULE_UNFENCEABLE};

	begin();
	input.verdict = &verdict;
	CHECK_TEXT(block(), "consistency");
	CHECK_INT(summary.is_failover_possible, false);
	CHECK_TEXT(peer_name(summary.candidate), "pg2");
	group.retry_at = group.now + SECONDS(10);
	CHECK_TEXT(block(), "retry");
	CHECK_INT(summary.is_failover_possible, false);
	group.is_unconfirmed = true;
	CHECK_TEXT(block(), "unconfirmed");
	group.blocked_until = group.now + SECONDS(10);
	CHECK_TEXT(block(), "block_period");
	group.recent_failovers = (int32_t) group.settings.max_attempts;
	CHECK_TEXT(block(), "attempts");
	group.settings.auto_failover = false;
	CHECK_TEXT(block(), "auto_failover");
	peers[PG1].is_in_maintenance = true;
	CHECK_TEXT(block(), "maintenance");
	group.is_operation_running = true;
	CHECK_TEXT(block(), "operation");
	group.clock_jump_until = group.now + SECONDS(1);
	CHECK_TEXT(block(), "clock");
	group.is_paused = true;
	CHECK_TEXT(block(), "pause");
	group.newer_term = 7;
	CHECK_TEXT(block(), "superseded");
	begin();
	input.verdict = &verdict;
	group.settings.prefer = FO_PREFER_AVAILABILITY;
	CHECK_TEXT(block(), "");
	CHECK_INT(summary.is_failover_possible, true);
	begin();
	group.blocked_until = group.now - 1;
	group.clock_jump_until = group.now - 1;
	CHECK_TEXT(block(), "");
}

TEST("summary: a failover that would be held for consistency is not called possible")
{
	begin();
	group.is_sync_managed = true;
	strcpy(group.sync_names, "ANY 1 (pg2, pg3)");
	strcpy(group.sync_before, group.sync_names);
	strcpy(peers[PG1].observed.sync_names, group.sync_names);
	CHECK_TEXT(block(), "");
	CHECK_INT(summary.is_failover_possible, true);
	fail(PG3, FO_ERROR_REFUSED, 10, 5);
	CHECK_TEXT(block(), "consistency");
	CHECK_INT(summary.is_failover_possible, false);
	CHECK_TEXT(peer_name(summary.candidate), "pg2");
}

TEST("summary: redundancy is back when everybody answers, and nobody is fenced")
{
	begin();
	CHECK_INT(fo_core_is_complete(&group), true);
	fail(PG3, FO_ERROR_SHUTTING_DOWN, 0.1, 1);
	CHECK_INT(fo_core_is_complete(&group), false);
	peers[PG3].is_in_maintenance = true;
	CHECK_INT(fo_core_is_complete(&group), true);
	peers[PG2].is_fenced = true;
	CHECK_INT(fo_core_is_complete(&group), false);
}

TEST("summary: while no primary is known nobody is called a standby for his silence")
{
	begin();
	forget_primary();
	fail(PG1, FO_ERROR_AUTH, 10, 5);
	summarize();
	CHECK_TEXT(summary.reasons[0], "no primary is known");
	CHECK_TEXT(summary.reasons[1], "peer \"pg1\" does not answer (auth)");
}

TEST("summary: what only a rule finds is said in its words, unless it is a gate")
{
	FoVerdict	verdict = {.kind = FO_VERDICT_ALERT,.rule = 81,.reason = "Nobody listens."};

	begin();
	input.verdict = &verdict;
	CHECK_REASON("Nobody listens.");
	verdict.rule = FO_RULE_GATES;
	CHECK_STATE("healthy");
	verdict.rule = 99;
	verdict.kind = FO_VERDICT_NONE;
	CHECK_STATE("healthy");
}

TEST("summary: whatever the view, the counts fit, and the same view gives the same summary")
{
	FoSummary	again;
	int			i;

	for (i = 0; i < 20000; i++)
	{
		begin();
		scene_random();
		input.is_redundancy_restored = unit_one_in(2);
		summarize();
		again = summary;
		summarize();
		CHECK(memcmp(&again, &summary, sizeof(summary)) == 0);
		CHECK(summary.peers_healthy >= summary.standbys_healthy);
		CHECK(summary.peers_total >= summary.peers_healthy);
		CHECK(summary.reasons_n >= 0 && summary.reasons_n <= FO_SUMMARY_REASONS_MAX);
		CHECK((summary.candidate >= 0) == (summary.backups > 0));
		CHECK(summary.state != FO_GROUP_HEALTHY || summary.reasons_n == 0);
	}
}

TEST("summary: more reasons than there is room for are counted")
{
	static FoPeerView many[40];
	static FoCandidate none[40];
	int			i;

	begin();
	for (i = 0; i < 40; i++)
	{
		many[i] = peers[i == 0 ? PG1 : PG2];
		sprintf(many[i].name, "p%02d", i);
		many[i].error = FO_ERROR_REFUSED;
		none[i].peer = i;
		none[i].exclusion = FO_EXCLUDED_UNREACHABLE;
	}
	group.peers = many;
	group.peers_n = 40;
	input.group = &group;
	input.candidates = none;
	fo_core_summarize(&input, &summary);
	CHECK_INT(summary.reasons_n, FO_SUMMARY_REASONS_MAX);
	CHECK_TEXT(summary.reasons[FO_SUMMARY_REASONS_MAX - 1], "and 26 more");
}
