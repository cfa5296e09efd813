# Planned moves that nobody asks for: back to the preferred primary only where
# that can be done and is better, and away from a slow one as a switchover.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	clock => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { failback_delay => '0' })->start;

sub nothing_is_done_ok
{
	my ($what) = @_;

	$t->set('auto_failback', 'on');
	ok($t->wait_for_checks(4), 'looked often enough');
	$t->set('auto_failback', 'off');
	is($t->count_operations('failback'), '0', $what);
	return;
}

# The preferred one cannot be promoted.
$t->sql(q{SELECT failover_set_maintenance('main', 'a', true)});
$t->sql(q{SELECT failover_alter_peer('main', 'a', priority => 1)});
is($t->status('preferred_primary'), 'a', 'another peer is preferred');
nothing_is_done_ok('no failback to a peer in maintenance');
$t->sql(q{SELECT failover_set_maintenance('main', 'a', false)});

# Of equals none is better, whatever its name.
$t->sql(q{SELECT failover_alter_peer('main', 'a', priority => 100)});
nothing_is_done_ok('no failback among equals');

$t->sql(q{SELECT failover_alter_peer('main', 'a', priority => 1)});
$t->set('auto_failback', 'on');
ok($t->wait_for(q{SELECT primary_peer = 'a' AND current_event IS NULL FROM failover_status('main')}), 'one that is better is the primary');
is($t->sql(q{SELECT kind, status, to_peer FROM failover_history}), 'failback|completed|a', 'by one failback');

# One that fails (the candidate does not receive what the primary has written) is not repeated at once.
ok($t->wait_for_state('healthy'), 'full redundancy');
$t->set('check_timeout', '500ms');
my $receiver = $t->node('b')->freeze_process('walreceiver');
$t->node('a')->safe_psql('postgres', 'SELECT pg_switch_wal()');
$t->sql(q{SELECT failover_alter_peer('main', 'b', priority => 0)});
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE to_peer = 'b' AND status = 'failed'}, 1), 'a failback that fails');
$t->no_failover_ok(5, 'is not repeated at once');
$t->node('b')->thaw_process($receiver);
$t->set('auto_failback', 'off');
$t->sql(q{SELECT failover_alter_peer('main', 'b', priority => 100)});
ok($t->wait_for_state('healthy'), 'full redundancy again');

# Whatever takes longer than usual, by whatever little, is slow now.
my $term = $t->status('term');
$t->set($_->[0], $_->[1]) foreach [ slow_factor => 0 ], [ slow_floor => 0 ], [ failure_threshold => 1 ];
$t->sql(q{SELECT failover_acknowledge('main')});
$t->set('block_period', '20s');
$t->set('on_slow', 'switchover');
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE rule = 82 AND status = 'completed'}, qr/^[1-9]/), 'a slow primary is left');
is($t->sql(q{SELECT kind, trigger, lost_bytes FROM failover_history WHERE rule = 82}), 'switchover|performance|0', 'by a switchover');
is($t->status('blocked_by IS NULL'), 't', 'which does not block a failover');
ok($t->wait_for(q{SELECT rule = 106 FROM failover_evaluate('main')}), 'the next one may be slow too');
is($t->count_operations('switchover'), 1, 'and is not left so soon');
$t->move_clock(-3600, 0);
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE rule = 82 AND status = 'completed'}, 2), 'but when the time has come, although the clock is set back an hour');
$t->set('block_period', '10min');
ok($t->wait_for(q{SELECT rule = 106 FROM failover_evaluate('main')}), 'nor is the next one');
$t->move_clock(-7200, 0);
$t->sql(q{SELECT failover_acknowledge('main')});
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE rule = 82 AND status = 'completed'}, 3), 'unless that is acknowledged, although the clock is set back again');
ok($t->wait_for(q{SELECT rule = 106 FROM failover_evaluate('main')}), 'which is not said of the one after');

done_testing();
