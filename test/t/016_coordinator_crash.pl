# Drill: the coordinator is killed at every moment of a failover.  What it began
# is resumed or rolled back from what the servers say: one primary, complete
# history, no acknowledged row lost.
use strict;
use warnings;

use FailoverTest;
use Test::More;
use Time::HiRes qw(time);

my $t = FailoverTest->new(sync => 'ANY 1 (*)', conf => 'wal_keep_size = 256MB', settings => { block_period => '0' })->start;
my $coordinator = $t->coordinator;
my $next = 'n01';

# Whatever happened: the group has one primary, the standby follows it, no operation hangs.
sub settled_ok
{
	my ($dead, $what) = @_;

	ok($t->wait_for("SELECT primary_peer <> '$dead' AND current_event IS NULL FROM failover_status('main')"), "$what: the primary is replaced");
	my $new = $t->one_primary_ok("$what: exactly one primary");
	is($t->sql(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}), '0', "$what: no operation is left half done");
	is($t->sql("SELECT count(*) FROM failover_history WHERE kind = 'failover' AND status = 'completed' AND from_peer = '$dead'"), '1',
		"$what: the history has it, once");
	is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE status IN ('pending', 'running') AND step <> 'checkpoint'}), '0',
		"$what: no step is left open");
	my ($other) = grep { $_ ne $new && $_ ne $dead && defined $t->node($_)->{_pid} } $t->names;
	ok($t->wait_for_following($t->node($other), $t->node($new)), "$what: the other standby follows");
	return $new;
}

# Replace the dead server by a fresh standby, so that the next round starts like the first.
sub refill
{
	my ($dead, $primary) = @_;
	my $name = $next++;

	$t->sql("SELECT failover_unregister('main', '$dead')");
	$t->{names} = [ grep { $_ ne $dead } $t->names ];
	$t->add_standby($name, $t->node($primary));
	$t->register($name);
	ok($t->wait_for_state('healthy'), 'full redundancy again');
	return;
}

# Milliseconds after the primary's death; then on sight of each step.
foreach my $moment (0, 5, 10, 20, 30, 45, 60, 80, 110, 'raise_term', 'freeze', 'choose', 'promote', 'repoint')
{
	my $what = $moment =~ /\D/ ? "coordinator killed at step $moment" : "coordinator killed after $moment ms";
	my $dead = $t->status('primary_peer');
	my $writer = $t->start_writer(timeout_ms => 1000);
	my $deadline;

	my $at = $t->node($dead)->kill_hard('all');
	if ($moment =~ /\D/)
	{
		# Too fast to hit each time; as good as it gets is any moment after it was seen.
		$deadline = time() + 2;
		until (($coordinator->ask(q{SELECT coalesce(current_step, '') FROM failover_status('main')}) // '') eq $moment || time() > $deadline) { }
	}
	else
	{
		until (time() > $at + $moment / 1000) { }
	}
	$coordinator->kill_hard('all');
	$coordinator->wait_killed;
	$coordinator->start;
	my $new = settled_ok($dead, $what);
	ok($writer->wait_for_more(50), "$what: clients write again");
	$writer->stop;
	is(scalar($writer->lost_rows($t->node($new))), 0, "$what: no acknowledged row is lost");
	$t->node($new)->safe_psql('postgres', 'TRUNCATE failover_test');
	refill($dead, $new);
}

done_testing();
