# Drill: the coordinator's clock jumps forward and back by an hour, by day and
# since boot (as after the suspension of a virtual machine).  It observes for a
# moment and does nothing; afterwards it does its work as before.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(clock => 1)->start;

# The clocks that count from boot never go back: that one comes last.
foreach my $jump (
	[ 'the clock of the day jumps an hour ahead', 3600, 0 ],
	[ 'the clock of the day jumps two hours back', -3600, 0 ],
	[ 'the clock since boot jumps an hour ahead', -3600, 3600 ])
{
	my ($what, @offsets) = @$jump;

	$t->move_clock(@offsets);
	$t->no_failover_ok(4, "$what: no failover");
	ok($t->wait_for_state('healthy'), "$what: the group is healthy");
	is($t->status('primary_peer'), 'p', "$what: the primary stays");
	is($t->sql(q{SELECT coalesce(max(downtime), '0') < interval '1 minute' FROM failover_health('main')}), 't', "$what: it is nobody's downtime");
}

$t->node('p')->kill_hard('all');
ok($t->wait_for_failover('p'), 'a real failure is answered afterwards');
$t->one_primary_ok;

done_testing();
