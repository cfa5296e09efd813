# A candidate that froze, or stopped receiving, since its last health check: the
# switchover, the failback, and the drill are given up before any writer is hindered,
# and soon if it freezes later still.
use strict;
use warnings;

use FailoverTest;
use Test::More;

# Answers to checks are awaited for so long that nobody notices before the operation does.
my $t = FailoverTest->new(library => 1, settings => { check_timeout => '4s' },
	register => { a => 'priority => 1' })->start;
my $a = $t->node('a');
my $writer = $t->start_writer(timeout_ms => 10000);

# It answers again, by a check since then: one that has waited for it may just have failed, which does not make it unhealthy, but no candidate.
sub thaw
{
	my $now = $t->sql('SELECT clock_timestamp()');

	$a->thaw;
	ok($t->wait_for("SELECT health = 'healthy' AND consecutive_failures = 0 AND last_success_at > '$now' FROM failover_health('main', 'a')"),
		'the candidate is well again');
	return;
}

# It freezes while the operation waits for the checkpoint: what it was asked before, it has answered.
sub is_given_up
{
	my ($kind, $arguments, $freeze, $reason) = @_;
	my $checkpointer = $t->node('p')->freeze_process('checkpointer');
	my $event = $t->sql("SELECT event_id FROM failover_$kind('main', $arguments wait => false)");

	ok($t->wait_for("SELECT status = 'running' FROM failover_timeline WHERE event_id = $event AND step = 'checkpoint'"), "$kind: waits for the checkpoint");
	$freeze->();
	$t->node('p')->thaw_process($checkpointer);
	ok($t->wait_for("SELECT status = 'failed' FROM failover_history WHERE event_id = $event"), "$kind: is given up");
	like($t->sql("SELECT kind || ': ' || error FROM failover_history WHERE event_id = $event"),
		qr/^$kind: catch_up on peer a failed: $reason/, 'and says why');
	is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'fence'}), '0', 'before the primary is fenced');
	return;
}

foreach my $operation ([ switchover => "'a'," ], [ failback => '' ], [ drill => '' ])
{
	is_given_up(@$operation, sub { $a->freeze('all') }, '(?:not sent: )?no answer within \d+ ms');
	thaw();
}

my $receiver;
is_given_up('switchover', "'a',", sub { $receiver = $a->freeze_process('walreceiver') }, 'gave up after \d+ ms: received .*');
$a->thaw_process($receiver);

# Where it is frozen before, it fails in the same way, or is refused if the health checks know by then.
$a->freeze('all');
my (undef, $answer, $refusal) = $t->try_sql(q{SELECT status || ': ' || error FROM failover_switchover('main', 'a')});
like("$answer$refusal", qr/^failed: catch_up on peer a failed|55000: .*"a"/s, 'frozen before, it is not begun, or given up');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'fence'}), '0', 'before the primary is fenced');
thaw();

ok($writer->wait_for_more(100), 'clients write');
is(scalar($writer->rows('r')), 0, 'and no commit was refused in all of this');

# In the moment of the fence it is too late for that, but nobody waits for it longer than for any answer.
$t->node('p')->run_at_fence('kill -STOP ' . join(' ', $a->pids('all')));
$t->sql(q{SELECT failover_switchover('main', 'a')});
like($t->sql(q{SELECT kind || ' ' || status || ': ' || error FROM failover_history LIMIT 1}),
	qr/^switchover failed: drain on peer a failed: (?:not sent: )?no answer within \d+ ms/, 'frozen at the fence, it is given up as well');
$a->freeze('all');
thaw();
$t->node('p')->run_at_fence('true');
ok($writer->wait_for_more(100), 'clients write');

is($t->sql(q{SELECT status FROM failover_switchover('main', 'a')}), 'completed', 'a candidate that is well is promoted');
is($t->sql(q{SELECT status FROM failover_timeline WHERE step = 'catch_up' ORDER BY event_id DESC LIMIT 1}), 'done', 'after the same look');
$writer->stop;

done_testing();
