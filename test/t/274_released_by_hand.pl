# Drill 23, with the node library: the coordinator is lost in a switchover when the
# old primary has stopped, and a DBA promotes and releases another standby than
# the candidate by hand.  The next coordinator does not promote the candidate.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB', settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;

$p->safe_psql('postgres', 'CREATE TABLE by_hand (id int)');
my $startup = $a->freeze_process('startup');
$t->sql(q{SELECT failover_switchover('main', 'a', wait => false)});
ok($t->wait_for(q{SELECT EXISTS (SELECT FROM failover_timeline WHERE step = 'promote' AND status = 'running')}), 'a switchover has ordered a promotion');
$t->coordinator->kill_hard('all');
$t->coordinator->wait_killed;

$a->kill_hard('all');
$a->wait_killed;
$a->start;
is($a->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the candidate is a standby');
$b->safe_psql('postgres', 'SELECT pg_promote()');
$b->safe_psql('postgres', 'SELECT failover_node_release()');
$b->safe_psql('postgres', 'INSERT INTO by_hand SELECT generate_series(1, 1000)');

$t->coordinator->start;
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}, 0), 'the next coordinator ends the switchover');
like($t->sql(q{SELECT status || ': ' || error FROM failover_history WHERE kind = 'switchover'}),
	qr/^failed: somebody else was promoted while there was no coordinator: "b" is on timeline \d+$/, 'as failed, and why');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'promote' AND status = 'done'}), '0', 'nobody else is promoted');
ok($t->wait_for(q{SELECT primary_peer = 'b' FROM failover_status('main')}), 'the one that was promoted by hand is the primary');
ok($t->wait_for_following($_, $b), $_->name . ' follows it') foreach $a, $p;
is($t->one_primary_ok, 'b', 'it is the only one');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($a->safe_psql('postgres', 'SELECT count(*) FROM by_hand'), '1000', 'nothing that it had acknowledged is lost');
$b->safe_psql('postgres', 'INSERT INTO by_hand VALUES (0)');

done_testing();
