/*-------------------------------------------------------------------------
 *
 * situation_served.c
 *		The primary serves, or a gate is shut.  Scenes for rules 80 and up.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "situation.h"

/* ---- 80-99: it serves ---- */

SITUATION(80, FO_VERDICT_ALERT, "pg1", "the recorded primary is fenced")
{
	peers[PG1].is_fenced = true;
}

SITUATION(81, FO_VERDICT_ALERT, "pg1", "the primary is cut off from its standbys")
{
	lose(PG2);
	lose(PG3);
	peers[PG2].received_at = group.now - SECONDS(10);
	peers[PG3].received_at = group.now - SECONDS(10);
}

SITUATION(81, FO_VERDICT_ALERT, "pg1", "the primary knows of no standby, whatever they say")
{
	peers[PG1].observed.streaming_standbys = 0;
	stand_still(PG2);
	stand_still(PG3);
}

SITUATION(81, FO_VERDICT_ALERT, "pg1", "both standbys are down")
{
	fail(PG2, FO_ERROR_REFUSED, 60, 60);
	fail(PG3, FO_ERROR_REFUSED, 60, 60);
}

SITUATION(82, FO_VERDICT_SWITCHOVER, "pg1", "slow, and the group asks for a switchover")
{
	group.settings.on_slow = FO_ON_SLOW_SWITCHOVER;
	peers[PG1].health.is_slow = true;
}

SITUATION(83, FO_VERDICT_ALERT, "pg1", "slow")
{
	peers[PG1].health.is_slow = true;
}

SITUATION(90, FO_VERDICT_ALERT, "pg3", "the primary under a second name: no rival")
{
	peers[PG1].observed.started_at = 12345;
	peers[PG3] = peers[PG1];
	strcpy(peers[PG3].name, "pg3");
}

SITUATION(90, FO_VERDICT_ALERT, "pg3", "a standby under two names: the first counts")
{
	peers[PG2].observed.started_at = 12345;
	peers[PG2].observed.incarnation = 7;
	peers[PG3].observed.started_at = 12345;
}

SITUATION(91, FO_VERDICT_ALERT, "pg1", "the primary is registered in another group, too, and counts here")
{
	strcpy(peers[PG1].other_group, "b");
}

SITUATION(91, FO_VERDICT_ALERT, "pg3", "a peer is another group's primary: not fenced, and no standby that is missing")
{
	promote(PG3, 2);
	strcpy(peers[PG3].other_group, "b");
	peers[PG3].is_counted_there = true;
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "slow, and nobody wants to know")
{
	group.settings.on_slow = FO_ON_SLOW_IGNORE;
	peers[PG1].health.is_slow = true;
}

SITUATION(84, FO_VERDICT_ALERT, "pg3", "a peer of another system is out of recovery: never fenced")
{
	promote(PG3, 7);
	peers[PG3].observed.system_identifier++;
}

SITUATION(85, FO_VERDICT_ALERT, "pg3", "a standby on a newer timeline")
{
	peers[PG3].observed.timeline = 2;
}

SITUATION(85, FO_VERDICT_ALERT, "pg2", "a standby that cannot follow")
{
	peers[PG2].is_history_rejected = true;
	lose(PG2);
}

SITUATION(86, FO_VERDICT_ALERT, "pg3", "a fenced former primary")
{
	promote(PG3, 1);
	peers[PG3].is_fenced = true;
	peers[PG3].observed.is_read_only = true;
}

SITUATION(87, FO_VERDICT_ALERT, "pg2", "a standby dies")
{
	fail(PG2, FO_ERROR_REFUSED, 60, 60);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "a standby in maintenance dies")
{
	fail(PG2, FO_ERROR_REFUSED, 60, 60);
	peers[PG2].is_in_maintenance = true;
}

SITUATION(92, FO_VERDICT_ALERT, "pg2", "a standby rejects our password")
{
	fail(PG2, FO_ERROR_AUTH, 10, 0);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "a standby starts up")
{
	fail(PG2, FO_ERROR_STARTING_UP, 9.9, 0);
}

SITUATION(88, FO_VERDICT_ALERT, "pg2", "a standby has stopped receiving")
{
	lose(PG2);
	peers[PG2].received_at = group.now - SECONDS(10);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "a walreceiver restarts")
{
	lose(PG2);
	peers[PG2].received_at = group.now - SECONDS(9.9);
}

SITUATION(89, FO_VERDICT_ALERT, "pg1", "the write check fails for reasons of its own")
{
	peers[PG1].write_failing_since = group.now - SECONDS(60);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "the network was cut under the write check, which has not come to its end yet")
{
	peers[PG1].write_failing_since = group.now - SECONDS(60);
	peers[PG1].health.first_success_at = group.now - SECONDS(0.5);
}

SITUATION(95, FO_VERDICT_NONE, "pg1", "a person has moved the primary away from the preferred peer")
{
	group.settings.auto_failback = true;
	group.is_failback_resting = true;
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "the same, where nothing fails back by itself")
{
	group.is_failback_resting = true;
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "a healthy group")
{
	CHECK(group.peers_n == 3);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "the coordinator has just started and looked at the primary only")
{
	memset(&peers[PG2].observed, 0, sizeof(peers[PG2].observed));
	memset(&peers[PG3].observed, 0, sizeof(peers[PG3].observed));
	peers[PG2].received_at = peers[PG2].last_attempt_at = 0;
	peers[PG3].received_at = peers[PG3].last_attempt_at = 0;
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "half an hour without a transaction")
{
	stand_still(PG2);
	stand_still(PG3);
}

/* ---- 100 and up: gates ---- */

HELD(100, 71, "pg1", "paused")
{
	crash();
	group.is_paused = true;
}

HELD(100, 21, "pg2", "paused, with two primaries")
{
	promote(PG2, 2);
	group.is_paused = true;
}

HELD(101, 71, "pg1", "the clock has jumped")
{
	crash();
	group.clock_jump_until = group.now + SECONDS(2);
}

HELD(102, 71, "pg1", "an operation is running")
{
	crash();
	group.is_operation_running = true;
}

HELD(102, 22, "pg2", "our own operation has just promoted it")
{
	crash();
	promote(PG2, 2);
	group.is_operation_running = true;
}

HELD(103, 71, "pg1", "the primary is in maintenance")
{
	crash();
	peers[PG1].is_in_maintenance = true;
}

HELD(104, 71, "pg1", "auto_failover is off")
{
	crash();
	group.settings.auto_failover = false;
}

HELD(104, 64, "pg2", "auto_failover is off: no witness is disturbed")
{
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	stand_still(PG2);
	stand_still(PG3);
	group.settings.auto_failover = false;
}

SITUATION(21, FO_VERDICT_FENCE, "pg2", "auto_failover off, block period and attempts do not stop fencing")
{
	promote(PG2, 2);
	group.settings.auto_failover = false;
	group.blocked_until = group.now + SECONDS(30);
	group.recent_failovers = 9;
}

HELD(105, 71, "pg1", "max_attempts failovers")
{
	crash();
	group.recent_failovers = 3;
}

HELD(106, 71, "pg1", "the new primary dies within the block period")
{
	crash();
	group.blocked_until = group.now + SECONDS(30);
	group.recent_failovers = 1;
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "the new primary dies within the block period, and cascade is on")
{
	crash();
	group.blocked_until = group.now + SECONDS(30);
	group.recent_failovers = 1;
	group.settings.cascade = true;
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "it dies soon after a planned move")
{
	crash();
	group.moved_until = group.now + SECONDS(30);
}

HELD(106, 82, "pg1", "slow, soon after a planned move")
{
	group.settings.on_slow = FO_ON_SLOW_SWITCHOVER;
	peers[PG1].health.is_slow = true;
	group.moved_until = group.now + SECONDS(30);
}

HELD(106, 71, "pg1", "cascade allows one more, not two")
{
	crash();
	group.blocked_until = group.now + SECONDS(30);
	group.recent_failovers = 2;
	group.settings.cascade = true;
}

HELD(106, 72, "pg1", "cascade wants a death that is proven")
{
	fall_silent();
	peers[PG1].observed.has_node_library = true;
	peers[PG1].observed.is_armed = true;
	peers[PG1].observed.may_commit = true;
	group.blocked_until = group.now + SECONDS(30);
	group.recent_failovers = 1;
	group.settings.cascade = true;
}

HELD(106, 72, "pg1", "nor is a refusal alone a proof")
{
	crash();
	peers[PG1].is_hung_up = false;
	peers[PG1].observed.has_node_library = true;
	peers[PG1].observed.is_armed = true;
	group.blocked_until = group.now + SECONDS(30);
	group.recent_failovers = 1;
	group.settings.cascade = true;
}

HELD(110, 71, "pg1", "another coordinator may have taken over")
{
	crash();
	group.is_unconfirmed = true;
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "the block period is over")
{
	crash();
	group.blocked_until = group.now;
	group.recent_failovers = 1;
}

HELD(111, 71, "pg1", "the last failover has failed, and nothing is different")
{
	crash();
	group.retry_at = group.now + SECONDS(8);
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "the last failover has failed, and the pause is over")
{
	crash();
	group.retry_at = group.now;
}

HELD(107, 71, "pg1", "nobody is eligible")
{
	crash();
	peers[PG2].observed.is_replay_paused = true;
	peers[PG3].is_promotable = false;
}

HELD(107, 82, "pg1", "slow, but nobody is eligible")
{
	group.settings.on_slow = FO_ON_SLOW_SWITCHOVER;
	peers[PG1].health.is_slow = true;
	peers[PG2].is_promotable = false;
	peers[PG3].is_promotable = false;
}

HELD(108, 71, "pg1", "a synchronous standby died with the primary")
{
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3)");
	crash();
	go_unheard(PG3, 61);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 20);
}

HELD(108, 71, "pg1", "the primary was never seen, and a standby does not answer")
{
	crash();
	peers[PG1].observed.at = 0;
	memset(peers[PG1].observed.sync_names, 0, sizeof(peers[PG1].observed.sync_names));
	go_unheard(PG3, 61);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 20);
}

HELD(108, 71, "pg1", "the primary went on without a synchronous standby")
{
	group.is_sync_managed = true;
	group.settings.sync_mode = FO_SYNC_QUORUM;
	crash();
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "one of two may have confirmed, and availability is preferred")
{
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3)");
	crash();
	go_unheard(PG3, 61);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 20);
	group.settings.prefer = FO_PREFER_AVAILABILITY;
}

HELD(109, 72, "pg1", "an asynchronous primary is silent: it may live behind a cut")
{
	fall_silent();
}

HELD(109, 72, "pg1", "the same, and what it was before it lost the node library does not count")
{
	fall_silent();
	peers[PG1].was_armed = true;
}

HELD(109, 72, "pg1", "it only refuses, and was not seen to end: a firewall does that, too")
{
	crash();
	peers[PG1].is_hung_up = false;
}

HELD(109, 72, "pg1", "the same, found by a coordinator that was started again")
{
	crash();
	peers[PG1].is_hung_up = false;
	peers[PG1].observed.at = 0;
	peers[PG1].was_missing = true;
}
