/*-------------------------------------------------------------------------
 *
 * situation_identity.c
 *		Who is the primary?  Scenes for rules 1-29.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "situation.h"

SITUATION(1, FO_VERDICT_UNKNOWN, "", "a group without peers")
{
	forget_primary();
	group.peers_n = 0;
}

SITUATION(2, FO_VERDICT_UNKNOWN, "pg1", "a group of kind service")
{
	group.kind = FO_KIND_SERVICE;
	crash();
}

SITUATION(3, FO_VERDICT_UNKNOWN, "pg1", "the primary has not been checked yet")
{
	peers[PG1].observed.at = 0;
	peers[PG1].last_attempt_at = 0;
}

SITUATION(3, FO_VERDICT_UNKNOWN, "", "no primary recorded, and one peer not checked yet")
{
	forget_primary();
	peers[PG3].observed.at = 0;
	peers[PG3].last_attempt_at = 0;
}

SITUATION(4, FO_VERDICT_HOLD, "pg1", "the primary is dead, but another coordinator has taken over")
{
	crash();
	group.newer_term = 7;
	strcpy(group.newer_owner, "elsewhere:5432/1");
}

SITUATION(5, FO_VERDICT_UNKNOWN, "pg1", "the primary is dead, but this coordinator is about to take over")
{
	crash();
	group.is_claiming = true;
}

SITUATION(3, FO_VERDICT_UNKNOWN, "", "no primary recorded, and a group of the same system is yet to be looked at")
{
	forget_primary();
	peers[PG1].is_perhaps_there = true;
}

SITUATION(6, FO_VERDICT_HOLD, "", "no primary recorded, and the one out of recovery is another group's")
{
	forget_primary();
	strcpy(peers[PG1].other_group, "b");
	peers[PG1].is_counted_there = true;
}

SITUATION(12, FO_VERDICT_ADOPT, "pg2", "the same, and one of our own is out of recovery")
{
	forget_primary();
	strcpy(peers[PG1].other_group, "b");
	peers[PG1].is_counted_there = true;
	promote(PG2, 1);
}

SITUATION(6, FO_VERDICT_HOLD, "pg1", "the recorded primary is dead, and another group's")
{
	crash();
	strcpy(peers[PG1].other_group, "b");
	peers[PG1].is_counted_there = true;
}

SITUATION(10, FO_VERDICT_HOLD, "", "no primary recorded, two out of recovery")
{
	forget_primary();
	promote(PG2, 2);
}

SITUATION(11, FO_VERDICT_HOLD, "", "no primary recorded, the one out of recovery is outdated")
{
	forget_primary();
	peers[PG3].observed.timeline = 2;
	fail(PG2, FO_ERROR_TIMEOUT, 10, 5);
}

SITUATION(12, FO_VERDICT_ADOPT, "pg1", "no primary recorded, one out of recovery")
{
	forget_primary();
}

SITUATION(12, FO_VERDICT_ADOPT, "pg1", "no primary recorded, the others do not answer or are fenced")
{
	forget_primary();
	fail(PG2, FO_ERROR_REFUSED, 10, 5);
	promote(PG3, 1);
	peers[PG3].is_fenced = true;
	peers[PG3].observed.is_read_only = true;
}

SITUATION(12, FO_VERDICT_ADOPT, "pg1", "no primary recorded, the system is, and another one is of another system")
{
	group.primary = -1;
	promote(PG2, 9);
	peers[PG2].observed.system_identifier++;
}

SITUATION(13, FO_VERDICT_HOLD, "", "no primary recorded, nobody answers")
{
	forget_primary();
	fail(PG1, FO_ERROR_AUTH, 10, 5);
	fail(PG2, FO_ERROR_AUTH, 10, 5);
	fail(PG3, FO_ERROR_REFUSED, 10, 5);
}

SITUATION(14, FO_VERDICT_HOLD, "", "no primary recorded, none out of recovery")
{
	forget_primary();
	fail(PG1, FO_ERROR_REFUSED, 10, 5);
}

SITUATION(20, FO_VERDICT_HOLD, "pg1", "the primary was replaced by another system")
{
	peers[PG1].observed.system_identifier++;
}

SITUATION(21, FO_VERDICT_FENCE, "pg2", "a standby was promoted by hand while the primary serves")
{
	promote(PG2, 2);
}

SITUATION(21, FO_VERDICT_FENCE, "pg3", "an old primary came back after a failover")
{
	promote(PG3, 1);
	peers[PG1].observed.timeline = 2;
	peers[PG2].observed.timeline = 2;
}

SITUATION(21, FO_VERDICT_FENCE, "pg3", "a fenced one was made writable again")
{
	promote(PG3, 1);
	peers[PG3].is_fenced = true;
}

SITUATION(22, FO_VERDICT_ADOPT, "pg2", "the primary died and somebody promoted a standby")
{
	crash();
	promote(PG2, 2);
}

SITUATION(22, FO_VERDICT_ADOPT, "pg2", "somebody switched over: the old primary follows already")
{
	promote(PG2, 2);
	promote(PG1, 2);
	peers[PG1].observed.in_recovery = true;
	peers[PG1].observed.receiver = FO_RECEIVER_STREAMING;
}

/* Recorded is who was the primary before somebody switched over. */
static void
know_less(void)
{
	promote(PG2, 2);
	peers[PG2].observed.has_node_library = peers[PG2].observed.is_armed = true;
	promote(PG1, 2);
	peers[PG1].observed.in_recovery = true;
	peers[PG1].observed.receiver = FO_RECEIVER_STREAMING;
}

SITUATION(22, FO_VERDICT_ADOPT, "pg2", "tables that are older than the switchover: in their term nobody has granted it a lease")
{
	know_less();
}

SITUATION(27, FO_VERDICT_PROMOTE, "pg1", "a candidate that has not been promoted yet follows the old primary")
{
	know_less();
	group.is_primary_pending = true;
}

SITUATION(25, FO_VERDICT_HOLD, "pg1", "the same tables, and two are out of recovery without a lease")
{
	know_less();
	promote(PG3, 2);
	peers[PG3].observed.has_node_library = peers[PG3].observed.is_armed = true;
}

SITUATION(22, FO_VERDICT_ADOPT, "pg2", "a primary never seen is dead, and a standby follows another")
{
	crash();
	peers[PG1].observed.at = 0;
	peers[PG1].observed.timeline = 0;
	peers[PG1].observed.system_identifier = 0;
	promote(PG2, 4);
	peers[PG3].observed.timeline = 4;
	peers[PG3].observed.receiver = FO_RECEIVER_STREAMING;
}

SITUATION(23, FO_VERDICT_FENCE, "pg3", "the primary is silent and a former one comes back")
{
	peers[PG1].observed.timeline = 2;
	fail(PG1, FO_ERROR_TIMEOUT, 2, 1);
	promote(PG3, 1);
}

SITUATION(24, FO_VERDICT_HOLD, "pg1", "one failed check is no proof that the primary gave way to another")
{
	fail(PG1, FO_ERROR_RESET, 0.1, 1);
	promote(PG2, 2);
}

SITUATION(24, FO_VERDICT_HOLD, "pg1", "the primary lives but lets us not in, and a standby was promoted")
{
	fail(PG1, FO_ERROR_AUTH, 60, 50);
	promote(PG2, 2);
}

SITUATION(24, FO_VERDICT_HOLD, "pg1", "a primary never seen is dead, and nobody tells who follows whom")
{
	crash();
	peers[PG1].observed.at = 0;
	peers[PG1].observed.timeline = 0;
	promote(PG2, 4);
}

SITUATION(24, FO_VERDICT_HOLD, "pg1", "the primary was demoted, and a peer on an older timeline serves")
{
	promote(PG2, 1);
	peers[PG1].observed.in_recovery = true;
	peers[PG1].observed.timeline = 2;
}

SITUATION(24, FO_VERDICT_HOLD, "pg1", "the primary died and two were promoted")
{
	crash();
	promote(PG2, 2);
	promote(PG3, 2);
}

SITUATION(25, FO_VERDICT_HOLD, "pg1", "somebody demoted the primary")
{
	peers[PG1].observed.in_recovery = true;
}

/* Everybody has been a standby for so long. */
static void
be_all_standbys(double since)
{
	peers[PG1].observed.in_recovery = true;
	peers[PG1].observed.lsn = peers[PG2].observed.lsn;
	peers[PG3].observed.lsn = peers[PG2].observed.lsn;
	group.nobody_since = group.now - SECONDS(since);
}

SITUATION(25, FO_VERDICT_HOLD, "pg1", "everybody is a standby, but only just: somebody may be about to promote one")
{
	be_all_standbys(4.9);
}

SITUATION(26, FO_VERDICT_FAILOVER, "pg1", "everybody is a standby, and has been for a while")
{
	be_all_standbys(5);
}

SITUATION(26, FO_VERDICT_FAILOVER, "pg1", "everybody is a standby, and one has more than the others")
{
	be_all_standbys(60);
	peers[PG2].observed.lsn++;
}

SITUATION(25, FO_VERDICT_HOLD, "pg1", "everybody is a standby, and the recorded primary has what nobody else has")
{
	be_all_standbys(60);
	peers[PG1].observed.lsn++;
}

SITUATION(25, FO_VERDICT_HOLD, "pg1", "everybody is a standby, and who has most must not be promoted")
{
	be_all_standbys(60);
	peers[PG3].observed.timeline++;
	peers[PG3].is_promotable = false;
}

/* It was the primary, or just became it, and came back without a lease. */
static void
come_back_gated(int peer, uint32_t timeline)
{
	promote(peer, timeline);
	peers[peer].observed.has_node_library = peers[peer].observed.is_armed = true;
	peers[peer].observed.may_commit = false;
}

SITUATION(28, FO_VERDICT_ADOPT, "pg2", "nobody is the primary, and a candidate that died when it had become one has all that anybody has")
{
	be_all_standbys(5);
	group.is_primary_pending = true;
	peers[PG1].observed.has_node_library = true;
	come_back_gated(PG2, 2);
	peers[PG3].observed.timeline = 2;
}

SITUATION(25, FO_VERDICT_HOLD, "pg1", "the same, but the recorded primary may yet be promoted, and has no lease to wait for")
{
	be_all_standbys(60);
	group.is_primary_pending = true;
	come_back_gated(PG2, 2);
	peers[PG3].observed.timeline = 2;
}

SITUATION(25, FO_VERDICT_HOLD, "pg1", "the same, but only just")
{
	be_all_standbys(4.9);
	come_back_gated(PG2, 2);
}

SITUATION(25, FO_VERDICT_HOLD, "pg1", "the same, but it is not to be the primary")
{
	be_all_standbys(60);
	come_back_gated(PG2, 2);
	peers[PG2].is_promotable = false;
}

SITUATION(26, FO_VERDICT_FAILOVER, "pg1", "nobody is the primary, and a standby has what one that is out of recovery has not")
{
	be_all_standbys(60);
	come_back_gated(PG3, 1);
	peers[PG2].observed.timeline = group.newest_timeline = 2;
}

SITUATION(25, FO_VERDICT_HOLD, "pg1", "the promotion of the recorded primary did not happen, and a standby is on a newer timeline")
{
	peers[PG1].observed.in_recovery = true;
	group.is_primary_pending = true;
	peers[PG2].observed.timeline = 2;
}

SITUATION(27, FO_VERDICT_PROMOTE, "pg1", "the promotion of the recorded primary was ordered and did not happen")
{
	peers[PG1].observed.in_recovery = true;
	group.is_primary_pending = true;
}

SITUATION(27, FO_VERDICT_PROMOTE, "pg1", "the same while a standby is silent, and auto_failover is off")
{
	peers[PG1].observed.in_recovery = true;
	group.is_primary_pending = true;
	group.settings.auto_failover = false;
	fail(PG2, FO_ERROR_TIMEOUT, 60, 50);
}

SITUATION(24, FO_VERDICT_HOLD, "pg1", "the promotion did not happen, and another peer takes writes")
{
	peers[PG1].observed.in_recovery = true;
	peers[PG1].observed.receiver = FO_RECEIVER_NONE;
	group.is_primary_pending = true;
	promote(PG2, 1);
}
