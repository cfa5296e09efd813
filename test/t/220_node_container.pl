# In a container PostgreSQL is process 1: if it ended, so would the container.
# So a demotion, a rewind and all else happen in that one process, and the
# container's runtime notices nothing.
use strict;
use warnings;

use FailoverTest;
use Test::More;

plan(skip_all => 'no process namespaces on this machine') unless FailoverTest::Node::can_contain();

my $t = FailoverTest->new(library => 1, contained => 'p', conf => 'wal_keep_size = 256MB', settings => { block_period => '0' })->start;
my ($p, $a) = map { $t->node($_) } qw(p a);
my $container = $p->process_identity;

is($p->safe_psql('postgres', q{SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)}), '1', 'the primary is process 1');
my $writer = $t->start_writer(timeout_ms => 1000);

# ---- planned: there and back ----

is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'a')}), 'completed|a', 'it hands over to another');
ok($t->wait_for_following($p, $a), 'and follows');
is($p->process_identity, $container, 'in the same process');
ok($writer->wait_for_more(100), 'clients go on');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'p')}), 'completed|p', 'it takes over again');
is($p->process_identity, $container, 'still in the same process');
ok($t->wait_for_state('healthy'), 'full redundancy');

# ---- it diverges: frozen with a commit that nobody has received ----

kill('STOP', grep { PostgreSQL::Test::Utils::slurp_file("/proc/$_/cmdline") =~ /walsender/ } $p->pids('all'));
$p->safe_psql('postgres', 'INSERT INTO failover_test (writer, id) VALUES (99, 1)');
$p->freeze('all');
ok($t->wait_for_failover('p'), 'while it is frozen another takes its place');
$p->thaw;
ok($t->wait_for_following($p, $t->node($t->status('primary_peer'))), 'thawed, it follows');
is($p->process_identity, $container, 'in the same process');
like($p->safe_psql('postgres', 'SELECT rejoin_report FROM failover_node_status()'), qr/^rewound in/, 'after a rewind');
is($p->safe_psql('postgres', 'SELECT count(*) FROM failover_test WHERE writer = 99'), '0', 'that removed what nobody had received');
ok($t->wait_for_state('healthy'), 'full redundancy');

# ---- the container is killed, and started again by its runtime ----

is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'p')}), 'completed|p', 'it is the primary again');
ok($t->wait_for_state('healthy'), 'full redundancy');
$p->kill_hard('all');
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE kind = 'failover' AND from_peer = 'p' AND status = 'completed'}, '2'),
	'a container that was killed is replaced');
$p->wait_killed;
$p->start;
ok($t->wait_for_following($p, $t->node($t->status('primary_peer'))), 'started again it becomes a standby by itself');
ok($t->wait_for_state('healthy'), 'full redundancy');
ok($writer->wait_for_more(100), 'clients write');
$writer->stop;

ok($p->stop('fast'), 'told to stop, the container ends in good order');

done_testing();
