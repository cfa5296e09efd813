# The coordinator is killed in the middle of a drill, on the way there and on the
# way back: the next one takes the drill up, one primary is left, the history is
# complete, and no acknowledged row is lost.
use strict;
use warnings;

use FailoverTest;
use Test::More;
use Time::HiRes qw(time);

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB')->start;
my $coordinator = $t->coordinator;

sub restart_killed
{
	$coordinator->kill_hard('all');
	$coordinator->wait_killed;
	$coordinator->start;
	return;
}

# It has ended: with one primary, everybody following it, and nothing left open.  Returns the status.
sub ended_ok
{
	my ($event, $what) = @_;

	ok($t->wait_for("SELECT status <> 'in_progress' FROM failover_history WHERE event_id = $event"), "$what: the drill ends");
	ok($t->wait_for_state('healthy'), "$what: full redundancy");
	my $primary = $t->one_primary_ok("$what: one primary");
	is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE status IN ('pending', 'running') AND step <> 'checkpoint'}), '0', "$what: no step is left open");
	ok($t->wait_for_following($_, $t->node($primary)), "$what: " . $_->name . ' follows') foreach grep { $_->name ne $primary } $t->nodes;
	my ($status, $from, $error) = split(/\|/, $t->sql("SELECT status, from_peer, error FROM failover_history WHERE event_id = $event"));
	if ($status eq 'completed')
	{
		is($primary, $from, "$what: completed, it ends where it began");
	}
	else
	{
		like($error, qr/; the primary is "\Q$primary\E"$/, "$what: failed, it says where the primary is");
	}
	return $status;
}

# At the turn, where a drill can be made to wait.
my $p = $t->node($t->status('primary_peer'));
$p->safe_psql('postgres', q{ALTER SYSTEM SET recovery_min_apply_delay = '1h'});
$p->safe_psql('postgres', 'SELECT pg_reload_conf()');
my $event = $t->sql(q{SELECT event_id FROM failover_drill('main', wait => false)});
my $turn = "SELECT current_step = 'turn' AND current_event = $event FROM failover_status('main')";
ok($t->wait_for($turn), 'the drill waits for its way back');
restart_killed();
ok($t->wait_for($turn), 'after a restart the same drill waits again');
$p->safe_psql('postgres', 'ALTER SYSTEM RESET recovery_min_apply_delay');
$p->safe_psql('postgres', 'SELECT pg_reload_conf()');
is(ended_ok($event, 'killed at the turn'), 'completed', 'killed at the turn: it goes home');

# Wherever it is hit: on the first way, and on the second.
foreach my $round ([ 1, 'fence' ], [ 1, 'demote' ], [ 1, 'promote' ], [ 1, 'follow' ], [ 2, 'raise_term' ], [ 2, 'fence' ], [ 2, 'demote' ], [ 2, 'promote' ], [ 2, 'follow' ])
{
	my ($way, $step) = @$round;
	my $what = 'killed at ' . ($way == 1 ? 'the first ' : 'the second ') . $step;
	my $writer = $t->start_writer(timeout_ms => 1000);
	my $deadline = time() + 20;

	ok($writer->wait_for_more(20), "$what: clients write");
	$event = $t->sql(q{SELECT event_id FROM failover_drill('main', wait => false)});
	# Too fast to hit each time; as good as it gets is any moment after it was seen.
	until (($coordinator->ask("SELECT count(*) >= $way OR (SELECT status <> 'in_progress' FROM failover_history WHERE event_id = $event)"
		. " FROM failover_timeline WHERE event_id = $event AND step = '$step'") // '') eq 't' || time() > $deadline) { }
	restart_killed();
	my $status = ended_ok($event, $what);
	is($status, 'completed', "$what: it gets home") if $way == 2;
	ok($writer->wait_for_more(20), "$what: clients write again");
	$writer->stop;
	is(scalar($writer->lost_rows($t->node($t->status('primary_peer')))), 0, "$what: no acknowledged row is lost");
	$t->node($t->status('primary_peer'))->safe_psql('postgres', 'TRUNCATE failover_test');
}
is($t->count_operations('failover'), '0', 'no failover was needed');

done_testing();
