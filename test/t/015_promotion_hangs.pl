# Drill: a promotion that does not finish.  It times out and is said; what the
# server makes of the order later is found and taken into account: one primary.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 1, settings => { promote_timeout => '3s', block_period => '5s' })->start;
my ($p, $a) = $t->nodes;

my $startup = $a->freeze_process('startup');
$p->kill_hard('all');
ok($t->wait_for(q{SELECT status = 'failed' AND error <> '' AND finished_at - started_at < interval '20 s'
	FROM failover_history ORDER BY event_id LIMIT 1}), 'a promotion that hangs is given up at its limit, with the error');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind ~ 'fail' AND severity IN ('warning', 'error') AND message ~* 'promot'}) > 0, 1,
	'and is an event');

# It was told to promote, and does so when it can.
$a->thaw_process($startup);
ok($t->wait_for_sql($a, 'SELECT NOT pg_is_in_recovery()'), 'the server carries the order out after all');
ok($t->wait_for(q{SELECT primary_peer = 'a' AND current_event IS NULL FROM failover_status('main')}), 'which is found and recorded');
$t->one_primary_ok;
is($t->sql(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}), '0', 'no operation is left half done');

done_testing();
