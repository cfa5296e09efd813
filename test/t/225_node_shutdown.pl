# A standby with the node library knows that its primary has shut down, from the
# WAL: neither from WAL that goes on, nor from an earlier shutdown, nor from a crash.
use strict;
use warnings;

use FailoverTest::Lease;
use Test::More;

my ($p) = FailoverTest::Lease->start_primary('p', sql => 'CREATE TABLE t (id bigint); CREATE ROLE somebody LOGIN');
my ($a) = FailoverTest::Lease->start_standby('a', $p);

sub is_shut_down
{
	my ($from) = @_;
	return "SELECT failover_node_is_shut_down('$from')";
}

# Something written, and where it ends.
sub write_on
{
	$p->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
	my $end = $p->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
	$p->wait_for_catchup($a);
	return $end;
}

my $begin = write_on();
my $from = write_on();
is($p->safe_psql('postgres', is_shut_down($begin)), 'f', 'a primary has not shut down');
is($a->safe_psql('postgres', is_shut_down($_)), 'f', "a standby whose primary goes on, from $_") foreach $begin, $from, 'F/0', '0/0';
is($a->safe_psql('postgres', 'SELECT failover_node_is_shut_down(NULL) IS NULL'), 't', 'null');
my ($status, undef, $stderr) = $a->psql('postgres', "SET ROLE somebody; SELECT failover_node_is_shut_down('$begin')");
isnt($status, 0, 'not everybody may ask');
like($stderr, qr/permission denied for function/, 'and is told so');

foreach my $wait (-1, 1001)
{
	($status, undef, $stderr) = $a->psql('postgres', "SELECT failover_node_is_shut_down('$from', $wait)");
	like($stderr, qr/wait_ms must be between 0 and 1000/, "not for $wait ms");
}
is($a->safe_psql('postgres', "SELECT failover_node_is_shut_down('$from', 10)"), 'f', 'waited in vain');

# Longer than one wait may take: the stop comes in one of them.
my $waiting = $a->background_psql('postgres');
$waiting->query_until(qr/waits/, "SELECT 'waits';\n" . "SELECT failover_node_is_shut_down('$from', 1000);\n" x 60);
ok($a->ask_until("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%is_shut_down%' AND state = 'active' AND pid <> pg_backend_pid()", '1'),
	'somebody waits');
$p->stop('fast');
like($waiting->query(q{SELECT 'end'}), qr/^t$/m, 'and hears of the shutdown');
$waiting->quit;
ok($a->ask_until(is_shut_down($from), 't'), 'its primary has shut down');
is($a->safe_psql('postgres', is_shut_down($begin)), 't', 'from an earlier position on, too');
my $end = $a->safe_psql('postgres', 'SELECT pg_last_wal_replay_lsn()');
is($a->safe_psql('postgres', is_shut_down($end)), 'f', 'beyond the record there is none');

$p->start;
$from = write_on();
is($a->safe_psql('postgres', is_shut_down($begin)), 'f', 'its primary goes on after a shutdown');
$p->kill_hard('all');
$p->wait_killed;
ok($a->ask_until('SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)', 't'), 'it loses its primary');
is($a->safe_psql('postgres', is_shut_down($from)), 'f', 'a primary that was killed has not shut down');

done_testing();
