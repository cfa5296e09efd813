# Who connects to a standby while it is promoted waits for that, as long as it is
# about to be; without holding it up, and without being in the way of those who
# bring it about.  Who connects to a primary that is about to stop, or has just
# started, is sent on.
use strict;
use warnings;

use FailoverTest::Lease;
use POSIX ();
use Test::More;
use Time::HiRes ();

my $sessions = 16;
my ($p) = FailoverTest::Lease->start_primary(
	'p',
	conf => "max_standby_streaming_delay = -1\nmax_connections = $sessions\nfailover.hold_connections = 5min\nauthentication_timeout = 10min",
	sql => 'CREATE TABLE t (id bigint); CREATE ROLE somebody');
my ($a, $lease) = FailoverTest::Lease->start_standby('a', $p);
$a->append_conf('postgresql.conf', "max_connections = $sessions");
$a->restart;
$lease->hear(term => 2);
my $directory = PostgreSQL::Test::Utils::tempdir('clients');
my $blocked = "$directory/blocked";
my $clients_n = 0;
my $client_pid;					# of the last one

# psql on the standby, in the background: its pid.  The file gets what it says.
sub start_psql
{
	my ($name, $file, @arguments) = @_;
	my $pid = fork() // die "could not fork: $!";

	return $pid if $pid != 0;
	$ENV{PGAPPNAME} = $name;
	open(STDOUT, '>', $file) or POSIX::_exit(1);
	exec('psql', '-XAt', @arguments, $a->connstr('postgres')) or POSIX::_exit(1);
}

# Several who say that the primary is about to move, and go on to: none of them may be late by more than is waited for.
sub start_telling
{
	my ($n) = @_;
	my $tell = 'SELECT failover_node_expect_handover()';

	PostgreSQL::Test::Utils::append_to_file("$directory/telling", "$tell \\watch 0.02\n") unless -e "$directory/telling";
	my @telling = map { start_psql($ENV{PGAPPNAME}, '/dev/null', '-f', "$directory/telling") } 1 .. $n;
	ok($a->ask_until("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '$tell%' AND pid <> pg_backend_pid()", $n),
		'it is told that the primary is about to move');
	return @telling;
}

sub stop_telling
{
	kill('TERM', @_);
	waitpid($_, 0) foreach @_;
	return;
}

# A client that asks the standby something once: sub that tells the answer, undef while there is none.
sub start_client
{
	my ($query) = @_;
	my $file = "$directory/client" . ++$clients_n;

	$client_pid = start_psql('client', $file, '-c', $query);
	return sub {
		return unless -s $file;
		my $answer = PostgreSQL::Test::Utils::slurp_file($file);
		chomp $answer;
		return $answer;
	};
}

# Who waits to be let in, and not only passes by: as many as two looks at the server have seen.
sub held_n
{
	my %first = map { $_ => 1 } authenticating();

	FailoverTest::Node::pause_between(Time::HiRes::time());
	return scalar(grep { $first{$_} } authenticating());
}

sub authenticating
{
	my $postmaster = PostgreSQL::Test::Utils::slurp_file($a->data_dir . '/postmaster.pid') =~ s/\n.*//sr;
	return map { /^\s*(\d+) .*authentication/ ? $1 : () } `ps -o pid=,args= --ppid $postmaster`;
}

sub answers
{
	my ($client) = @_;
	return FailoverTest::Node::until_true(sub { defined $client->() }) ? $client->() : 'nothing';
}

sub becomes_held { my ($n) = @_; return FailoverTest::Node::until_true(sub { held_n() == $n }) }

# ---- about to be ----

$a->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
ok($a->ask_until('SELECT pg_get_wal_replay_pause_state()', 'paused'), 'a standby that replays nothing');
# Of a catalog that is read before the database is known.
$p->safe_psql('postgres', $_) foreach 'DROP ROLE somebody', 'VACUUM pg_authid';
my $end = $p->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');

my @telling = start_telling(4);
my $reader = start_client('SELECT pg_is_in_recovery()');
ok(becomes_held(1), 'a client waits');

$a->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
ok($a->ask_until("SELECT pg_last_wal_replay_lsn() >= '$end'", 't'), 'which does not hold up the replay of what it could have read');
is(held_n(), 1, 'and goes on to wait');

stop_telling(@telling);
is(answers($reader), 't', 'it is not said any more: it is let in');
is(answers(start_client('SELECT pg_is_in_recovery()')), 't', 'so are others');

# ---- promoted ----

POSIX::mkfifo($blocked, 0600) or die "could not create $blocked: $!";
$a->safe_psql('postgres', "ALTER SYSTEM SET recovery_end_command = 'cat $blocked'");
$a->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($a->ask_until('SHOW recovery_end_command', "cat $blocked"), 'a promotion that takes its time');
$p->stop('fast');
$a->safe_psql('postgres', q{SELECT pg_promote(false) FROM failover_node_prepare_promotion(2, 2, 'test')});
$reader = start_client('SELECT pg_is_in_recovery()');
my $writer = start_client('INSERT INTO t VALUES (0)');
ok(becomes_held(2), 'clients wait');
is($a->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the coordinator does not');
like($a->safe_psql('postgres', 'IDENTIFY_SYSTEM', replication => 'true'), qr/^\d+\|/, 'nor do other standbys');
start_client('SELECT 1');
ok(becomes_held(3), 'one more');
kill('KILL', $client_pid);
waitpid($client_pid, 0);
ok(becomes_held(2), 'who goes away does not keep a session');

my @others;
until (grep { defined $_->() } @others)
{
	die 'all clients wait' if @others >= $sessions;
	push @others, start_client('SELECT pg_is_in_recovery()');
	FailoverTest::Node::until_true(sub { held_n() == 2 + @others || defined $others[-1]->() }) or die 'a client is lost';
}
my ($let_in) = grep { defined $_->() } @others;
my @waiting = grep { !defined $_->() } @others;
is($let_in->(), 't', 'who finds few sessions left is let in');
cmp_ok(scalar(@waiting), '>', 0, 'where others wait');

$a->safe_psql('postgres', 'ALTER SYSTEM SET failover.hold_connections = 0');
$a->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($a->ask_until('SHOW failover.hold_connections', '0'), 'switched off');
is(answers(start_client('SELECT pg_is_in_recovery()')), 't', 'nobody is held any more');

PostgreSQL::Test::Utils::append_to_file($blocked, "go\n");
ok($a->ask_until('SELECT pg_is_in_recovery()', 'f'), 'the promotion is through');
is(held_n(), 2 + @waiting, 'without a lease it takes no writes, and clients wait');
$lease->grant(term => 2, seconds => 600);
is(answers($reader), 'f', 'with one it is a primary for them');
is(answers($writer), 'INSERT 0 1', 'who write at once');
is(answers($_), 'f', 'another one') foreach @waiting;

# ---- replaced in turn ----

# Somebody who has nothing to do with it, to go on to.
my ($next) = FailoverTest::Lease->start_primary('next');
my $either = sprintf('host=%s,%s port=%d,%d dbname=postgres', $a->host, $next->host, $a->port, $next->port);

# psql of a client: what it says, on either channel.
sub connect_with
{
	my ($conninfo) = @_;
	local $ENV{PGAPPNAME} = 'client';

	IPC::Run::run([ 'psql', '-XAt', '-d', $conninfo, '-c', 'SHOW port' ], '>', \my $stdout, '2>', \my $stderr);
	return ($stdout =~ s/\n$//r, $stderr);
}

$a->safe_psql('postgres', 'ALTER SYSTEM RESET failover.hold_connections');
$a->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($a->ask_until('SHOW failover.hold_connections', '5min'), 'switched on again');
@telling = start_telling(4);
is((connect_with($either))[0], $a->port, 'a primary that has its lease takes clients, whatever it is told');
$a->safe_psql('postgres', q{SELECT failover_node_fence(3, 'test')});
my ($port, $refusal) = connect_with($a->connstr('postgres'));
is($port, '', 'without it, it does not');
like($refusal, qr/FATAL:  the primary is about to move to another server\s.*HINT:  Connect to the next server, or again in a moment/s, 'and says why');
is((connect_with($either))[0], $next->port, 'they find the next one');
is($a->safe_psql('postgres', 'SELECT 1'), '1', 'the coordinator is let in');
stop_telling(@telling);
ok(FailoverTest::Node::until_true(sub { (connect_with($a->connstr('postgres')))[0] eq $a->port }), 'it stays after all: clients are let in again');

# ---- started again ----

$a->restart;
($port, $refusal) = connect_with($a->connstr('postgres'));
is($port, '', 'it has no lease yet: clients are not let in');
like($refusal, qr/FATAL:  this server has not been granted the lease of its group since it started\s.*HINT:  Connect to the next server/s, 'and told why');
is((connect_with($either))[0], $next->port, 'they find the next one');
is($a->safe_psql('postgres', 'SELECT 1'), '1', 'the coordinator is let in');
$lease->grant(term => 4, seconds => 600);
is((connect_with($either))[0], $a->port, 'with a lease they are let in');
$a->restart;
is((connect_with($a->connstr('postgres')))[0], '', 'once more without');
ok(FailoverTest::Node::until_true(sub { (connect_with($a->connstr('postgres')))[0] eq $a->port }), 'without a coordinator they may read after a while');

done_testing();
