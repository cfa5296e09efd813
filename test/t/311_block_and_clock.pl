# Drill: the coordinator's clock of the day is set back in a block period.  The
# period lasts as long as it was to last, and an acknowledgement ends it.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 3, clock => 1, settings => { block_period => '20s' })->start;
my $blocked = q{SELECT coalesce(blocked_by, '') FROM failover_status('main')};

# The others follow the one that takes its place.
sub replace_primary
{
	my ($standbys) = @_;
	my $name = $t->status('primary_peer');

	$t->node($name)->kill_hard('all');
	ok($t->wait_for_failover($name), "$name is replaced");
	ok($t->wait_for(qq{SELECT count(*) = $standbys FROM failover_health('main') WHERE replication_state = 'streaming' AND promotion_eligible}),
		'the others follow');
	return;
}

replace_primary(2);
is($t->sql($blocked), 'block_period', 'a block period has begun');
$t->move_clock(-3600, 0);
ok($t->wait_for($blocked, ''), 'it ends, although the clock is set back an hour');

$t->set('block_period', '10min');
replace_primary(1);
$t->move_clock(-7200, 0);
ok($t->wait_for($blocked, 'block_period'), 'the next one has begun');
$t->sql(q{SELECT failover_acknowledge('main', 'seen')});
ok($t->wait_for($blocked, ''), 'an acknowledgement ends it, although the clock was set back an hour');

$t->move_clock(-10800, 0);
my $last = $t->status('primary_peer');
$t->node($last)->kill_hard('all');
ok($t->wait_for_failover($last), 'the next failure is answered');
ok($t->wait_for($blocked, 'block_period'), 'and is not acknowledged by that');
$t->one_primary_ok;

done_testing();
