/*-------------------------------------------------------------------------
 *
 * situation_outage.c
 *		Is the primary alive?  Scenes for rules 30-79.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "situation.h"

/* ---- 30-38: it answers, but does not serve ---- */

/* It has the node library, and for so long no lease. */
static void
hold_no_lease(double since)
{
	peers[PG1].observed.has_node_library = true;
	peers[PG1].observed.is_armed = true;
	peers[PG1].leaseless_since = group.now - SECONDS(since);
}

SITUATION(30, FO_VERDICT_FAILOVER, "pg1", "the primary cannot write for write_check_timeout")
{
	peers[PG1].write_failing_since = group.now - SECONDS(5);
	peers[PG1].lsn_moved_at = group.now - SECONDS(5);
}

SITUATION(36, FO_VERDICT_HOLD, "pg1", "a cut is over: the write that it hung is no proof, though it still hangs")
{
	peers[PG1].write_failing_since = group.now - SECONDS(60);
	peers[PG1].lsn_moved_at = group.now - SECONDS(60);
	peers[PG1].health.first_success_at = group.now - SECONDS(4.9);
}

SITUATION(36, FO_VERDICT_HOLD, "pg1", "the write check fails, but WAL was still written since")
{
	peers[PG1].write_failing_since = group.now - SECONDS(6);
	peers[PG1].lsn_moved_at = group.now - SECONDS(4);
}

SITUATION(30, FO_VERDICT_FAILOVER, "pg1", "the disk is full, for checks and for writes")
{
	peers[PG1].write_failing_since = group.now - SECONDS(5);
	peers[PG1].lsn_moved_at = group.now - SECONDS(6);
	fail(PG1, FO_ERROR_DISK_FULL, 4, 4);
}

SITUATION(31, FO_VERDICT_FAILOVER, "pg1", "the postmaster hangs, and a standby that was asked could not reconnect")
{
	shut_door();
	lose(PG2);
	probe(PG2, FO_PROBE_LOST, 1);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "a frozen primary goes on: what was found while it was frozen is past")
{
	shut_door();
	lose(PG2);
	probe(PG2, FO_PROBE_LOST, 1);
	peers[PG1].health.first_success_at = group.now - SECONDS(0.5);
}

SITUATION(32, FO_VERDICT_HOLD, "pg1", "the postmaster hangs, and a standby is reconnecting")
{
	shut_door();
	lose(PG2);
	probe(PG2, FO_PROBE_ASKED, 0.2);
}

SITUATION(34, FO_VERDICT_ASK, "pg3", "one that was asked has not said what became of it: it is asked again, before anybody who receives")
{
	shut_door();
	lose(PG3);
	probe(PG3, FO_PROBE_UNHEARD, 0.2);
}

SITUATION(32, FO_VERDICT_HOLD, "pg1", "one that was asked fell silent: nobody else is cut off before it has said more")
{
	shut_door();
	probe(PG3, FO_PROBE_UNHEARD, 0.2);
	fail(PG3, FO_ERROR_TIMEOUT, 0.2, 1);
}

SITUATION(34, FO_VERDICT_ASK, "pg2", "one that was asked has been silent for too long to wait for")
{
	shut_door();
	probe(PG3, FO_PROBE_UNHEARD, 60);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 20);
}

SITUATION(64, FO_VERDICT_ASK, "pg2", "one that was cut off by asking it, and has not said more, has not lost the primary by itself")
{
	fail(PG1, FO_ERROR_TIMEOUT, 6, 6);
	lose(PG2);
	probe(PG2, FO_PROBE_UNHEARD, 0.2);
	lose(PG3);
}

SITUATION(33, FO_VERDICT_ALERT, "pg2", "new connections hang from here only")
{
	shut_door();
	probe(PG2, FO_PROBE_BACK, 100);
	peers[PG1].connect_failing_since = group.now - SECONDS(200);
}

SITUATION(34, FO_VERDICT_ASK, "pg2", "the postmaster hangs, and nobody was asked")
{
	shut_door();
}

SITUATION(34, FO_VERDICT_ASK, "pg3", "the postmaster hangs, and one that has lost it is asked first")
{
	shut_door();
	lose(PG3);
}

SITUATION(34, FO_VERDICT_ASK, "pg2", "what asking has shown an hour ago counts no more")
{
	shut_door();
	peers[PG1].connect_failing_since = group.now - SECONDS(4000);
	receive(PG2);
	receive(PG3);
	probe(PG2, FO_PROBE_BACK, 3600);
}

SITUATION(34, FO_VERDICT_ASK, "pg2", "what asking has shown in an earlier trouble counts no more")
{
	shut_door();
	lose(PG2);
	probe(PG2, FO_PROBE_LOST, 30);
}

SITUATION(35, FO_VERDICT_ALERT, "pg1", "the postmaster hangs, and there is no standby to ask")
{
	shut_door();
	fail(PG2, FO_ERROR_TIMEOUT, 60, 20);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 20);
}

SITUATION(36, FO_VERDICT_HOLD, "pg1", "the primary cannot write for a moment")
{
	peers[PG1].write_failing_since = group.now - SECONDS(4.9);
}

SITUATION(37, FO_VERDICT_ALERT, "pg1", "no lease, because another coordinator may have taken over; and no standby is seen")
{
	hold_no_lease(3);
	group.is_unconfirmed = true;
	fail(PG2, FO_ERROR_TIMEOUT, 60, 60);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 60);
}

SITUATION(38, FO_VERDICT_ALERT, "pg1", "no lease, for whatever reason")
{
	hold_no_lease(3);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "no lease for a moment, as after a start")
{
	hold_no_lease(2.9);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "no lease since it fell silent, and it has been back for a moment")
{
	hold_no_lease(60);
	peers[PG1].health.first_success_at = group.now - SECONDS(2.9);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "checks are rare, and a lease comes with the second one")
{
	group.settings.check_interval = 10000;
	hold_no_lease(29);
}

SITUATION(99, FO_VERDICT_NONE, "pg1", "the write check is off")
{
	group.settings.write_check = false;
	peers[PG1].write_failing_since = group.now - SECONDS(50);
}

/* ---- 40-52: it lives ---- */

SITUATION(40, FO_VERDICT_ALERT, "pg1", "wrong password, or pg_hba reject, for ever and with every witness gone")
{
	fail(PG1, FO_ERROR_AUTH, 9000, 5000);
	lose(PG2);
	lose(PG3);
}

SITUATION(41, FO_VERDICT_ALERT, "pg1", "max_connections exhausted")
{
	fail(PG1, FO_ERROR_TOO_MANY_CONNECTIONS, 60, 50);
}

SITUATION(42, FO_VERDICT_ALERT, "pg1", "the status query fails")
{
	fail(PG1, FO_ERROR_QUERY, 60, 50);
}

SITUATION(43, FO_VERDICT_ALERT, "pg1", "the disk is full, but writes go on")
{
	fail(PG1, FO_ERROR_DISK_FULL, 60, 50);
}

SITUATION(44, FO_VERDICT_HOLD, "pg1", "something else answers")
{
	fail(PG1, FO_ERROR_PROTOCOL, 60, 50);
	lose(PG2);
	lose(PG3);
}

SITUATION(45, FO_VERDICT_HOLD, "pg1", "DNS fails, and every witness has lost it")
{
	fail(PG1, FO_ERROR_DNS, 60, 50);
	lose(PG2);
	lose(PG3);
}

SITUATION(50, FO_VERDICT_HOLD, "pg1", "crash recovery")
{
	fail(PG1, FO_ERROR_STARTING_UP, 59, 50);
	lose(PG2);
	lose(PG3);
}

SITUATION(50, FO_VERDICT_HOLD, "pg1", "a shutdown that takes its time")
{
	fail(PG1, FO_ERROR_SHUTTING_DOWN, 20, 15);
}

SITUATION(51, FO_VERDICT_FAILOVER, "pg1", "crash recovery without end")
{
	fail(PG1, FO_ERROR_STARTING_UP, 60, 50);
	lose(PG2);
	lose(PG3);
}

SITUATION(52, FO_VERDICT_HOLD, "pg1", "crash recovery without end, and a witness not heard")
{
	fail(PG1, FO_ERROR_STARTING_UP, 60, 50);
	lose(PG2);
	go_unheard(PG3, 61);
}

SITUATION(52, FO_VERDICT_HOLD, "pg1", "crash recovery without end, and nobody who could tell")
{
	fail(PG1, FO_ERROR_STARTING_UP, 60, 50);
	never_received(PG2);
	never_received(PG3);
}

/* ---- 60-72: it is gone ---- */

SITUATION(60, FO_VERDICT_HOLD, "pg1", "the coordinator is cut off from everything")
{
	fail(PG1, FO_ERROR_TIMEOUT, 30, 10);
	fail(PG2, FO_ERROR_TIMEOUT, 30, 10);
	fail(PG3, FO_ERROR_TIMEOUT, 30, 10);
}

SITUATION(60, FO_VERDICT_HOLD, "pg1", "everything refuses")
{
	fail(PG1, FO_ERROR_REFUSED, 30, 10);
	fail(PG2, FO_ERROR_REFUSED, 30, 10);
	fail(PG3, FO_ERROR_REFUSED, 30, 10);
}

SITUATION(61, FO_VERDICT_HOLD, "pg1", "a firewall rejects the coordinator")
{
	fail(PG1, FO_ERROR_REFUSED, 30, 10);
	receive(PG2);
	lose(PG3);
}

SITUATION(62, FO_VERDICT_HOLD, "pg1", "the coordinator is cut off from the primary only")
{
	fail(PG1, FO_ERROR_TIMEOUT, 30, 10);
	lose(PG2);
	receive(PG3);
}

SITUATION(63, FO_VERDICT_HOLD, "pg1", "cut off from an idle primary: a witness was able to reconnect")
{
	fail(PG1, FO_ERROR_TIMEOUT, 40, 10);
	stand_still(PG2);
	stand_still(PG3);
	probe(PG2, FO_PROBE_BACK, 29.9);
	probe(PG3, FO_PROBE_ASKED, 0.1);
}

SITUATION(64, FO_VERDICT_ASK, "pg2", "silence while a witness says it is streaming")
{
	fail(PG1, FO_ERROR_TIMEOUT, 1, 2);
	stand_still(PG2);
	lose(PG3);
}

SITUATION(64, FO_VERDICT_ASK, "pg2", "one check of a primary with a lease timed out: the answer is to be there when the lease has ended")
{
	fail(PG1, FO_ERROR_TIMEOUT, 0.5, 1);
	peers[PG1].observed.has_node_library = true;
	stand_still(PG2);
	lose(PG3);
}

SITUATION(64, FO_VERDICT_ASK, "pg2", "a reconnect half a minute ago proves nothing any more")
{
	fail(PG1, FO_ERROR_TIMEOUT, 60, 20);
	stand_still(PG2);
	lose(PG3);
	probe(PG2, FO_PROBE_BACK, 30);
}

SITUATION(64, FO_VERDICT_ASK, "pg2", "a reconnect before the primary fell silent proves nothing")
{
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	stand_still(PG2);
	lose(PG3);
	probe(PG2, FO_PROBE_BACK, 20);
}

SITUATION(64, FO_VERDICT_ASK, "pg3", "one is asked, the other can be asked too")
{
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	stand_still(PG2);
	stand_still(PG3);
	probe(PG2, FO_PROBE_ASKED, 0.1);
}

SITUATION(65, FO_VERDICT_HOLD, "pg1", "a witness that was asked has no receiver for a moment: it has not lost anything yet")
{
	fail(PG1, FO_ERROR_TIMEOUT, 5, 3);
	lose(PG2);
	lose(PG3);
	probe(PG2, FO_PROBE_ASKED, 0.1);
}

SITUATION(66, FO_VERDICT_HOLD, "pg1", "one check timed out")
{
	fail(PG1, FO_ERROR_TIMEOUT, 0.5, 1);
	lose(PG2);
	lose(PG3);
}

SITUATION(66, FO_VERDICT_HOLD, "pg1", "our session was terminated, and nothing moves: no witness is disturbed")
{
	fail(PG1, FO_ERROR_RESET, 0.001, 1);
	stand_still(PG2);
	stand_still(PG3);
}

SITUATION(66, FO_VERDICT_HOLD, "pg1", "a session with a primary that has a lease ended: no witness is disturbed before it is known why")
{
	fail(PG1, FO_ERROR_RESET, 0.001, 1);
	peers[PG1].observed.has_node_library = true;
	stand_still(PG2);
	stand_still(PG3);
}

SITUATION(66, FO_VERDICT_HOLD, "pg1", "three resets within a moment are no silence")
{
	fail(PG1, FO_ERROR_RESET, 0.03, 5);
	lose(PG2);
	lose(PG3);
}

SITUATION(67, FO_VERDICT_HOLD, "pg1", "refused a millisecond ago, and a walreceiver has not noticed")
{
	fail(PG1, FO_ERROR_REFUSED, 0.015, 3);
	stand_still(PG2);
	lose(PG3);
}

SITUATION(67, FO_VERDICT_HOLD, "pg1", "the same with a lease: the end of the walreceiver is nearer than the answer to a question")
{
	fail(PG1, FO_ERROR_REFUSED, 0.015, 3);
	peers[PG1].observed.has_node_library = true;
	stand_still(PG2);
	lose(PG3);
}

SITUATION(68, FO_VERDICT_HOLD, "pg1", "refused, and a witness has not answered since")
{
	crash();
	go_unheard(PG3, 0.5);
}

SITUATION(68, FO_VERDICT_HOLD, "pg1", "refused, and a witness fails too, but not for long")
{
	crash();
	go_unheard(PG3, 0.5);
	fail(PG3, FO_ERROR_TIMEOUT, 0.01, 1);
}

SITUATION(68, FO_VERDICT_HOLD, "pg1", "a witness that answers as streaming and then falls silent is waited for")
{
	fail(PG1, FO_ERROR_REFUSED, 3, 3);
	lose(PG2);
	stand_still(PG3);
	peers[PG3].error = FO_ERROR_TIMEOUT;
	peers[PG3].failing_since = group.now - SECONDS(0.5);
}

SITUATION(69, FO_VERDICT_HOLD, "pg1", "a standby that was broken for days is no witness")
{
	crash();
	never_received(PG2);
	peers[PG3].received_at = peers[PG1].failing_since - SECONDS(86400);
}

SITUATION(69, FO_VERDICT_HOLD, "pg1", "the primary was cut off from its standbys, as it said itself, and dies")
{
	peers[PG1].observed.streaming_standbys = 0;
	crash();
	peers[PG2].lsn_moved_at = group.now - SECONDS(11);
	peers[PG3].lsn_moved_at = group.now - SECONDS(11);
}

SITUATION(69, FO_VERDICT_HOLD, "pg1", "a primary without standbys dies")
{
	group.peers_n = 1;
	fail(PG1, FO_ERROR_REFUSED, 60, 60);
}

SITUATION(69, FO_VERDICT_HOLD, "pg1", "the only witness died with the primary, a broken standby answers")
{
	crash();
	never_received(PG2);
	go_unheard(PG3, 61);
	peers[PG3].received_at = group.now - SECONDS(1);
	fail(PG3, FO_ERROR_TIMEOUT, 60, 20);
}

SITUATION(70, FO_VERDICT_HOLD, "pg1", "an orderly stop of a primary without the node library")
{
	crash();
	peers[PG1].is_stop_orderly = true;
}

SITUATION(70, FO_VERDICT_HOLD, "pg1", "restart_grace is waited out after a crash too")
{
	group.settings.restart_grace = 10000;
	fail(PG1, FO_ERROR_REFUSED, 9.9, 20);
	lose(PG2);
	lose(PG3);
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "kill -9")
{
	crash();
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "crash recovery, then a crash before the standbys were back")
{
	peers[PG1].observed.streaming_standbys = 0;
	crash();
	peers[PG2].lsn_moved_at = group.now - SECONDS(3);
	peers[PG3].lsn_moved_at = group.now - SECONDS(3);
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "an orderly stop, five seconds later")
{
	die(PG1, 5, 20);
	peers[PG1].is_stop_orderly = true;
	lose(PG2);
	lose(PG3);
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "an orderly stop, and a grace that was set to less")
{
	group.settings.restart_grace = 1000;
	die(PG1, 1, 5);
	peers[PG1].is_stop_orderly = true;
	lose(PG2);
	lose(PG3);
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "an orderly stop of a primary with the node library")
{
	crash();
	peers[PG1].is_stop_orderly = true;
	peers[PG1].observed.has_node_library = true;
	peers[PG1].observed.is_armed = true;
	peers[PG1].observed.may_commit = true;
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "a witness that has itself been down does not veto for ever")
{
	crash();
	go_unheard(PG3, 3.1);
	fail(PG3, FO_ERROR_TIMEOUT, 3, 1);
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "a broken standby has no say beside a witness")
{
	crash();
	never_received(PG3);
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "silent and standing still, until asking shows that nobody can connect")
{
	die(PG1, 5, 20);
	lose(PG2);
	lose(PG3);
	probe(PG2, FO_PROBE_LOST, 1);
}

SITUATION(71, FO_VERDICT_FAILOVER, "pg1", "it went while the coordinator was away: nobody could see it end")
{
	crash();
	peers[PG1].observed.at = 0;
	peers[PG1].is_hung_up = false;
}

SITUATION(72, FO_VERDICT_FAILOVER, "pg1", "SIGSTOP of everything, with the node library")
{
	fall_silent();
	peers[PG1].observed.has_node_library = true;
	peers[PG1].observed.is_armed = true;
	peers[PG1].observed.may_commit = true;
}

SITUATION(72, FO_VERDICT_FAILOVER, "pg1", "the same, seen by a coordinator that was started after it")
{
	fall_silent();
	memset(&peers[PG1].observed, 0, sizeof(peers[PG1].observed));
	peers[PG1].was_armed = true;
}

SITUATION(72, FO_VERDICT_FAILOVER, "pg1", "power loss, synchronous replication, all that could have confirmed are heard")
{
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3)");
	fall_silent();
}

SITUATION(72, FO_VERDICT_FAILOVER, "pg1", "refused without having been seen to end, with the node library")
{
	crash();
	peers[PG1].is_hung_up = false;
	peers[PG1].observed.has_node_library = true;
	peers[PG1].observed.is_armed = true;
	peers[PG1].observed.may_commit = true;
}

SITUATION(72, FO_VERDICT_FAILOVER, "pg1", "the same with synchronous replication, all that could have confirmed are heard")
{
	strcpy(peers[PG1].observed.sync_names, "ANY 1 (pg2, pg3)");
	crash();
	peers[PG1].is_hung_up = false;
}

SITUATION(72, FO_VERDICT_FAILOVER, "pg1", "the same, and availability is preferred")
{
	group.settings.prefer = FO_PREFER_AVAILABILITY;
	crash();
	peers[PG1].is_hung_up = false;
}

SITUATION(72, FO_VERDICT_FAILOVER, "pg1", "power loss, and availability is preferred")
{
	group.settings.prefer = FO_PREFER_AVAILABILITY;
	fall_silent();
}
