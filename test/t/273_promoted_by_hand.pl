# Drill 23: the coordinator is lost in the middle of a failover, and a DBA, who
# does not wait for it, promotes another standby by hand.  The next coordinator
# does not go on with what was begun: whom the DBA promoted is the primary.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;

$p->safe_psql('postgres', 'CREATE TABLE by_hand (id int)');
$a->freeze_process('startup');
$p->kill_hard('all');
ok($t->wait_for(q{SELECT EXISTS (SELECT FROM failover_timeline WHERE step = 'promote' AND status = 'running')}), 'a failover has ordered a promotion');
$t->coordinator->kill_hard('all');
$t->coordinator->wait_killed;

# The order dies with the candidate, which comes back as the standby that it was.
$a->kill_hard('all');
$a->wait_killed;
$a->start;
is($a->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the candidate is a standby');
$b->safe_psql('postgres', 'SELECT pg_promote()');
$b->safe_psql('postgres', 'INSERT INTO by_hand SELECT generate_series(1, 1000)');
$a->safe_psql('postgres', q{ALTER SYSTEM SET primary_conninfo = '} . $b->conninfo . q{ application_name=a'});
$a->reload;
ok($t->wait_for_following($a, $b), 'the DBA has made another one the primary');

$t->coordinator->start;
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}, 0), 'the next coordinator ends the failover');
like($t->sql(q{SELECT status || ': ' || error FROM failover_history WHERE kind = 'failover'}),
	qr/^failed: somebody else was promoted while there was no coordinator: "b" is on timeline \d+$/, 'as failed, and why');
ok($t->wait_for(q{SELECT primary_peer = 'b' FROM failover_status('main')}), 'the one that was promoted by hand is the primary');
is($t->one_primary_ok, 'b', 'the only one');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'promote' AND status = 'done'}), '0', 'nobody else was promoted');
is($b->safe_psql('postgres', 'SELECT count(*) FROM by_hand'), '1000', 'nothing that it had acknowledged is lost');

done_testing();
