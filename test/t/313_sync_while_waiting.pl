# Drill: synchronous commits while a switchover waits for the old primary, which does
# not come back: when the standby that confirms them dies, they do not wait as long.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { sync_mode => 'quorum', switchover_timeout => '1h', lease_time => '2s', block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;

$t->sync_set_ok('p', 'a', 'b');
$p->append_conf('postgresql.conf', q{shared_buffers = 'nonsense'});
my $event = $t->sql(q{SELECT event_id FROM failover_switchover('main', 'a', wait => false)});
ok($t->wait_for(q{SELECT count(*) = 1 FROM failover_timeline WHERE step = 'follow' AND status = 'running'}), 'the old primary is waited for');
is($a->ask('INSERT INTO failover_test (writer, id) VALUES (1, 1)') // 'refused', '', 'the new one takes commits, which the standby confirms');

$b->kill_hard('all');
ok($t->wait_for_sql($a, 'SHOW synchronous_standby_names', ''), 'the standby dies, and is taken out of the set');
is($a->ask('INSERT INTO failover_test (writer, id) VALUES (1, 2)') // 'refused', '', 'commits do not wait for it');
is($t->sql(qq{SELECT status FROM failover_history WHERE event_id = $event}), 'in_progress', 'while the old primary is still waited for');

$p->wait_gone($p->pids('postmaster'));
$p->append_conf('postgresql.conf', q{shared_buffers = 8MB});
$p->find_process;
$p->start;
$b->wait_killed;
$b->start;
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->sql(qq{SELECT status FROM failover_history WHERE event_id = $event}), 'completed', 'the switchover has completed');
$t->sync_set_ok('a', 'b', 'p');
$t->one_primary_ok;

done_testing();
