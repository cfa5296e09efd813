# Nothing is acknowledged outside the lease: not by a flickering one, not after
# a freeze, not by a commit that waited, not by the orphans of a killed postmaster.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use FailoverTest::Writer;
use IPC::Run;
use List::Util qw(first);
use Test::More;

my $node = FailoverTest::Node->new('p');
$node->init;
$node->use_library('node');
$node->append_conf('postgresql.conf', "log_min_messages = warning\nmax_prepared_transactions = 10");
$node->start;
my $lease = FailoverTest::Lease->new($node);
$lease->create_extension;
$node->safe_psql('postgres', 'CREATE TABLE failover_test (writer int, id bigint, at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (writer, id))');
my $offset = $lease->clock_offset;

# ---- a lease of 100 ms every half second ----

my $renewer = $lease->start_renewer(term => 1, seconds => 0.1, every => 0.5);
$node->ask_until('SELECT armed FROM failover_node_status()', 't');
my $writer = FailoverTest::Writer->start([$node], writers => 4, pause_us => 0);
ok($node->ask_until('SELECT count(*) > 200 AND max(at) - min(at) > interval \'4 s\' FROM failover_test', 't'),
	'with a flickering lease some commits succeed');
$writer->stop;
$renewer->stop;

my @windows = $renewer->windows;
my @acknowledged = $writer->rows('a');
# Late for a client on a busy machine, early for a server that is without a lease for 400 ms.
my @outside = grep { !in_a_window($_->[3] * 1e6 - $offset, 150_000) } @acknowledged;
is(scalar(@outside), 0, 'and none of ' . @acknowledged . ' is acknowledged outside of it (' . @windows . ' leases)');
is(missing($writer), 0, 'all that were acknowledged are there');

# ---- frozen with commits in flight, thawed when the lease is over ----

my $late = 0;
my $total = 0;
my $in_flight = 0;
my $round = 0;
# A commit takes 100 ms, most of it between the look at the lease and the answer.
$node->safe_psql('postgres', 'ALTER SYSTEM SET fsync = on');
$node->reload;
$node->ask_until('SHOW fsync', 'on');
while ($round < 3 || ($in_flight == 0 && $round < 9))
{
	$round++;
	$renewer = $lease->start_renewer(term => 1, seconds => 0.5, every => 0.1);
	$writer = FailoverTest::Writer->start([$node], writers => 6, pause_us => 0, first => 100 * $round, timeout_ms => 20_000,
		setup => 'SET commit_delay = 100000; SET commit_siblings = 0');
	$node->ask_until("SELECT count(*) > 10 FROM failover_test WHERE writer BETWEEN 100 * $round AND 100 * $round + 99", 't');
	# First no more renewals: one that lay in its socket would read the clock, and grant, after the thaw.
	$renewer->stop;
	$node->ask_until(q{SELECT count(*) = 0 FROM pg_stat_activity
		WHERE query LIKE '%failover_node_heartbeat%' AND pid <> pg_backend_pid()}, 't');
	$node->freeze('all');
	# The end of the last lease, by the clock of this machine.
	my $frozen = Time::HiRes::time();
	FailoverTest::Lease::wait_until($frozen + 0.7);
	my $thawed = Time::HiRes::time();
	$node->thaw;
	$node->ask_until('SELECT may_commit FROM failover_node_status()', 'f');
	$writer->stop;
	$late += grep { $_->[3] > $thawed } $writer->rows('a');
	$total += $writer->rows('a');
	$in_flight = $node->logged(qr/lease ended before a commit could be acknowledged/);
	is(missing($writer), 0, 'no acknowledged row is missing');
}
is($late, 0, "no commit is acknowledged after a freeze that outlasted the lease ($total before)");
cmp_ok($in_flight, '>', 0, 'commits were in flight');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET fsync');

# ---- commits that waited for a standby while the lease ended ----

$lease->grant(term => 1, seconds => 600);
$node->safe_psql('postgres', "BEGIN; INSERT INTO failover_test VALUES (1000, $_); PREPARE TRANSACTION 'prepared $_'") foreach 1, 2;
$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
$node->ask_until('SHOW synchronous_standby_names', 'nobody');
my @waiting = map { start_statement(@$_) } (
	['INSERT INTO failover_test VALUES (1000, 3)'],
	[ 'BEGIN', 'INSERT INTO failover_test VALUES (1000, 4)', q{PREPARE TRANSACTION 'prepared 4'} ],
	[q{COMMIT PREPARED 'prepared 1'}],
	[q{ROLLBACK PREPARED 'prepared 2'}]);
$node->ask_until(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'}, scalar(@waiting));
$lease->hear(term => 2);
$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names');
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
foreach my $one (@waiting)
{
	$one->{psql}->finish;
	unlike($one->{out}, qr/^$one->{kind}/m, "$one->{kind} that waited while the lease ended is not acknowledged");
	like($one->{err}, qr/server closed the connection/, 'its session ends');
}
is($node->safe_psql('postgres', q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM failover_test WHERE writer = 1000}), '1 3',
	'as they are when a server crashes at that moment, the rows are there');
is($node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts'), 'prepared 4', 'and so is what was prepared');

# ---- a busy backend outlives the postmaster ----

$lease->grant(term => 2, seconds => 600);
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'prepared 4'});
my ($out, $err) = ('', '');
my $orphan = IPC::Run::start(
	[ 'psql', '-X', '-d', $node->connstr('postgres'), '-c',
		'INSERT INTO failover_test VALUES (1001, 1); SELECT count(*) FROM generate_series(1, 20000000); INSERT INTO failover_test VALUES (1001, 2)' ],
	'>', \$out, '2>', \$err);
$node->ask_until(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()}, '1');
$node->kill_hard('postmaster');
$orphan->finish;
$node->wait_killed;
unlike($out, qr/INSERT 0 1\s*$/, 'the orphan of a killed postmaster acknowledges nothing');
like($err, qr/postmaster of this server has died|server closed the connection|unexpected postmaster exit/, 'and says why');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM failover_test WHERE writer = 1001'), '0', 'nor does it commit');

$node->stop;
done_testing();

# Statements of one session, in the background: { psql, out, err, kind }, where kind is the last one's first word or two.
sub start_statement
{
	my (@statements) = @_;
	my ($kind) = $statements[-1] =~ /^(\w+(?: PREPARED| TRANSACTION)?)/;
	my $one = { kind => $kind, out => '', err => '' };

	$one->{psql} = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('postgres'), map { ('-c', $_) } @statements ],
		'>', \$one->{out}, '2>', \$one->{err});
	return $one;
}

# Was a lease held at that time (server's lease clock, microseconds), or that long before?
sub in_a_window
{
	my ($at, $slack) = @_;
	return defined first { $at >= $_->[0] - 1000 && $at <= $_->[1] + $slack } @windows;
}

# How many acknowledged rows are not in the table?
sub missing
{
	my ($writer) = @_;
	my %there = map { $_ => 1 } split(/\n/, $node->safe_psql('postgres', q{SELECT writer || ' ' || id FROM failover_test}));
	return scalar grep { !$there{"$_->[1] $_->[2]"} } $writer->rows('a');
}
