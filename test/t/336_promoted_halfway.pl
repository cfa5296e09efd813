# A standby is promoted, or killed, that has only begun to receive the timeline of a
# primary that died in this moment: of the segment that it has replayed on the old
# timeline there is a part on the new one, which PostgreSQL prefers to read.
use strict;
use warnings;

use FailoverTest::Lease;
use Cwd;
use File::Basename;
use Test::More;

my ($p, $lease_p) = FailoverTest::Lease->start_primary('p', conf => 'wal_keep_size = 256MB', sql => 'CREATE TABLE t (id int, filler text)');
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
my $env = {
	LD_PRELOAD => Cwd::abs_path(dirname($INC{'FailoverTest/Lease.pm'})) . '/../halfway.so',
	FAILOVER_TEST_HALFWAY => '00000002' };
my ($b, $lease_b) = FailoverTest::Lease->start_standby('b', $p, env => $env);
my ($c) = FailoverTest::Lease->start_standby('c', $p, env => $env);
$lease_p->grant(term => 1, seconds => 600);

# More than a walreceiver gets at once, within a segment: the last record is far from its beginning.
$p->safe_psql('postgres', 'CHECKPOINT; SELECT pg_switch_wal()');
$p->safe_psql('postgres', q{INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 5000) g});
$p->wait_for_catchup($_->name, 'replay') foreach $a, $b, $c;
$p->stop('fast');

$lease_a->prepare_promotion(term => 2, timeline => 2);
$a->safe_psql('postgres', 'SELECT pg_promote()');
foreach my $standby ($b, $c)
{
	my $name = $standby->name;

	$standby->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = '" . $a->conninfo . " application_name=$name'");
	$standby->reload;
	ok($standby->comes_to_log(qr/restarted WAL streaming at \S+ on timeline 2/), "$name has begun to follow");
	ok($standby->comes_to_log(qr/could not receive data from WAL stream/), 'and did not get far');
}
$a->stop('immediate');
is($_->safe_psql('postgres', 'SELECT pg_last_wal_receive_lsn() < pg_last_wal_replay_lsn()'), 't', $_->name . ' has replayed more than it has received since')
  foreach $b, $c;

# ---- killed ----

$c->kill_hard('all');
$c->wait_killed;
$c->start;
ok($c->ask_until('SELECT count(*), sum(id) FROM t', '5000|12502500'), 'a standby that is killed then starts again, with all that it had');
is(scalar($c->logged(qr/removed file "pg_wal\/00000002/)), 1, 'and says what was in the way');

# ---- promoted ----

$b->safe_psql('postgres', q{SELECT pg_promote(false) FROM failover_node_prepare_promotion(3, 3, 'test')});
ok($b->ask_until('SELECT pg_is_in_recovery()', 'f'), 'it is promoted');
is($b->safe_psql('postgres', 'SELECT count(*), sum(id) FROM t'), '5000|12502500', 'with all that it had');
ok($b->logged(qr/is complete up to/), 'and says what was missing');
$lease_b->grant(term => 3, seconds => 600);
$b->safe_psql('postgres', 'INSERT INTO t VALUES (5001)');
$b->restart;
is($b->safe_psql('postgres', 'SELECT count(*) FROM t'), '5001', 'it starts again');

done_testing();
