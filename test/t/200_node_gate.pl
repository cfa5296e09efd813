# The commit gate of the node library: who may commit when.
#
# Driven by SQL alone: the test plays the coordinator.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = FailoverTest::Node->new('p');
$node->init;
$node->use_library('node');
$node->append_conf('postgresql.conf', "wal_level = logical\nmax_prepared_transactions = 10\nlog_min_messages = warning\nautovacuum = off\nautovacuum_naptime = 1s");
$node->start;

# ---- nobody coordinates it yet ----

my $lease = FailoverTest::Lease->new($node);
$lease->create_extension;
$node->safe_psql('postgres', 'CREATE TABLE t (id bigserial, note text)');
is($lease->status('armed'), 'f', 'a server that no coordinator has spoken to is not held back');
$node->restart;
$node->safe_psql('postgres', q{INSERT INTO t (note) VALUES ('before')});

# ---- armed by the first heartbeat ----

$lease->hear(term => 1);
is($lease->status('armed'), 't', 'the first heartbeat arms the gate');
refused('INSERT INTO t (note) VALUES (1)', 'no commit without a lease');
refused('SET synchronous_commit = off; INSERT INTO t (note) VALUES (1)', 'nor with synchronous_commit off');
refused('CREATE TABLE u ()', 'nor for DDL');
refused("BEGIN; INSERT INTO t (note) VALUES (1); PREPARE TRANSACTION 'x'", 'nor for PREPARE TRANSACTION');
refused('INSERT INTO t (note) VALUES (1)', 'nor over a replication connection', replication => 'database');
is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), '1', 'reading goes on');
is($node->safe_psql('postgres', 'BEGIN; INSERT INTO t (note) VALUES (1); ROLLBACK; SELECT 1'), '1',
	'and so does rolling back');

$lease->grant(term => 1, seconds => 600);
is($lease->status('may_commit'), 't', 'a lease is granted');
my $state = $node->data_dir . '/pg_replslot/failover.state';
my $written = slurp_file($state);
$lease->grant(term => 1, seconds => 600) foreach 1 .. 3;
ok(slurp_file($state) eq $written, 'grants of the same term write nothing');

my $directory = PostgreSQL::Test::Utils::tempdir('space');
my $here = $node->connstr('d') =~ s/'//gr;
mkdir "$directory/$_" foreach qw(r s);
$node->safe_psql('postgres', 'CREATE DATABASE d');
$node->safe_psql('postgres', "CREATE TABLESPACE s LOCATION '$directory/s'");
my $space = $node->safe_psql('postgres', q{SELECT oid FROM pg_tablespace WHERE spcname = 's'});
$node->safe_psql('d', q{SELECT pg_create_logical_replication_slot('b', 'pgoutput')});
$node->safe_psql('postgres', "CREATE SUBSCRIPTION b CONNECTION '$here' PUBLICATION t WITH (create_slot = false, connect = false, slot_name = b)");

# What is to be done without a lease: dead rows, of which nobody has made statistics, and a temporary table.
$node->safe_psql('postgres', 'CREATE TABLE v AS SELECT g AS id FROM generate_series(1, 1000) g; DELETE FROM v WHERE id > 500');
my $session = $node->background_psql('postgres');
$session->query_safe('CREATE TEMPORARY TABLE temporary_t (id int)');

$node->safe_psql('postgres', q{INSERT INTO t (note) VALUES ('leased')});
$node->safe_psql('postgres', q{BEGIN; INSERT INTO t (note) VALUES ('prepared'); PREPARE TRANSACTION 'x'});
$node->safe_psql('postgres', q{BEGIN; INSERT INTO t (note) VALUES ('prepared'); PREPARE TRANSACTION 'y'});

# ---- grants that must not count ----

my $clock = $lease->status('clock_us');
my $walwriter = $node->freeze_process('walwriter');
my (undef, $inserted) = split(/\n/, $node->safe_psql('postgres', q{SET synchronous_commit = off; SELECT pg_logical_emit_message(true, 'test', 'asynchronous'); SELECT pg_current_wal_insert_lsn()}));
$lease->fence(term => 2, holder => 'b');
is($lease->status('may_commit'), 'f', 'a fence ends the lease at once');
is($node->safe_psql('postgres', "SELECT pg_current_wal_flush_lsn() >= '$inserted'"), 't', 'what was acknowledged before is flushed');
$node->thaw_process($walwriter);
my $error = refused('INSERT INTO t (note) VALUES (1)', 'and commits with it');
like($error, qr/HINT:.*Peer "b"/, 'the hint names the new primary');
refused("COMMIT PREPARED 'x'", 'a prepared transaction is not committed without a lease');
refused("ROLLBACK PREPARED 'y'", 'nor rolled back');

# What these do could not be taken back when the commit is refused.
refused('DROP DATABASE d', 'a database is not dropped without a lease');
is($node->safe_psql('d', 'SELECT 1'), '1', 'and not begun to be');
refused("ALTER DATABASE d SET TABLESPACE pg_default", 'nor moved');
refused('DROP TABLESPACE s', 'nor is a tablespace dropped');
ok(-e $node->data_dir . "/pg_tblspc/$space", 'which keeps its link');
refused("CREATE TABLESPACE r LOCATION '$directory/r'", 'nor created');
is(scalar(() = glob("$directory/r/*")), 0, 'which leaves nothing');
refused('DROP SUBSCRIPTION b', 'nor is a subscription dropped');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'b'}), '1', 'which keeps its slot');

# Nobody is told of what the server does by itself.
$node->safe_psql('postgres', 'ALTER SYSTEM SET autovacuum = on');
$node->reload;
$session->quit;
ok($node->ask_until(q{SELECT count(*) FROM pg_class WHERE relname = 'temporary_t'}, '0'), 'the end of a session removes its temporary tables');
ok($node->ask_until(q{SELECT count(*) FROM pg_statistic WHERE starelid = 'v'::regclass}, '1'), 'autovacuum commits what it has found out');
ok($node->ask_until(q{SELECT autovacuum_count > 0 AND n_dead_tup = 0 FROM pg_stat_user_tables WHERE relname = 'v'}, 't'), 'and has removed dead rows');
is($lease->status('may_commit'), 'f', 'all that without a lease');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET autovacuum');
$node->reload;

$lease->grant(term => 2, seconds => 600);
is($lease->status('may_commit'), 'f', 'a fence is final for its term');
$lease->hear(term => 3, valid_until => $clock + 1, lease_us => 1);
is($lease->status('may_commit'), 'f', 'a grant that arrives late is expired on arrival');
$lease->hear(term => 3, valid_until => $lease->status('clock_us') + 600_000_000, lease_us => 600_000_000,
	incarnation => 1);
is($lease->status('may_commit'), 'f', 'a grant based on a reply of another start of the server is void');
like($lease->hear_fails(term => 3, valid_until => $clock + 6_000_000_000, lease_us => 1_000_000),
	qr/22023.*later than any clock reading/, 'a grant from the future is refused');
like($lease->hear_fails(term => 2), qr/55000.*term 2 is older than term 3/, 'an older term is refused');
like($lease->hear_fails(term => 3, coordinator => 'other'), qr/55000.*belongs to another coordinator/,
	'so is another coordinator in the same term');

$lease->grant(term => 3, seconds => 600);
is($node->safe_psql('postgres', "COMMIT PREPARED 'x'; SELECT count(*) FROM t"), '3', 'with a new lease it all goes on');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'y'");
$lease->hear(term => 4, coordinator => 'other');
is($lease->status('may_commit'), 'f', 'a higher term ends the lease of the one before');
like($lease->hear_fails(term => 3), qr/55000.*older than term 4.*coordinator "other"/s, 'the other coordinator took over');

# ---- what is remembered ----

$lease->grant(term => 4, coordinator => 'other', seconds => 600);
$node->restart;
is($lease->status('may_commit'), 'f', 'a restart comes up without a lease');
like($lease->hear_fails(term => 3), qr/older than term 4/, 'the term survives a restart');
$lease->grant(term => 4, coordinator => 'other', seconds => 600);
$node->kill_hard('all');
$node->wait_killed;
$node->start;
is($lease->status('may_commit'), 'f', 'so does a crash');
like($lease->hear_fails(term => 3), qr/older than term 4/, 'and the term survives it');

# ---- its file ----

# Overwrite the copies of the state that those numbers of writes left.
sub spoil
{
	my ($file, @numbers) = @_;
	my $content = slurp_file($file);
	foreach my $at (0, 4096)
	{
		my ($number) = unpack('x8 Q', substr($content, $at, 16));
		substr($content, $at + 16, 1) ^= "\xff" if grep { $_ == $number } @numbers;
	}
	open(my $out, '>', $file) or die "could not open $file: $!";
	print $out $content;
	close($out);
	return;
}

# Their numbers, the newer one first.
sub copies
{
	my ($content) = @_;
	return sort { $b <=> $a } map { unpack('x8 Q', substr($content, $_, 16)) } 0, 4096;
}

$node->stop;
$written = slurp_file($state);
spoil($state, (copies($written))[0]);
$node->start;
is($lease->status(q{node_term || ' ' || node_coordinator}), '3 test', 'a write that was torn leaves what was written before');
$lease->fence(term => 4, coordinator => 'other');
$node->stop;
spoil($state, copies(slurp_file($state)));
is($node->start(fail_ok => 1), 0, 'without an intact copy it does not start');
cmp_ok(scalar($node->logged(qr/failover\.state" is damaged/)), '>', 0, 'and says why');
open(my $out, '>', $state) or die "could not open $state: $!";
print $out $written;
close($out);
$node->start;

# One line a loss in the server's log, however often clients try.
my $before = $node->logged(qr{cannot commit: this server does not hold});
refused('INSERT INTO t (note) VALUES (1)', "refused again ($_)") foreach 1 .. 5;
my $after = $node->logged(qr{cannot commit: this server does not hold});
is($after - $before, 1, 'a fenced server says so in its log once');

# ---- leaving ----

sync_names('x');
my (undef, undef, $err) = $node->psql('postgres', 'SELECT failover_node_release()');
like($err, qr/NOTICE:  commits on this server wait.*DETAIL:  .*"x".*HINT:  .*reset synchronous_standby_names/s,
	'a server that is released is told what else its commits wait for');
sync_names('');
(undef, undef, $err) = $node->psql('postgres', 'SELECT failover_node_release()');
is($err, '', 'and otherwise nothing');
$node->safe_psql('postgres', q{INSERT INTO t (note) VALUES ('released')});
$node->restart;
$node->safe_psql('postgres', q{INSERT INTO t (note) VALUES ('released')});
pass('a released server needs no lease, after a restart either');
$lease->hear(term => 4, coordinator => 'other');
is($lease->status(q{armed || ' ' || may_commit}), 'false true', 'a coordinator that only asks does not change that');
$lease->grant(term => 4, coordinator => 'other', seconds => 600);
is($lease->status(q{armed || ' ' || may_commit}), 'true true', 'with the lease that one gives it is armed again');
$node->safe_psql('postgres', 'SELECT failover_node_release()');
$lease->hear(term => 5);
is($lease->status(q{armed || ' ' || may_commit}), 'true false', 'and with a higher term');
$node->safe_psql('postgres', 'SELECT failover_node_release()');
$lease->fence(term => 5);
is($lease->status(q{armed || ' ' || may_commit}), 'true false', 'and with a fence');
$node->safe_psql('postgres', 'SELECT failover_node_release()');

$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
(undef, undef, $err) = $node->psql('postgres', 'SET ROLE nobody; SELECT failover_node_fence(9)');
like($err, qr/permission denied for function/, 'nobody may fence a server but whom the administrator names');

$node->stop;
done_testing();

sub sync_names
{
	my ($names) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = '$names'");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	return $node->ask_until('SELECT sync_in_force FROM failover_node_status()', $names eq '' ? 'f' : 't');
}

# Run statements that must fail at the gate; returns what the client was told.
sub refused
{
	my ($sql, $what, @more) = @_;
	my ($status, $out, $err) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", @more);

	like($err, qr/25006: cannot commit: this server does not hold the lease/, $what);
	return $err;
}
