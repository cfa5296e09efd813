# Drill: the new primary dies right after the failover.  The block period holds
# the next one back until it is acknowledged; with cascade it is not waited for.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 3, settings => { block_period => '10min' })->start;

sub kill_primary
{
	my $name = $t->status('primary_peer');

	$t->node($name)->kill_hard('all');
	return $name;
}

my $first = kill_primary();
ok($t->wait_for_failover($first), 'the first failure is answered');
# Only who streams from the new primary can take over from it.
ok($t->wait_for(q{SELECT count(*) = 2 FROM failover_health('main') WHERE replication_state = 'streaming' AND promotion_eligible}),
	'two standbys follow');
is($t->status('blocked_by'), 'block_period', 'the block period has begun');

my $second = kill_primary();
ok($t->wait_for_verdict('hold', 'block'), 'the second failure is held back by the block period');
$t->no_failover_ok(3, 'nothing moves within the block period');

$t->sql(q{SELECT failover_acknowledge('main', reason => 'seen')});
ok($t->wait_for_failover($second), 'acknowledged, the second failure is answered');
is($t->sql(q{SELECT count(*) > 0 FROM failover_events WHERE kind = 'acknowledged' AND detail::text ~ 'seen'}), 't',
	'the acknowledgement is on record with its reason');
ok($t->wait_for(q{SELECT count(*) = 1 FROM failover_health('main') WHERE replication_state = 'streaming' AND promotion_eligible}),
	'one standby follows');

$t->set('cascade', 'on');
my $third = kill_primary();
ok($t->wait_for_failover($third), 'with cascade the third failure is answered within the block period');
is($t->sql(q{SELECT trigger FROM failover_history ORDER BY event_id DESC LIMIT 1}), 'cascade', 'and is recorded as such');

my (undef, undef, $notice) = $t->try_sql(q{SELECT failover_acknowledge('main')});
is($notice, '', 'the block period that it began is acknowledged');
(undef, undef, $notice) = $t->try_sql(q{SELECT failover_acknowledge('main')});
like($notice, qr/NOTICE: .*group "main" is in no block period/, 'there is none to acknowledge after that');
$t->one_primary_ok;
is($t->count_operations('failover'), '3', 'three failovers for three failures');

done_testing();
