# Under a service manager that is notified (systemd, Type=notify) a server that
# says STOPPING=1 has to end within the stop timeout, or it is killed.  There a
# demotion exits, and the rejoin goes on when the manager starts the server again.
# The manager here does what systemd does, as far as that matters.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Manager;
use FailoverTest::Node;
use Test::More;

my ($configured) = PostgreSQL::Test::Utils::run_command([ 'pg_config', '--configure' ]);
plan(skip_all => 'this PostgreSQL was built without systemd') unless $configured =~ /--with-systemd/;

my $p = FailoverTest::Node->new('p');
$p->init;
$p->use_library('node');
$p->append_conf('postgresql.conf', 'wal_keep_size = 256MB');
$p->start;
my $lease_p = FailoverTest::Lease->new($p);
$lease_p->create_extension;
$p->safe_psql('postgres', 'CREATE TABLE t (id bigint)');
$p->backup('base');
my $a = FailoverTest::Node->new('a');
$a->init_standby($p, 'base');
$a->append_conf('postgresql.conf', 'wal_retrieve_retry_interval = 100ms');
my $lease = FailoverTest::Lease->new($a);
my ($term, $rows) = (1, 0);
$lease_p->grant(term => 1, seconds => 3600);

my $manager = FailoverTest::Manager->start($a, stop_timeout => 3);
ok($manager->wait_for('ready'), 'the server tells its manager that it is ready');
follows('a standby');

# ---- auto: it ends, and goes on with the next start ----

diverge();
$lease->rejoin($p, term => ++$term);
follows('rejoined under a service manager');
ok($manager->wait_for('ready'), 'it is ready');
is($manager->story, 'stopping exited:1 started ready', 'it had ended by itself, and was started again, once');
like($lease->status('rejoin_report'), qr/^rewound in/, 'the rewind was done at the next start');
ok($a->logged(qr/exiting to be restarted by the service manager/), 'the log says so');

# ---- while the rewind waits for its source, the manager is asked for patience ----

diverge();
kill('STOP', $p->pids('all'));
$lease->rejoin($p, term => ++$term);
ok($manager->wait_for('extend'), 'a start that takes long asks for more time');
kill('CONT', reverse $p->pids('all'));
follows('and then goes on');
ok($manager->wait_for('ready'), 'it is ready');
is($manager->story, 'stopping exited:1 started ready', 'in one start');

# ---- exec: the manager kills what goes on after STOPPING=1, and nothing is lost by it ----

$a->append_conf('postgresql.conf', 'failover.restart_method = exec');
$a->safe_psql('postgres', 'SELECT pg_reload_conf()');
diverge();
$lease->rejoin($p, term => ++$term);
ok($manager->wait_for('killed'), 'one that restarts in place is killed after the stop timeout');
follows('the next start ends well all the same');
is($a->safe_psql('postgres', 'SELECT rejoin_phase FROM failover_node_status()'), 'none', 'nothing is left to be done');

# ---- exit, without anybody who is notified ----

$manager->stop;
$a->append_conf('postgresql.conf', 'failover.restart_method = exit');
$manager = FailoverTest::Manager->start($a, is_notified => 0);
follows('under a manager that is not notified');
diverge();
$lease->rejoin($p, term => ++$term);
follows('restart_method = exit');
is($manager->story, 'exited:1 started', 'it ended, and was started again');
$manager->stop;
like($manager->story, qr/ exited:0$/, 'a stop that its manager wants is one');

$p->stop;
done_testing();

# Make it a primary of its own, with a history of its own.
sub diverge
{
	$p->safe_psql('postgres', 'CHECKPOINT');
	$p->wait_for_catchup('a');
	$lease->hear(term => ++$term);
	$a->safe_psql('postgres', 'SELECT pg_promote()');
	$lease->grant(term => $term, seconds => 3600);
	$a->safe_psql('postgres', 'INSERT INTO t VALUES (-1)');
	$p->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
	$rows++;
	$manager->forget;
	return;
}

sub follows
{
	my ($what) = @_;

	ok($a->ask_until(q{SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'}, '1')
		  && $a->ask_until('SELECT count(*), coalesce(min(id), 1) FROM t', "$rows|1"), $what);
	return;
}
