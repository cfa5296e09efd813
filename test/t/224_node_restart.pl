# The restart in place leaves nothing of the server before it behind, and gives
# way to somebody who wants the server to stop.
use strict;
use warnings;

use FailoverTest::Lease;
use File::Basename;
use Test::More;

my ($p, $lease) = FailoverTest::Lease->start_primary('p', conf => 'wal_keep_size = 64MB');
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
$lease->grant(term => 1, seconds => 600);

# ---- asked to stop while it stops to become a standby ----

my ($pid) = $p->pids('postmaster');
# The server ends when its standby has everything, so it waits for this one.
$a->freeze('all');
$lease->demote($a, term => 2);
until_true(sub { !defined $p->ask('SELECT 1') }, 'it stops');
kill('INT', $pid);
$a->thaw;
until_true(sub { !-e "/proc/$pid" || defined $p->ask('SELECT 1') }, 'it ends or is back');
ok(!-e "/proc/$pid", 'a server that is asked to stop does not come back');
$p->_update_pid(0) unless -e "/proc/$pid";
$lease_a->grant(term => 2, seconds => 600);
$a->safe_psql('postgres', 'SELECT pg_promote()');

# ---- with a logging collector, and a path that was relative to where it was started ----

chdir(dirname($p->data_dir)) or die;
$p->append_conf('postgresql.conf', "logging_collector = on\nhba_file = '" . basename($p->data_dir) . "/pg_hba.conf'");
$p->start if !-e "/proc/$pid";
chdir('/');
ok(follows(), 'before it was started again, when it becomes what it was asked to be');
($pid) = $p->pids('postmaster');
is(scalar(() = arguments() =~ /config_file=/g), 1, 'it names its configuration');
is(loggers(), 1, 'it has one process that collects the log');
$lease->rejoin($a, term => 3);
ok($p->ask_until('SELECT rejoin_phase, node_term FROM failover_node_status()', 'none|3') && follows(), 'it restarts in place');
is(($p->pids('postmaster'))[0], $pid, 'in the same process');
is(scalar(() = arguments() =~ /config_file=/g), 1, 'its arguments do not grow with each restart');
until_true(sub { loggers() == 1 }, 'the process before it that collected the log ends');

my $last = '';
$last .= PostgreSQL::Test::Utils::slurp_file($_) foreach glob($p->data_dir . '/log/*');
like($last, qr/restarting in place to become a standby/, 'the log has what was said before the restart');
like($last, qr/starting as a standby/, 'and after it');

# ---- nobody there who could do it ----

$a->append_conf('postgresql.conf', 'max_worker_processes = 1');
$a->restart;
my ($status, $out, $err) =
  $a->psql('postgres', "\\set VERBOSITY verbose\nSELECT failover_node_rejoin(4, 'host=127.0.0.1 port=1', max_attempts => 1)");
like($err, qr/53400: the background worker .* does not run.*HINT:.*max_worker_processes/s, 'without a worker a request is refused');
is($lease_a->status(q{rejoin_phase || ' ' || node_term}), 'none 2', 'and changes nothing');

$_->stop foreach $a, $p;
done_testing();

sub until_true
{
	my ($condition, $what) = @_;
	return ok(FailoverTest::Node::until_true($condition), $what);
}

sub follows
{
	return $p->ask_until(q{SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'}, '1');
}

sub arguments
{
	return join(' ', split(/\0/, PostgreSQL::Test::Utils::slurp_file("/proc/$pid/cmdline")));
}

sub loggers
{
	return scalar(grep { $p->_title($_) =~ /^logger/ } FailoverTest::Node::_children($pid));
}
