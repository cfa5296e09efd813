# What keeps a server from becoming a standby before anything of it was changed
# leaves it as it was: it serves, fenced, says why, and can be asked again.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use FailoverTest::Node;
use Cwd;
use File::Basename;
use Test::More;

my $clock = PostgreSQL::Test::Utils::tempdir('clock') . '/offsets';
set_clock(0);
my ($pg_ctl) = grep { -x } map { "$_/pg_ctl" } split(/:/, $ENV{PATH});
my $archive = PostgreSQL::Test::Utils::tempdir('archive');
my $p = FailoverTest::Node->new('p');
$p->init(extra => ['--data-checksums']);
$p->use_library('node');
$p->append_conf('postgresql.conf', "wal_retrieve_retry_interval = 100ms\nwal_keep_size = 512MB");
start_as_manager($p);
my $lease_p = FailoverTest::Lease->new($p);
$lease_p->create_extension;
$p->safe_psql('postgres', q{
	CREATE TABLE t (id bigint);
	CREATE ROLE rewinder LOGIN REPLICATION;
	GRANT pg_monitor TO rewinder;
	GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean), pg_read_binary_file(text),
		pg_read_binary_file(text, bigint, bigint, boolean) TO rewinder;
});
$p->safe_psql('postgres', "ALTER SYSTEM SET restore_command = 'cp \"$archive/%f\" \"%p\"'");
$p->reload;
$p->backup('base');
my $a = FailoverTest::Node->new('a');
$a->init_standby($p, 'base');
$a->append_conf('postgresql.conf', 'wal_retrieve_retry_interval = 100ms');
$a->start;
my $lease_a = FailoverTest::Lease->new($a);
$p->wait_for_catchup('a');
my $term = 1;
$lease_p->grant(term => $term, seconds => 3600);

# ---- the new primary does not let us see its files ----

diverge($p, $a, $lease_a);
my $conninfo = $a->conninfo =~ s/user=\S+/user=rewinder/r . ' application_name=p';
$lease_p->rejoin($a, term => ++$term, conninfo => $conninfo, max_attempts => 1);
ok($p->ask_until('SELECT rejoin_phase, rejoin_attempts FROM failover_node_status()', 'failed|1'), 'a rewind is refused by the new primary');
like($lease_p->status('rejoin_report'), qr/permission denied for function pg_ls_dir/, 'the report says why');
is($p->safe_psql('postgres', 'SELECT pg_is_in_recovery(), may_commit, count(*) FROM t, failover_node_status() GROUP BY 1, 2'), 'f|f|1000',
	'it serves, fenced, what it had');
is(left_behind($p), '', 'and nothing is left behind');

# ---- and then it is killed before the next rewind has changed anything, and rewound with WAL from the archive ----

$a->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean) TO rewinder');
$p->safe_psql('postgres', 'SELECT pg_switch_wal()');
$p->safe_psql('postgres', 'CHECKPOINT');
my $needed = $p->safe_psql('postgres', 'SELECT pg_walfile_name(redo_lsn) FROM pg_control_checkpoint()');
foreach my $segment (grep { basename($_) lt $needed } glob($p->data_dir . '/pg_wal/' . '[0-9A-F]' x 24))
{
	rename($segment, "$archive/" . basename($segment)) or die;
}
# The server waits for somebody to read what it tells pg_rewind.
mkdir $p->data_dir . '/failover_data';
POSIX::mkfifo($p->data_dir . '/failover_data/failover_rewind.conf', 0600) or die;
chmod 0700, $p->data_dir . '/failover_data';
$lease_p->rejoin($a, term => ++$term, conninfo => $conninfo);
wait_for('the data are moved aside', sub { -e $p->data_dir . '/failover_data/pg_xact' && !-e $p->data_dir . '/pg_xact' });
$p->kill_hard('all');
$p->wait_killed;
unlink $p->data_dir . '/failover_data/failover_rewind.conf', $p->data_dir . '/postmaster.pid';
start_as_manager($p);
ok(follows($p, $a), 'the next start goes on, and it streams');
is($p->safe_psql('postgres', 'SELECT count(*), min(id) FROM t'), '1|-1', 'with the new history');
like($lease_p->status('rejoin_report'), qr/^rewound in \d+ ms/, 'it was rewound');
is(left_behind($p), '', 'and nothing left behind');

# ---- what makes it a standby cannot be written ----

promote($p, $lease_p);
mkdir $p->data_dir . '/postgresql.auto.conf.tmp';
$lease_p->demote($a, term => ++$term);
ok($p->ask_until('SELECT rejoin_phase, rejoin_attempts FROM failover_node_status()', 'requested|1'), 'a file that cannot be written keeps it from becoming a standby');
like($lease_p->status('rejoin_report'), qr/could not write file "postgresql[.]auto[.]conf[.]tmp": Is a directory/, 'the report says why');
is($p->safe_psql('postgres', 'SELECT pg_is_in_recovery(), may_commit FROM failover_node_status()'), 'f|f', 'it serves, fenced');
is(scalar($p->logged(qr/No space left on device/)), 0, 'no other reason is made up');
$p->stop;
rmdir $p->data_dir . '/postgresql.auto.conf.tmp';
like(scalar(`'@{[ dirname($pg_ctl) ]}/postgres' -D '@{[ $p->data_dir ]}' -C shared_memory_size`), qr/^\d+$/, 'the server is asked for a parameter while it is down');
ok(!-e $p->data_dir . '/standby.signal', 'which does not carry on the rejoin');
start_as_manager($p);
ok($p->ask_until('SELECT pg_is_in_recovery()', 't'), 'when it can be written, it becomes one');

# ---- its stop does not come to an end ----

$a->stop;
promote($p, $lease_p);
my $stopped = $p->logged(qr/received fast shutdown request/);
$p->freeze_process('checkpointer');
$lease_p->rejoin($a, term => ++$term, backoff_ms => 3_600_000, max_attempts => 2);
wait_for('its stop', sub { $p->logged(qr/received fast shutdown request/) > $stopped });
$p->kill_hard('all');
$p->wait_killed;
unlink $p->data_dir . '/postmaster.pid';
my $stops = $p->logged(qr/stopping to become a standby/);
start_as_manager($p);
is($lease_p->status(q{rejoin_phase || ' ' || rejoin_attempts}), 'requested 1', 'a stop that did not end counts as an attempt');
like($lease_p->status('rejoin_report'), qr/had not been shut down cleanly/, 'the report says so');
is(scalar($p->logged(qr/stopping to become a standby/)), $stops, 'it is not stopped again before the pause is over');

# ---- the clock is set back meanwhile ----

set_clock(-86400);
ok($p->ask_until('SELECT rejoin_phase, rejoin_attempts FROM failover_node_status()', 'failed|2'),
	'an attempt that lies in the future is no reason to wait');
like($lease_p->status('rejoin_report'), qr/could not connect to the new primary/, 'it was made');

$p->stop;
done_testing();

# Set the clock of the day of p, by so many seconds.
sub set_clock
{
	my ($seconds) = @_;

	open(my $out, -e $clock ? '+<' : '>', $clock) or die;
	syswrite($out, pack('q2', $seconds * 1_000_000_000, 0));
	close($out);
	return;
}

# Start it as a service manager does that knows where its programs are, and nobody else.
sub start_as_manager
{
	my ($node) = @_;

	local $ENV{PATH} = '/usr/bin:/bin';
	local $ENV{LD_PRELOAD} = Cwd::abs_path(dirname($INC{'FailoverTest.pm'})) . '/clock.so';
	local $ENV{FAILOVER_TEST_CLOCK} = $clock;
	delete local $ENV{PGAPPNAME};
	PostgreSQL::Test::Utils::system_log($pg_ctl, '-D', $node->data_dir, '-w', '-l', $node->logfile,
		'-o', '--cluster-name=' . $node->name, 'start') == 0 or die 'could not start ' . $node->name;
	$node->_update_pid(1);
	return;
}

sub wait_for
{
	my ($what, $condition) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		die "$what: waited in vain" if time > $until;
		FailoverTest::Lease::wait_until(Time::HiRes::time() + 0.01);
	}
	return;
}

sub left_behind
{
	my ($node) = @_;
	return join(' ', glob($node->data_dir . '/failover_*'));
}

# Promote the second; both have a history of their own.
sub diverge
{
	my ($old, $new, $lease) = @_;

	$lease->grant(term => ++$term, seconds => 3600);
	$new->safe_psql('postgres', 'SELECT pg_promote()');
	$new->safe_psql('postgres', 'CHECKPOINT');
	$old->safe_psql('postgres', 'INSERT INTO t SELECT generate_series(1, 1000)');
	$new->safe_psql('postgres', 'INSERT INTO t VALUES (-1)');
	return;
}

# Make a standby the primary again, the other one is of no interest.
sub promote
{
	my ($node, $lease) = @_;

	$lease->grant(term => ++$term, seconds => 3600);
	$node->safe_psql('postgres', 'SELECT pg_promote()');
	return;
}

sub follows
{
	my ($node, $primary) = @_;

	$node->ask_until(q{SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'}, '1') or return 0;
	$primary->wait_for_catchup($node->name);
	return 1;
}
