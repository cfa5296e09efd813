# A server that cannot be rewound is replaced by a copy of the new primary: only
# where the copy has room and can take the place of the data, and whatever
# happens meanwhile.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Mount;
use File::Basename;
use Test::More;

my ($p, $lease_p) = FailoverTest::Lease->start_primary('p',
	init => ['--data-checksums'],
	conf => 'failover.allow_clone = on',
	sql => q{
		CREATE TABLE t (id bigint PRIMARY KEY, filler text);
		INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 50000) i;
	});
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
my $term = 2;
$lease_p->grant(term => 1, seconds => 3600);
$lease_a->grant(term => $term, seconds => 3600);
$a->safe_psql('postgres', 'SELECT pg_promote()');
$a->safe_psql('postgres', q{UPDATE t SET filler = 'new' WHERE id % 11 = 0});
$a->safe_psql('postgres', 'CHECKPOINT');
# Without that WAL it cannot be rewound.
$p->safe_psql('postgres', q{INSERT INTO t VALUES (-1, 'old')});
$p->safe_psql('postgres', 'SELECT pg_switch_wal()');
$p->safe_psql('postgres', 'CHECKPOINT');
my $needed = $p->safe_psql('postgres', 'SELECT pg_walfile_name(redo_lsn) FROM pg_control_checkpoint()');
unlink grep { basename($_) lt $needed } glob($p->data_dir . '/pg_wal/' . '[0-9A-F]' x 24);

# ---- what cannot take the place of the data ----

SKIP:
{
	skip 'nothing can be mounted here', 2 unless FailoverTest::Mount::can_mount();
	$p->stop;
	FailoverTest::Mount::start_with_mount($p, 'pg_stat_tmp');
	stays($p, qr/cannot copy the new primary, "pg_stat_tmp" is a mount point or lies elsewhere/, 'a mount point in the data');
	$p->stop;
	$p->start;
}

# ---- what has no room ----

my $database = $a->safe_psql('postgres', q{SELECT oid FROM pg_database WHERE datname = 'postgres'});
my $large = $a->data_dir . "/base/$database/999999999";
open(my $out, '>', $large) or die;
truncate($out, 10 * 2**40) or die "$large: $!";
close($out);
stays($p, qr/cannot copy the new primary, there is no room: it takes 10\d{6} MB, \d+ MB are free/, 'a copy larger than the disk');
unlink $large;

# ---- killed while the copy is prepared, and while it is fetched ----

my $checkpointer = $a->freeze_process('checkpointer');
$lease_p->rejoin($a, term => ++$term, max_attempts => 1000, backoff_ms => 10);
ok($a->ask_until(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'failover_rejoin' AND query ~ 'BASE_BACKUP'}, '1'),
	'a copy is begun, not under the name of the standby');
$p->kill_hard('all');
$p->wait_killed;
ok(-e $p->data_dir . '/base', 'the old data are in their place');
$p->start_in_background;
$a->thaw_process($checkpointer);
my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
FailoverTest::Lease::wait_until(Time::HiRes::time() + 0.002)
  until -e $p->data_dir . '/failover_clone/base' || time > $deadline;
$p->kill_hard('all');
note('killed with ' . join(' ', map { basename($_) } glob($p->data_dir . '/failover_*')));
$p->wait_killed;
$p->start_in_background;
ok($p->ask_until(q{SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'}, '1'), 'the next start goes on, and it streams');
$a->wait_for_catchup('p');
is(contents($p), contents($a), 'with the same rows');
is($p->safe_psql('postgres', 'SHOW port'), $p->port, 'and its own configuration');
is(join(' ', glob($p->data_dir . '/failover_*')), '', 'and nothing left behind');
like($lease_p->status('rejoin_report'), qr/^copied the new primary in \d+ ms/, 'it was copied');

$_->stop foreach $p, $a;
is(PostgreSQL::Test::Utils::system_log('pg_checksums', '--check', '-D', $p->data_dir), 0, 'every page is intact');
done_testing();

# A rejoin that fails with that report, and a server that serves as before.
sub stays
{
	my ($node, $reason, $what) = @_;

	$lease_p->rejoin($a, term => ++$term, max_attempts => 1);
	ok($node->ask_until('SELECT rejoin_phase FROM failover_node_status()', 'failed'), "$what is found before anything is done");
	like($lease_p->status('rejoin_report'), $reason, 'the report says it');
	return;
}

sub contents
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT count(*), md5(string_agg(id || filler, ',' ORDER BY id)) FROM t});
}
