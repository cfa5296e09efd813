# The commit gate of the node library: who may commit when.
#
# Driven by SQL alone: the test plays the coordinator.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use Test::More;

my $node = FailoverTest::Node->new('p');
$node->init;
$node->use_library('node');
$node->append_conf('postgresql.conf', "max_prepared_transactions = 10\nlog_min_messages = warning");
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
is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), '1', 'reading goes on');
is($node->safe_psql('postgres', 'BEGIN; INSERT INTO t (note) VALUES (1); ROLLBACK; SELECT 1'), '1',
	'and so does rolling back');

$lease->grant(term => 1, seconds => 600);
is($lease->status('may_commit'), 't', 'a lease is granted');
my $state = $node->data_dir . '/pg_replslot/failover.state';
my $written = (stat $state)[1];
$lease->grant(term => 1, seconds => 600) foreach 1 .. 3;
is((stat $state)[1], $written, 'grants of the same term write nothing');
$node->safe_psql('postgres', q{INSERT INTO t (note) VALUES ('leased')});
$node->safe_psql('postgres', q{BEGIN; INSERT INTO t (note) VALUES ('prepared'); PREPARE TRANSACTION 'x'});
$node->safe_psql('postgres', q{BEGIN; INSERT INTO t (note) VALUES ('prepared'); PREPARE TRANSACTION 'y'});

# ---- grants that must not count ----

my $clock = $lease->status('clock_us');
$lease->fence(term => 2, holder => 'b');
is($lease->status('may_commit'), 'f', 'a fence ends the lease at once');
my $error = refused('INSERT INTO t (note) VALUES (1)', 'and commits with it');
like($error, qr/HINT:.*peer "b"/, 'the hint names the new primary');
refused("COMMIT PREPARED 'x'", 'a prepared transaction is not committed without a lease');
refused("ROLLBACK PREPARED 'y'", 'nor rolled back');

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

# One line a loss in the server's log, however often clients try.
my $before = $node->logged(qr{cannot commit: this server does not hold});
refused('INSERT INTO t (note) VALUES (1)', "refused again ($_)") foreach 1 .. 5;
my $after = $node->logged(qr{cannot commit: this server does not hold});
is($after - $before, 1, 'a fenced server says so in its log once');

# ---- leaving ----

$node->safe_psql('postgres', 'SELECT failover_node_release()');
$node->safe_psql('postgres', q{INSERT INTO t (note) VALUES ('released')});
$node->restart;
$node->safe_psql('postgres', q{INSERT INTO t (note) VALUES ('released')});
pass('a released server needs no lease, after a restart either');

$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
my ($status, $out, $err) = $node->psql('postgres', 'SET ROLE nobody; SELECT failover_node_fence(9)');
like($err, qr/permission denied for function/, 'nobody may fence a server but whom the administrator names');

$node->stop;
done_testing();

# Run statements that must fail at the gate; returns what the client was told.
sub refused
{
	my ($sql, $what) = @_;
	my ($status, $out, $err) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");

	like($err, qr/25006: cannot commit: this server does not hold the lease/, $what);
	return $err;
}
