/*-------------------------------------------------------------------------
 *
 * scene.c
 *		A group to judge.
 *
 *-------------------------------------------------------------------------
 */
#include "scene.h"

#include <stdio.h>
#include <string.h>

#define NOW SECONDS(100000)
#define LSN UINT64_C(0x50000000)

FoGroupView group;
FoPeerView	peers[SCENE_PEERS];

static void
set_up_peer(int peer)
{
	FoPeerView *view = &peers[peer];
	FoObservation *observed = &view->observed;

	memset(view, 0, sizeof(*view));
	sprintf(view->name, "pg%d", peer + 1);
	view->priority = 100;
	view->weight = 1;
	view->is_promotable = true;
	fo_core_health_init(&view->health);
	view->health.health = FO_HEALTH_HEALTHY;
	view->health.response_ms = 1;
	view->last_attempt_at = NOW - SECONDS(0.3);
	view->lsn_moved_to = LSN;
	view->lsn_moved_at = NOW - SECONDS(0.3);

	observed->at = NOW - SECONDS(0.3);
	observed->timeline = 1;
	observed->lsn = LSN;
	observed->system_identifier = SYSTEM_ID;
	observed->is_privileged = true;
	observed->connections = -1;
	observed->message_age_us = -1;
	observed->server_version = 150000;
	strcpy(observed->application_name, view->name);
	if (peer == PG1)
	{
		observed->streaming_standbys = 2;
		return;
	}
	observed->in_recovery = true;
	observed->receiver = FO_RECEIVER_STREAMING;
	observed->receiver_timeline = 1;
	observed->message_age_us = 100000;
	view->received_at = observed->at;
}

void
scene_begin(void)
{
	memset(&group, 0, sizeof(group));
	strcpy(group.name, "g");
	group.now = NOW;
	fo_core_settings_init(&group.settings);
	group.term = 1;
	group.system_identifier = SYSTEM_ID;
	group.primary = PG1;
	group.peers_n = 3;
	group.peers = peers;
	memset(peers, 0, sizeof(peers));
	set_up_peer(PG1);
	set_up_peer(PG2);
	set_up_peer(PG3);
}

void
add_peer(void)
{
	set_up_peer(group.peers_n);
	group.peers_n++;
	peers[PG1].observed.streaming_standbys++;
}

void
forget_primary(void)
{
	group.primary = -1;
	group.system_identifier = 0;
}

void
fail(int peer, FoErrorClass error, double since, int failures)
{
	FoPeerView *view = &peers[peer];

	view->error = error;
	view->failing_since = NOW - SECONDS(since);
	view->last_attempt_at = NOW;
	if (view->observed.at >= view->failing_since)
		view->observed.at = view->failing_since - SECONDS(0.5);
	view->health.consecutive_failures = failures;
	view->health.error_class = error;
	if (failures >= group.settings.failure_threshold)
		view->health.health = FO_HEALTH_UNHEALTHY;
	if (error == FO_ERROR_STARTING_UP || error == FO_ERROR_SHUTTING_DOWN)
		view->alive_error_since = view->failing_since;
}

void
die(int peer, double since, int failures)
{
	fail(peer, FO_ERROR_REFUSED, since, failures);
	peers[peer].is_hung_up = true;
}

/* Heard now; what it received last was before the primary fell silent. */
static void
hear(int peer)
{
	FoTime		trouble = fo_core_trouble_since(&group);

	peers[peer].observed.at = NOW - SECONDS(0.01);
	if (trouble != 0)
		peers[peer].received_at = trouble - SECONDS(0.5);
}

void
lose(int peer)
{
	hear(peer);
	peers[peer].observed.receiver = FO_RECEIVER_NONE;
	peers[peer].observed.message_age_us = -1;
}

void
stand_still(int peer)
{
	hear(peer);
	peers[peer].received_at = peers[peer].observed.at;
	peers[peer].observed.message_age_us = SECONDS(500);
	peers[peer].lsn_moved_at = NOW - SECONDS(600);
}

void
receive(int peer)
{
	hear(peer);
	peers[peer].received_at = peers[peer].observed.at;
	peers[peer].observed.message_age_us = 1000;
	peers[peer].lsn_moved_at = NOW;
}

void
go_unheard(int peer, double since)
{
	peers[peer].observed.at = NOW - SECONDS(since);
	peers[peer].received_at = NOW - SECONDS(since);
}

void
never_received(int peer)
{
	lose(peer);
	peers[peer].received_at = 0;
}

void
probe(int peer, FoProbeState state, double since)
{
	peers[peer].probe = state;
	peers[peer].probe_at = NOW - SECONDS(since);
}

void
promote(int peer, uint32_t timeline)
{
	FoObservation *observed = &peers[peer].observed;

	observed->at = NOW - SECONDS(0.01);
	observed->in_recovery = false;
	observed->timeline = timeline;
	observed->receiver = FO_RECEIVER_NONE;
	observed->message_age_us = -1;
}

/* A moment up to a minute ago, often now or never. */
static FoTime
random_past(void)
{
	switch (unit_below(5))
	{
		case 0:
			return 0;
		case 1:
			return NOW;
		case 2:
			return NOW - SECONDS(1);
		default:
			return NOW - (FoTime) (unit_random() % (uint64_t) SECONDS(60));
	}
}

static void
random_peer(int peer)
{
	static const char *const odd_names[SCENE_PEERS] = {"Z", "a", "\xC3\xA4", "b\"", "pg10", "pg9", "%s%p", "_"};
	FoPeerView *view = &peers[peer];
	FoObservation *observed = &view->observed;

	set_up_peer(peer);
	strcpy(view->name, odd_names[peer]);
	if (unit_one_in(3))
		strcpy(view->zone, unit_one_in(2) ? "east" : "west");
	view->priority = unit_below(3);
	view->is_promotable = !unit_one_in(6);
	view->is_in_maintenance = unit_one_in(8);
	view->is_fenced = unit_one_in(8);
	view->is_history_rejected = unit_one_in(12);
	view->health.health = (FoHealth) unit_below(FO_HEALTH_N);
	view->health.is_slow = unit_one_in(6);
	view->health.consecutive_failures = unit_below(6);
	if (unit_one_in(2))
		fail(peer, (FoErrorClass) (1 + unit_below(FO_ERROR_N - 1)), unit_below(70), unit_below(6));
	if (unit_one_in(3))
		fail(peer, unit_one_in(2) ? FO_ERROR_REFUSED : FO_ERROR_TIMEOUT, unit_below(20), unit_below(6));
	view->last_attempt_at = unit_one_in(12) ? 0 : NOW;
	view->is_stop_orderly = unit_one_in(4);
	view->is_hung_up = unit_one_in(2);
	view->was_missing = unit_one_in(8);
	if (unit_one_in(6))
	{
		view->connect_failures = unit_below(6);
		view->connect_failing_since = random_past();
	}
	if (unit_one_in(6))
		view->write_failing_since = random_past();
	if (unit_one_in(6))
		view->leaseless_since = random_past();
	view->received_at = unit_one_in(3) ? random_past() : NOW;
	view->lsn_moved_at = random_past();
	view->health.first_success_at = random_past();
	view->probe = unit_one_in(3) ? (FoProbeState) unit_below(5) : FO_PROBE_NONE;
	view->probe_at = random_past();

	observed->at = unit_one_in(3) ? random_past() : NOW;
	observed->in_recovery = peer != group.primary ? !unit_one_in(6) : unit_one_in(8);
	observed->timeline = unit_one_in(4) ? (uint32_t) unit_below(4) : 1;
	observed->lsn = unit_one_in(3) ? LSN - (FoLsn) unit_below(40) * 1024 * 1024 : LSN;
	if (unit_one_in(12))
		observed->system_identifier = unit_one_in(2) ? 0 : SYSTEM_ID + 1;
	observed->receiver = unit_one_in(2) ? FO_RECEIVER_STREAMING : (FoReceiver) unit_below(FO_RECEIVER_N);
	observed->message_age_us = (int64_t) unit_below(40) * 1000000 - 1;
	observed->is_replay_paused = unit_one_in(12);
	observed->apply_delay_ms = unit_one_in(12) ? 1000 : 0;
	observed->is_read_only = unit_one_in(3);
	observed->is_privileged = !unit_one_in(12);
	observed->is_inoperable = unit_one_in(12);
	observed->streaming_standbys = unit_one_in(8) ? 0 : 2;
	observed->is_archive_only = unit_one_in(12);
	observed->has_node_library = unit_one_in(3);
	observed->is_armed = observed->has_node_library;
	observed->may_commit = observed->is_armed && unit_one_in(2);
	peers[peer].was_armed = unit_one_in(2);
	if (unit_one_in(3))
		strcpy(observed->sync_names, unit_one_in(2) ? "ANY 1 (pg1, pg2, pg3)" : "*");
}

static void
random_settings(void)
{
	FoSettings *settings = &group.settings;

	settings->auto_failover = !unit_one_in(6);
	settings->cascade = unit_one_in(3);
	settings->failure_threshold = 1 + unit_below(4);
	settings->restart_grace = unit_one_in(4) ? unit_below(20000) : 0;
	settings->strategy = unit_below(FO_STRATEGY_N);
	settings->prefer = unit_below(2);
	settings->max_lag = unit_one_in(2) ? INT64_C(16777216) : 1024;
	settings->on_slow = unit_below(3);
	settings->write_check = !unit_one_in(4);
}

bool
is_covered_by(const FoSyncNames *names, const char *self,
			  int members_n, const char *const *members, const bool *is_heard)
{
	FoSyncCoverage coverage;
	int			i;

	fo_core_sync_cover_begin(&coverage, names);
	fo_core_sync_cover_self(&coverage, self);
	for (i = 0; i < members_n; i++)
		fo_core_sync_cover_add(&coverage, members[i], is_heard[i]);
	return fo_core_sync_cover_ask(&coverage);
}

void
scene_random(void)
{
	int			i;

	scene_begin();
	group.peers_n = 1 + unit_below(SCENE_PEERS);
	group.primary = unit_one_in(8) ? -1 : unit_below(group.peers_n);
	for (i = 0; i < group.peers_n; i++)
		random_peer(i);
	random_settings();
	if (unit_one_in(40))
		group.peers_n = 0;
	if (group.primary >= group.peers_n)
		group.primary = -1;
	if (unit_one_in(4))
		group.system_identifier = 0;
	group.is_paused = unit_one_in(12);
	group.is_operation_running = unit_one_in(12);
	group.newer_term = unit_one_in(30) ? 1 + unit_below(9) : 0;
	group.is_claiming = unit_one_in(30);
	group.is_unconfirmed = unit_one_in(20);
	group.is_primary_pending = unit_one_in(6);
	group.newest_timeline = unit_one_in(6) ? (uint32_t) unit_below(5) : 0;
	group.clock_jump_until = unit_one_in(12) ? NOW + unit_below(1000000) : 0;
	group.blocked_until = unit_one_in(6) ? NOW - 100000 + unit_below(10000000) : 0;
	group.recent_failovers = unit_one_in(3) ? unit_below(5) : 0;
	group.nobody_since = unit_one_in(6) ? NOW - unit_below(10000000) : 0;
}

void
scene_shuffle(void)
{
	int			i;

	for (i = group.peers_n - 1; i > 0; i--)
	{
		int			j = unit_below(i + 1);
		FoPeerView	swap = peers[i];

		peers[i] = peers[j];
		peers[j] = swap;
		if (group.primary == i)
			group.primary = j;
		else if (group.primary == j)
			group.primary = i;
	}
}

int
find_peer(const char *name)
{
	int			i;

	for (i = 0; i < group.peers_n; i++)
	{
		if (strcmp(peers[i].name, name) == 0)
			return i;
	}
	return -1;
}

const char *
peer_name(int peer)
{
	return peer < 0 ? "" : peers[peer].name;
}
