/*-------------------------------------------------------------------------
 *
 * test_verdict.c
 *		One data set or more for every rule: what happened, and the verdict
 *		that it must lead to.
 *
 * Each SCENE starts from a healthy group of primary pg1 and standbys pg2, pg3
 * at the default settings.  A last test sees to it that no rule is without a
 * scene, so a rule that can no longer be reached is found.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "core/judging.h"
#include "scene.h"

typedef struct Scene
{
	int			rule;
	int			situation_rule;
	FoVerdictKind kind;
	const char *about;			/* verdict.peer */
	const char *title;
	void		(*happen) (void);
	struct Scene *next;
} Scene;

static Scene *scenes;

static void
add_scene(Scene *scene)
{
	scene->next = scenes;
	scenes = scene;
}

/* HELD: gate over situation.  SCENE: the situation alone. */
#define HELD(gate, situation, about, title) SCENE_AS(gate, situation, FO_VERDICT_HOLD, about, title)
#define SCENE(rule, kind, about, title) SCENE_AS(rule, rule, kind, about, title)
#define SCENE_AS(rule, situation, kind, about, title) \
	static void UNIT_JOIN(happen_, __LINE__) (void); \
	static Scene UNIT_JOIN(scene_, __LINE__) = {rule, situation, kind, about, title, UNIT_JOIN(happen_, __LINE__), 0}; \
	static void __attribute__((constructor)) UNIT_JOIN(add_scene_, __LINE__) (void) \
	{ \
		add_scene(&UNIT_JOIN(scene_, __LINE__)); \
	} \
	static void UNIT_JOIN(happen_, __LINE__) (void)

static void
crash(void)
{
	fail(PG1, FO_ERROR_REFUSED, 0.02, 2);
	lose(PG2);
	lose(PG3);
}

static void
fall_silent(void)
{
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	lose(PG2);
	lose(PG3);
}

/* The postmaster hangs: sessions and streaming go on. */
static void
shut_door(void)
{
	peers[PG1].connect_failures = 3;
	peers[PG1].connect_failing_since = group.now - SECONDS(6);
	receive(PG2);
	receive(PG3);
}

/* ---- 1-29: who is the primary? ---- */

SCENE(1, FO_VERDICT_UNKNOWN, "", "a group without peers")
{
	forget_primary();
	group.peers_n = 0;
}

SCENE(2, FO_VERDICT_UNKNOWN, "pg1", "a group of kind service")
{
	group.kind = FO_KIND_SERVICE;
	crash();
}

SCENE(3, FO_VERDICT_UNKNOWN, "pg1", "the primary has not been checked yet")
{
	peers[PG1].observed.at = 0;
	peers[PG1].last_attempt_at = 0;
}

SCENE(3, FO_VERDICT_UNKNOWN, "", "no primary recorded, and one peer not checked yet")
{
	forget_primary();
	peers[PG3].observed.at = 0;
	peers[PG3].last_attempt_at = 0;
}

SCENE(10, FO_VERDICT_HOLD, "", "no primary recorded, two out of recovery")
{
	forget_primary();
	promote(PG2, 2);
}

SCENE(11, FO_VERDICT_HOLD, "", "no primary recorded, the one out of recovery is outdated")
{
	forget_primary();
	peers[PG3].observed.timeline = 2;
	fail(PG2, FO_ERROR_TIMEOUT, 10, 5);
}

SCENE(12, FO_VERDICT_ADOPT, "pg1", "no primary recorded, one out of recovery")
{
	forget_primary();
}

SCENE(12, FO_VERDICT_ADOPT, "pg1", "no primary recorded, the others do not answer or are fenced")
{
	forget_primary();
	fail(PG2, FO_ERROR_REFUSED, 10, 5);
	promote(PG3, 1);
	peers[PG3].is_fenced = true;
	peers[PG3].observed.is_read_only = true;
}

SCENE(12, FO_VERDICT_ADOPT, "pg1", "no primary recorded, the system is, and another one is of another system")
{
	group.primary = -1;
	promote(PG2, 9);
	peers[PG2].observed.system_identifier++;
}

SCENE(13, FO_VERDICT_HOLD, "", "no primary recorded, none out of recovery")
{
	forget_primary();
	fail(PG1, FO_ERROR_REFUSED, 10, 5);
}

SCENE(20, FO_VERDICT_HOLD, "pg1", "the primary was replaced by another system")
{
	peers[PG1].observed.system_identifier++;
}

SCENE(21, FO_VERDICT_FENCE, "pg2", "a standby was promoted by hand while the primary serves")
{
	promote(PG2, 2);
}

SCENE(21, FO_VERDICT_FENCE, "pg3", "an old primary came back after a failover")
{
	promote(PG3, 1);
	peers[PG1].observed.timeline = 2;
	peers[PG2].observed.timeline = 2;
}

SCENE(21, FO_VERDICT_FENCE, "pg3", "a fenced one was made writable again")
{
	promote(PG3, 1);
	peers[PG3].is_fenced = true;
}

SCENE(22, FO_VERDICT_ADOPT, "pg2", "the primary died and somebody promoted a standby")
{
	crash();
	promote(PG2, 2);
}

SCENE(22, FO_VERDICT_ADOPT, "pg2", "somebody switched over: the old primary follows already")
{
	promote(PG2, 2);
	promote(PG1, 2);
	peers[PG1].observed.in_recovery = true;
	peers[PG1].observed.receiver = FO_RECEIVER_STREAMING;
}

SCENE(22, FO_VERDICT_ADOPT, "pg2", "a primary never seen is dead, and a standby follows another")
{
	crash();
	peers[PG1].observed.at = 0;
	peers[PG1].observed.timeline = 0;
	peers[PG1].observed.system_identifier = 0;
	promote(PG2, 4);
	peers[PG3].observed.timeline = 4;
	peers[PG3].observed.receiver = FO_RECEIVER_STREAMING;
}

SCENE(23, FO_VERDICT_FENCE, "pg3", "the primary is silent and a former one comes back")
{
	peers[PG1].observed.timeline = 2;
	fail(PG1, FO_ERROR_TIMEOUT, 2, 1);
	promote(PG3, 1);
}

SCENE(24, FO_VERDICT_HOLD, "pg1", "one failed check is no proof that the primary gave way to another")
{
	fail(PG1, FO_ERROR_RESET, 0.1, 1);
	promote(PG2, 2);
}

SCENE(24, FO_VERDICT_HOLD, "pg1", "the primary lives but lets us not in, and a standby was promoted")
{
	fail(PG1, FO_ERROR_AUTH, 60, 50);
	promote(PG2, 2);
}

SCENE(24, FO_VERDICT_HOLD, "pg1", "a primary never seen is dead, and nobody tells who follows whom")
{
	crash();
	peers[PG1].observed.at = 0;
	peers[PG1].observed.timeline = 0;
	promote(PG2, 4);
}

SCENE(24, FO_VERDICT_HOLD, "pg1", "the primary was demoted, and a peer on an older timeline serves")
{
	promote(PG2, 1);
	peers[PG1].observed.in_recovery = true;
	peers[PG1].observed.timeline = 2;
}

SCENE(24, FO_VERDICT_HOLD, "pg1", "the primary died and two were promoted")
{
	crash();
	promote(PG2, 2);
	promote(PG3, 2);
}

SCENE(25, FO_VERDICT_HOLD, "pg1", "somebody demoted the primary")
{
	peers[PG1].observed.in_recovery = true;
}

/* ---- 30-36: it answers, but does not serve ---- */

SCENE(30, FO_VERDICT_FAILOVER, "pg1", "the primary cannot write for write_check_timeout")
{
	peers[PG1].write_failing_since = group.now - SECONDS(5);
}

SCENE(30, FO_VERDICT_FAILOVER, "pg1", "the disk is full, for checks and for writes")
{
	peers[PG1].write_failing_since = group.now - SECONDS(5);
	fail(PG1, FO_ERROR_DISK_FULL, 4, 4);
}

SCENE(31, FO_VERDICT_FAILOVER, "pg1", "the postmaster hangs, and a standby that was asked could not reconnect")
{
	shut_door();
	lose(PG2);
	probe(PG2, FO_PROBE_LOST, 1);
}

SCENE(32, FO_VERDICT_HOLD, "pg1", "the postmaster hangs, and a standby is reconnecting")
{
	shut_door();
	lose(PG2);
	probe(PG2, FO_PROBE_ASKED, 0.2);
}

SCENE(33, FO_VERDICT_ALERT, "pg2", "new connections hang from here only")
{
	shut_door();
	probe(PG2, FO_PROBE_BACK, 100);
	peers[PG1].connect_failing_since = group.now - SECONDS(200);
}

SCENE(34, FO_VERDICT_ASK, "pg2", "the postmaster hangs, and nobody was asked")
{
	shut_door();
}

SCENE(34, FO_VERDICT_ASK, "pg3", "the postmaster hangs, and one that has lost it is asked first")
{
	shut_door();
	lose(PG3);
}

SCENE(34, FO_VERDICT_ASK, "pg2", "what asking has shown an hour ago counts no more")
{
	shut_door();
	peers[PG1].connect_failing_since = group.now - SECONDS(4000);
	receive(PG2);
	receive(PG3);
	probe(PG2, FO_PROBE_BACK, 3600);
}

SCENE(34, FO_VERDICT_ASK, "pg2", "what asking has shown in an earlier trouble counts no more")
{
	shut_door();
	lose(PG2);
	probe(PG2, FO_PROBE_LOST, 30);
}

SCENE(35, FO_VERDICT_ALERT, "pg1", "the postmaster hangs, and there is no standby to ask")
{
	shut_door();
	fail(PG2, FO_ERROR_TIMEOUT, 60, 20);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 20);
}

SCENE(36, FO_VERDICT_HOLD, "pg1", "the primary cannot write for a moment")
{
	peers[PG1].write_failing_since = group.now - SECONDS(4.9);
}

SCENE(99, FO_VERDICT_NONE, "pg1", "the write check is off")
{
	group.settings.write_check = false;
	peers[PG1].write_failing_since = group.now - SECONDS(50);
}

/* ---- 40-52: it lives ---- */

SCENE(40, FO_VERDICT_ALERT, "pg1", "wrong password, or pg_hba reject, for ever and with every witness gone")
{
	fail(PG1, FO_ERROR_AUTH, 9000, 5000);
	lose(PG2);
	lose(PG3);
}

SCENE(41, FO_VERDICT_ALERT, "pg1", "max_connections exhausted")
{
	fail(PG1, FO_ERROR_TOO_MANY_CONNECTIONS, 60, 50);
}

SCENE(42, FO_VERDICT_ALERT, "pg1", "the status query fails")
{
	fail(PG1, FO_ERROR_QUERY, 60, 50);
}

SCENE(43, FO_VERDICT_ALERT, "pg1", "the disk is full, but writes go on")
{
	fail(PG1, FO_ERROR_DISK_FULL, 60, 50);
}

SCENE(44, FO_VERDICT_HOLD, "pg1", "something else answers")
{
	fail(PG1, FO_ERROR_PROTOCOL, 60, 50);
	lose(PG2);
	lose(PG3);
}

SCENE(45, FO_VERDICT_HOLD, "pg1", "DNS fails, and every witness has lost it")
{
	fail(PG1, FO_ERROR_DNS, 60, 50);
	lose(PG2);
	lose(PG3);
}

SCENE(50, FO_VERDICT_HOLD, "pg1", "crash recovery")
{
	fail(PG1, FO_ERROR_STARTING_UP, 59, 50);
	lose(PG2);
	lose(PG3);
}

SCENE(50, FO_VERDICT_HOLD, "pg1", "a shutdown that takes its time")
{
	fail(PG1, FO_ERROR_SHUTTING_DOWN, 20, 15);
}

SCENE(51, FO_VERDICT_FAILOVER, "pg1", "crash recovery without end")
{
	fail(PG1, FO_ERROR_STARTING_UP, 60, 50);
	lose(PG2);
	lose(PG3);
}

SCENE(52, FO_VERDICT_HOLD, "pg1", "crash recovery without end, and a witness not heard")
{
	fail(PG1, FO_ERROR_STARTING_UP, 60, 50);
	lose(PG2);
	go_unheard(PG3, 61);
}

SCENE(52, FO_VERDICT_HOLD, "pg1", "crash recovery without end, and nobody who could tell")
{
	fail(PG1, FO_ERROR_STARTING_UP, 60, 50);
	never_received(PG2);
	never_received(PG3);
}

/* ---- 60-72: it is gone ---- */

SCENE(60, FO_VERDICT_HOLD, "pg1", "the coordinator is cut off from everything")
{
	fail(PG1, FO_ERROR_TIMEOUT, 30, 10);
	fail(PG2, FO_ERROR_TIMEOUT, 30, 10);
	fail(PG3, FO_ERROR_TIMEOUT, 30, 10);
}

SCENE(60, FO_VERDICT_HOLD, "pg1", "everything refuses")
{
	fail(PG1, FO_ERROR_REFUSED, 30, 10);
	fail(PG2, FO_ERROR_REFUSED, 30, 10);
	fail(PG3, FO_ERROR_REFUSED, 30, 10);
}

SCENE(61, FO_VERDICT_HOLD, "pg1", "a firewall rejects the coordinator")
{
	fail(PG1, FO_ERROR_REFUSED, 30, 10);
	receive(PG2);
	lose(PG3);
}

SCENE(62, FO_VERDICT_HOLD, "pg1", "the coordinator is cut off from the primary only")
{
	fail(PG1, FO_ERROR_TIMEOUT, 30, 10);
	lose(PG2);
	receive(PG3);
}

SCENE(63, FO_VERDICT_HOLD, "pg1", "cut off from an idle primary: a witness was able to reconnect")
{
	fail(PG1, FO_ERROR_TIMEOUT, 40, 10);
	stand_still(PG2);
	stand_still(PG3);
	probe(PG2, FO_PROBE_BACK, 29.9);
	probe(PG3, FO_PROBE_ASKED, 0.1);
}

SCENE(64, FO_VERDICT_ASK, "pg2", "silence while a witness says it is streaming")
{
	fail(PG1, FO_ERROR_TIMEOUT, 1, 2);
	stand_still(PG2);
	lose(PG3);
}

SCENE(64, FO_VERDICT_ASK, "pg2", "a reconnect half a minute ago proves nothing any more")
{
	fail(PG1, FO_ERROR_TIMEOUT, 60, 20);
	stand_still(PG2);
	lose(PG3);
	probe(PG2, FO_PROBE_BACK, 30);
}

SCENE(64, FO_VERDICT_ASK, "pg2", "a reconnect before the primary fell silent proves nothing")
{
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	stand_still(PG2);
	lose(PG3);
	probe(PG2, FO_PROBE_BACK, 20);
}

SCENE(64, FO_VERDICT_ASK, "pg3", "one is asked, the other can be asked too")
{
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	stand_still(PG2);
	stand_still(PG3);
	probe(PG2, FO_PROBE_ASKED, 0.1);
}

SCENE(65, FO_VERDICT_HOLD, "pg1", "a witness that was asked has no receiver for a moment: it has not lost anything yet")
{
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	lose(PG2);
	lose(PG3);
	probe(PG2, FO_PROBE_ASKED, 0.1);
}

SCENE(66, FO_VERDICT_HOLD, "pg1", "one check timed out")
{
	fail(PG1, FO_ERROR_TIMEOUT, 0.5, 1);
	lose(PG2);
	lose(PG3);
}

SCENE(66, FO_VERDICT_HOLD, "pg1", "our session was terminated, and nothing moves: no witness is disturbed")
{
	fail(PG1, FO_ERROR_RESET, 0.001, 1);
	stand_still(PG2);
	stand_still(PG3);
}

SCENE(66, FO_VERDICT_HOLD, "pg1", "three resets within a moment are no silence")
{
	fail(PG1, FO_ERROR_RESET, 0.03, 5);
	lose(PG2);
	lose(PG3);
}

SCENE(67, FO_VERDICT_HOLD, "pg1", "refused a millisecond ago, and a walreceiver has not noticed")
{
	fail(PG1, FO_ERROR_REFUSED, 0.015, 3);
	stand_still(PG2);
	lose(PG3);
}

SCENE(68, FO_VERDICT_HOLD, "pg1", "refused, and a witness has not answered since")
{
	crash();
	go_unheard(PG3, 0.5);
}

SCENE(68, FO_VERDICT_HOLD, "pg1", "refused, and a witness fails too, but not for long")
{
	crash();
	go_unheard(PG3, 0.5);
	fail(PG3, FO_ERROR_TIMEOUT, 0.01, 1);
}

SCENE(68, FO_VERDICT_HOLD, "pg1", "a witness that answers as streaming and then falls silent is waited for")
{
	fail(PG1, FO_ERROR_REFUSED, 3, 3);
	lose(PG2);
	stand_still(PG3);
	peers[PG3].error = FO_ERROR_TIMEOUT;
	peers[PG3].failing_since = group.now - SECONDS(0.5);
}

SCENE(69, FO_VERDICT_HOLD, "pg1", "a standby that was broken for days is no witness")
{
	crash();
	never_received(PG2);
	peers[PG3].received_at = peers[PG1].failing_since - SECONDS(86400);
}

SCENE(69, FO_VERDICT_HOLD, "pg1", "a primary without standbys dies")
{
	group.peers_n = 1;
	fail(PG1, FO_ERROR_REFUSED, 60, 60);
}

SCENE(69, FO_VERDICT_HOLD, "pg1", "the only witness died with the primary, a broken standby answers")
{
	crash();
	never_received(PG2);
	go_unheard(PG3, 61);
	peers[PG3].received_at = group.now - SECONDS(1);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 20);
}

SCENE(70, FO_VERDICT_HOLD, "pg1", "an orderly stop of a primary without the node library")
{
	crash();
	peers[PG1].is_stop_orderly = true;
}

SCENE(70, FO_VERDICT_HOLD, "pg1", "restart_grace is waited out after a crash too")
{
	group.settings.restart_grace = 10000;
	fail(PG1, FO_ERROR_REFUSED, 9.9, 20);
	lose(PG2);
	lose(PG3);
}

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "kill -9")
{
	crash();
}

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "an orderly stop, five seconds later")
{
	fail(PG1, FO_ERROR_REFUSED, 5, 20);
	peers[PG1].is_stop_orderly = true;
	lose(PG2);
	lose(PG3);
}

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "an orderly stop, and a grace that was set to less")
{
	group.settings.restart_grace = 1000;
	fail(PG1, FO_ERROR_REFUSED, 1, 5);
	peers[PG1].is_stop_orderly = true;
	lose(PG2);
	lose(PG3);
}

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "an orderly stop of a primary with the node library")
{
	crash();
	peers[PG1].is_stop_orderly = true;
	peers[PG1].observed.has_node_library = true;
}

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "a witness that has itself been down does not veto for ever")
{
	crash();
	go_unheard(PG3, 3.1);
	fail(PG3, FO_ERROR_TIMEOUT, 3, 1);
}

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "a broken standby has no say beside a witness")
{
	crash();
	never_received(PG3);
}

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "silent and standing still, until asking shows that nobody can connect")
{
	fail(PG1, FO_ERROR_REFUSED, 5, 20);
	lose(PG2);
	lose(PG3);
	probe(PG2, FO_PROBE_LOST, 1);
}

SCENE(72, FO_VERDICT_FAILOVER, "pg1", "SIGSTOP of everything, with the node library")
{
	fall_silent();
	peers[PG1].observed.has_node_library = true;
}

SCENE(72, FO_VERDICT_FAILOVER, "pg1", "power loss, synchronous replication, all that could have confirmed are heard")
{
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3)");
	fall_silent();
}

SCENE(72, FO_VERDICT_FAILOVER, "pg1", "power loss, and availability is preferred")
{
	group.settings.prefer = FO_PREFER_AVAILABILITY;
	fall_silent();
}

/* ---- 80-99: it serves ---- */

SCENE(80, FO_VERDICT_ALERT, "pg1", "the recorded primary is fenced")
{
	peers[PG1].is_fenced = true;
}

SCENE(81, FO_VERDICT_ALERT, "pg1", "the primary is cut off from its standbys")
{
	lose(PG2);
	lose(PG3);
	peers[PG2].received_at = group.now - SECONDS(10);
	peers[PG3].received_at = group.now - SECONDS(10);
}

SCENE(81, FO_VERDICT_ALERT, "pg1", "both standbys are down")
{
	fail(PG2, FO_ERROR_REFUSED, 60, 60);
	fail(PG3, FO_ERROR_REFUSED, 60, 60);
}

SCENE(82, FO_VERDICT_SWITCHOVER, "pg1", "slow, and the group asks for a switchover")
{
	group.settings.on_slow = FO_ON_SLOW_SWITCHOVER;
	peers[PG1].health.is_slow = true;
}

SCENE(83, FO_VERDICT_ALERT, "pg1", "slow")
{
	peers[PG1].health.is_slow = true;
}

SCENE(99, FO_VERDICT_NONE, "pg1", "slow, and nobody wants to know")
{
	group.settings.on_slow = FO_ON_SLOW_IGNORE;
	peers[PG1].health.is_slow = true;
}

SCENE(84, FO_VERDICT_ALERT, "pg3", "a peer of another system is out of recovery: never fenced")
{
	promote(PG3, 7);
	peers[PG3].observed.system_identifier++;
}

SCENE(85, FO_VERDICT_ALERT, "pg3", "a standby on a newer timeline")
{
	peers[PG3].observed.timeline = 2;
}

SCENE(85, FO_VERDICT_ALERT, "pg2", "a standby that cannot follow")
{
	peers[PG2].is_history_rejected = true;
	lose(PG2);
}

SCENE(86, FO_VERDICT_ALERT, "pg3", "a fenced former primary")
{
	promote(PG3, 1);
	peers[PG3].is_fenced = true;
	peers[PG3].observed.is_read_only = true;
}

SCENE(87, FO_VERDICT_ALERT, "pg2", "a standby dies")
{
	fail(PG2, FO_ERROR_REFUSED, 60, 60);
}

SCENE(99, FO_VERDICT_NONE, "pg1", "a standby in maintenance dies")
{
	fail(PG2, FO_ERROR_REFUSED, 60, 60);
	peers[PG2].is_in_maintenance = true;
}

SCENE(88, FO_VERDICT_ALERT, "pg2", "a standby has stopped receiving")
{
	lose(PG2);
	peers[PG2].received_at = group.now - SECONDS(10);
}

SCENE(99, FO_VERDICT_NONE, "pg1", "a walreceiver restarts")
{
	lose(PG2);
	peers[PG2].received_at = group.now - SECONDS(9.9);
}

SCENE(99, FO_VERDICT_NONE, "pg1", "a healthy group")
{
	CHECK(group.peers_n == 3);
}

SCENE(99, FO_VERDICT_NONE, "pg1", "the coordinator has just started and looked at the primary only")
{
	memset(&peers[PG2].observed, 0, sizeof(peers[PG2].observed));
	memset(&peers[PG3].observed, 0, sizeof(peers[PG3].observed));
	peers[PG2].received_at = peers[PG2].last_attempt_at = 0;
	peers[PG3].received_at = peers[PG3].last_attempt_at = 0;
}

SCENE(99, FO_VERDICT_NONE, "pg1", "half an hour without a transaction")
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

SCENE(21, FO_VERDICT_FENCE, "pg2", "auto_failover off, block period and attempts do not stop fencing")
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

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "the new primary dies within the block period, and cascade is on")
{
	crash();
	group.blocked_until = group.now + SECONDS(30);
	group.recent_failovers = 1;
	group.settings.cascade = true;
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
	group.blocked_until = group.now + SECONDS(30);
	group.recent_failovers = 1;
	group.settings.cascade = true;
}

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "the block period is over")
{
	crash();
	group.blocked_until = group.now;
	group.recent_failovers = 1;
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

SCENE(71, FO_VERDICT_FAILOVER, "pg1", "one of two may have confirmed, and availability is preferred")
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

/* ---- the tests ---- */

static void
tell(char *context, size_t size, const Scene *scene)
{
	snprintf(context, size, "%d %s", scene->rule, scene->title);
	unit_context(context);
}

TEST("verdict: every situation leads to its rule")
{
	char		context[200];
	const Scene *scene;
	FoVerdict	verdict;

	for (scene = scenes; scene != NULL; scene = scene->next)
	{
		tell(context, sizeof(context), scene);
		scene_begin();
		scene->happen();
		fo_core_judge(&group, &verdict);
		CHECK_INT(verdict.rule, scene->rule);
		CHECK_INT(verdict.situation_rule, scene->situation_rule);
		CHECK_TEXT(fo_core_verdict_name(verdict.kind), fo_core_verdict_name(scene->kind));
		CHECK_TEXT(peer_name(verdict.peer), scene->about);
		if (verdict.kind == FO_VERDICT_FAILOVER || verdict.kind == FO_VERDICT_SWITCHOVER)
			CHECK_TEXT(peer_name(verdict.candidate), "pg2");
	}
}

TEST("verdict: every rule has a scene")
{
	char		context[200];
	const Scene *scene;
	int			i;

	for (i = 0; i < fo_core_rules_n(); i++)
	{
		const FoRule *rule = fo_core_rule(i);
		bool		is_hit = false;

		snprintf(context, sizeof(context), "rule %d (%s)", rule->number, rule->condition);
		unit_context(context);
		for (scene = scenes; scene != NULL; scene = scene->next)
			is_hit = is_hit || (scene->rule == rule->number && scene->kind == rule->verdict);
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
			CHECK(strchr("pcwtx", placeholder[1]) != NULL);
	}
}

TEST("verdict: a sentence names the peers it is about, and fits with names of any length")
{
	char		context[200];
	const Scene *scene;
	FoVerdict	verdict;
	int			i;

	for (scene = scenes; scene != NULL; scene = scene->next)
	{
		tell(context, sizeof(context), scene);
		scene_begin();
		scene->happen();
		fo_core_judge(&group, &verdict);
		CHECK(strchr(verdict.reason, '%') == NULL);
		CHECK(strstr(verdict.reason, "\"\"") == NULL);
		CHECK_INT(verdict.reason[strlen(verdict.reason) - 1], '.');
		CHECK(verdict.peer < 0 || verdict.situation_rule < 4 || verdict.rule >= FO_RULE_GATES
			  || strstr(verdict.reason, peer_name(verdict.peer)) != NULL);

		for (i = 0; i < group.peers_n; i++)
			memset(peers[i].name, 'A' + i, FO_NAME_LEN - 1);
		fo_core_judge(&group, &verdict);
		CHECK_INT(verdict.rule, scene->rule);
		CHECK(strlen(verdict.reason) < FO_SENTENCE_LEN);
	}
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
}
