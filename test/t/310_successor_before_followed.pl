# Drill: the new primary dies after its promotion, while the operation that made it
# so, a switchover or a drill, still waits for the old primary to follow.  That wait
# holds up nobody: the next one is promoted.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { switchover_timeout => '1h', lease_time => '2s', block_period => '0' })->start;

# By whom the primary is replaced that such an operation has made, when the server before it stays away.
sub is_replaced
{
	my ($operation, $new, $other) = @_;
	my $old = $t->node($t->status('primary_peer'));
	my $before = $t->count_operations('failover');

	$old->append_conf('postgresql.conf', q{shared_buffers = 'nonsense'});
	$t->sql("SELECT failover_$operation('main', wait => false)") if $operation eq 'drill';
	$t->sql("SELECT failover_$operation('main', '$new', wait => false)") if $operation ne 'drill';
	ok($t->wait_for(qq{SELECT count(*) = 1 FROM failover_timeline WHERE step = 'repoint' AND peer_name = '$other' AND status = 'done'
		AND event_id = (SELECT current_event FROM failover_status('main'))}), "$operation: the other standby follows the new primary");
	is($t->sql(q{SELECT step, status FROM failover_timeline WHERE event_id = (SELECT current_event FROM failover_status('main')) ORDER BY step_no DESC LIMIT 1}),
		'follow|running', 'the old primary is waited for');

	$t->node($new)->kill_hard('all');
	ok($t->wait_for(qq{SELECT primary_peer = '$other' AND current_event IS NULL FROM failover_status('main')}), 'the new primary is replaced when it dies');
	is($t->count_operations('failover'), $before + 1, 'by a failover');
	is($t->sql(qq{SELECT status FROM failover_history WHERE kind = '$operation'}), 'failed', "the $operation has failed");
	like($t->sql(qq{SELECT error FROM failover_history WHERE kind = '$operation'}), qr/"$new", the new primary, does not answer/, 'and says why');

	$old->wait_gone($old->pids('postmaster'));
	$old->append_conf('postgresql.conf', q{shared_buffers = 8MB});
	$old->find_process;
	$old->start;
	$t->node($new)->wait_killed;
	$t->node($new)->start;
	ok($t->wait_for_state('healthy'), 'full redundancy');
	$t->one_primary_ok('one primary');
	return;
}

is_replaced('switchover', 'a', 'b');
$t->sql(q{SELECT failover_alter_peer('main', 'p', priority => 50)});
is_replaced('drill', 'p', 'a');

done_testing();
