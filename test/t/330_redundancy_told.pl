# After a move of the primary without the node library the former one, fenced, is
# stopped to be brought back, and its last answers are errors.  In the checks that
# it takes to call it unhealthy nobody takes it for a healthy standby: the group
# stays without its full redundancy until it is one.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(settings => { block_period => '0' })->start;
my $p = $t->node('p');

sub count_restored { return $t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'redundancy_restored'}) }

$t->sql(q{SELECT failover_trigger('main', 'a')});
ok($t->wait_for(q{SELECT array_to_string(degraded_reasons, '; ') LIKE '%"p" is fenced%' AND redundancy = 'dual' FROM failover_status('main')}),
	'the former primary is fenced');
$p->freeze('all');
ok($t->wait_for(q{SELECT health = 'unhealthy' FROM failover_health('main', 'p')}), 'it goes silent, and is unhealthy in the end');
$t->wait_for_checks(2);
is(count_restored(), '0', 'nobody has called the redundancy restored in between');
isnt($t->status('state'), 'degraded', 'the failover is what the state is about still');
$p->thaw;
ok($t->wait_for(q{SELECT health = 'healthy' FROM failover_health('main', 'p')}), 'it answers again');
$t->wait_for_checks(2);
is(count_restored(), '0', 'fenced as it is it is no redundancy either');

done_testing();
