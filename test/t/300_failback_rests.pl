# Who moves the primary away from the preferred peer on purpose finds it where
# it was put: automatic failback undoes failovers, not what people do.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	register => { p => 'priority => 1' },
	settings => { auto_failback => 'on', failback_delay => '0', block_period => '0' })->start;

my $is_resting = q{SELECT rule = 95 AND verdict = 'none' AND reason ~ 'automatic failback rests' FROM failover_evaluate('main')};

is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'a', 'work on the rack of p')}), 'completed|a', 'somebody moves the primary');
ok($t->wait_for_state('healthy'), 'full redundancy');
ok($t->wait_for($is_resting), 'failback rests, and that is told');
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_events WHERE kind = 'verdict' AND message ~ 'rule 95'}), 'by an event, too');
$t->no_failover_ok(5, 'nothing is moved back');

$t->coordinator->restart;
ok($t->wait_for_state('healthy'), 'the coordinator was restarted');
ok($t->wait_for($is_resting), 'it remembers');
$t->no_failover_ok(5, 'and still moves nothing back');

# The next failover is one to come back from.
$t->sql(q{SELECT failover_set_maintenance('main', 'p', true)});
$t->node('a')->kill_hard('all');
ok($t->wait_for_failover('a'), 'the primary dies');
is($t->status('primary_peer'), 'b', 'and is replaced by the one that is not in maintenance');
$t->node('a')->wait_killed;
$t->node('a')->start;
ok($t->wait_for_following($t->node('a'), $t->node('b')), 'it is back');
$t->sql(q{SELECT failover_set_maintenance('main', 'p', false)});
ok($t->wait_for(q{SELECT primary_peer = 'p' AND current_event IS NULL FROM failover_status('main')}), 'the primary returns to the preferred peer');
is($t->sql(q{SELECT kind, trigger FROM failover_history ORDER BY event_id DESC LIMIT 1}), 'failback|health_check', 'by itself');

# Whoever prefers another peer afterwards means it.
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->sql(q{SELECT status FROM failover_switchover('main', 'a')}), 'completed', 'the primary is moved once more');
ok($t->wait_for_state('healthy'), 'full redundancy');
$t->sql(q{SELECT failover_alter_peer('main', 'b', priority => 0)});
ok($t->wait_for(q{SELECT primary_peer = 'b' AND current_event IS NULL FROM failover_status('main')}), 'a peer that is preferred since then becomes the primary');
$t->one_primary_ok;

# That there is no other failback for a minute does not concern the peer's own return.
ok($t->wait_for_state('healthy'), 'full redundancy');
my $b = $t->node('b');
$b->kill_hard('all');
ok($t->wait_for_failover('b'), 'it dies right after that');
$b->wait_killed;
my $begin = $t->sql('SELECT now()');
$b->start;
ok($t->wait_for_following($b, $t->node($t->status('primary_peer'))), 'and comes back');
is($t->sql("SELECT started_at - '$begin' < interval '40 s' FROM failover_history WHERE kind = 'rejoin' ORDER BY event_id DESC LIMIT 1"), 't',
	'as soon as it is started');

done_testing();
