# A standby that has diverged, and knows of the history that it cannot follow, is
# asked to rejoin, and something keeps it from that: it serves again as it was.
use strict;
use warnings;

use FailoverTest::Lease;
use Test::More;

my ($p, $lease_p) = FailoverTest::Lease->start_primary('p',
	init => ['--data-checksums'],
	conf => 'wal_keep_size = 512MB',
	sql => q{
		CREATE TABLE t (id bigint);
		CREATE ROLE rewinder LOGIN REPLICATION;
		GRANT pg_monitor TO rewinder});
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
my ($b, $lease_b) = FailoverTest::Lease->start_standby('b', $p);
$lease_p->grant(term => 1, seconds => 3600);

# B goes on with p, beyond the fork, and sees then that it cannot follow a.
$lease_a->grant(term => 2, seconds => 3600);
$a->safe_psql('postgres', 'SELECT pg_promote()');
$a->safe_psql('postgres', 'CHECKPOINT');
$p->safe_psql('postgres', 'INSERT INTO t SELECT generate_series(1, 1000)');
$p->wait_for_catchup('b');
$b->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = '" . $a->conninfo . " application_name=b'");
$b->reload;
ok($b->comes_to_log(qr/new timeline 2 forked off current database system timeline 1 before current recovery point/),
	'it knows of a history that it cannot follow');

# What keeps it from a rewind may pass, and did not change anything.
my $conninfo = $a->conninfo =~ s/user=\S+/user=rewinder/r . ' application_name=b';
$lease_b->rejoin($a, term => 3, conninfo => $conninfo, max_attempts => 1);
ok($b->comes_to_log(qr/could not become a standby, starting without the lease/), 'the rewind is refused');
ok($b->ask_until('SELECT rejoin_phase, rejoin_attempts FROM failover_node_status()', 'failed|1'), 'it serves, and says so');
is($b->ask('SELECT count(*) FROM t') // 'no answer', '1000', 'what it had');

# It is asked again when that has passed.
$a->safe_psql('postgres', q{GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text),
	pg_read_binary_file(text, bigint, bigint, boolean) TO rewinder});
SKIP:
{
	skip 'it is gone', 1 unless defined $b->ask('SELECT 1');
	$lease_b->rejoin($a, term => 3, conninfo => $conninfo, max_attempts => 1);
	ok($b->streams_from($a), 'and follows');
}

done_testing();
