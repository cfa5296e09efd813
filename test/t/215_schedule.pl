# Scheduled operations begin at their time, once, under the number that was
# promised; across restarts of the coordinator; and never long after.  An
# operation in progress can be cancelled until its point of no return.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB')->start;
my ($p, $a, $b) = $t->nodes;
my $writer = $t->start_writer(timeout_ms => 1000);

ok($writer->wait_for_more(50), 'clients write');

sub schedule
{
	my ($operation, $in, $more) = @_;
	return $t->sql("SELECT failover_schedule('main', '$operation', clock_timestamp() + '$in'" . (defined $more ? ", $more" : '') . ')');
}

sub history
{
	my ($event, $columns) = @_;
	return $t->sql("SELECT $columns FROM failover_history WHERE event_id = $event");
}

sub ended_ok
{
	my ($event, $what) = @_;
	return ok($t->wait_for("SELECT count(*) = 1 FROM failover_history WHERE event_id = $event AND status <> 'in_progress'"), $what);
}

# Rows of the coordinator's own, as if so much time had passed; it looks at them when it starts.
sub shift_and_restart
{
	my ($event, $late) = @_;

	$t->sql("UPDATE failover_planned SET at = clock_timestamp() - interval '$late' WHERE event_id = $event");
	$t->coordinator->kill_hard('all');
	$t->coordinator->wait_killed;
	$t->coordinator->start;
	return;
}

# Run.
my $event = schedule('switchover', '2s', q{'b', 'at night'});
is($t->sql("SELECT operation, target, reason FROM failover_scheduled WHERE event_id = $event"), 'switchover|b|at night', 'a scheduled operation is seen before it begins');
is($t->sql("SELECT count(*) FROM failover_history WHERE event_id = $event"), '0', 'and is no operation yet');
ended_ok($event, 'it is carried out');
is(history($event, 'kind, trigger, status, from_peer, to_peer, target, reason, initiated_by = session_user, error IS NULL'),
	'switchover|scheduled|completed|p|b|b|at night|t|t', 'under the number that was promised, as scheduled');
is($t->sql(qq{SELECT o.started_at >= (e.detail ->> 'at')::timestamptz, o.started_at < (e.detail ->> 'at')::timestamptz + interval '20s'
	FROM failover_history o, failover_events e WHERE o.event_id = $event AND e.kind = 'operation_scheduled'}), 't|t', 'at its time');
is($t->sql('SELECT count(*) FROM failover_scheduled'), '0', 'nothing is scheduled any more');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->status('blocked_by IS NULL'), 't', 'no block period');

# A failback and a drill, the latter behind the former: it waits until it may.
$t->sql(q{SELECT failover_alter_peer('main', 'p', priority => 1)});
$event = schedule('failback', '1s');
my $drill = schedule('drill', '1s', q{'a'});
ended_ok($event, 'a scheduled failback ends');
is(history($event, 'kind, status, to_peer'), 'failback|completed|p', 'at the preferred primary');
ended_ok($drill, 'a drill that was due meanwhile follows');
is(history($drill, 'kind, trigger, status, from_peer, to_peer'), 'drill|scheduled|completed|p|a', 'there and back');
is($t->sql(q{SELECT count(*) > 0 FROM failover_events WHERE kind = 'schedule_held' AND message ~ 'in progress'}), 't', 'and it was said why it waited');
ok($t->wait_for_state('healthy'), 'full redundancy');

# Called off.
$event = schedule('switchover', '1h');
is($t->sql("SELECT failover_cancel($event, 'not today')"), 't', 'cancelled');
like(history($event, 'status, error'), qr/^cancelled\|cancelled by ".*": not today$/, 'the history says by whom and why');
my (undef, $answer, $notice) = $t->coordinator->psql('postgres', "SELECT failover_cancel($event)");
is($answer, 'f', 'not twice');
like($notice, qr/NOTICE:  switchover $event has ended: cancelled/, 'it says why not');
(undef, $answer, $notice) = $t->coordinator->psql('postgres', 'SELECT failover_cancel(1234567890)');
is($answer, 'f', 'nor what does not exist');
like($notice, qr/WARNING:  there is no operation 1234567890/, 'it says that too');

# Across a restart.
$event = schedule('switchover', '15s', q{'b'});
$t->coordinator->kill_hard('all');
$t->coordinator->wait_killed;
$t->coordinator->start;
is($t->sql("SELECT count(*) FROM failover_scheduled WHERE event_id = $event"), '1', 'a restart of the coordinator later it is still scheduled');
ended_ok($event, 'and is carried out');
is(history($event, 'status, to_peer'), 'completed|b', 'as scheduled');
ok($t->wait_for_state('healthy'), 'full redundancy');

# A little late: begun all the same.  Too late: never.
$event = schedule('switchover', '1h', q{'p'});
shift_and_restart($event, '1min');
ended_ok($event, 'due while no coordinator ran: carried out a minute late');
is(history($event, 'status, to_peer'), 'completed|p', 'as scheduled');
ok($t->wait_for_state('healthy'), 'full redundancy');
$event = schedule('switchover', '1h', q{'b'});
shift_and_restart($event, '301s');
ended_ok($event, 'due too long ago');
is(history($event, 'status, trigger, error'), 'failed|scheduled|not begun at its time: no coordinator was running', 'not carried out, and the history says so');
is($t->status('primary_peer'), 'p', 'the primary stays');
ok($t->wait_for_state('healthy'), 'the group is well');

# The primary is there already: it ends, even in a paused group, and does not wait to undo what is done next.
$t->sql(q{SELECT failover_pause('main')});
$event = schedule('switchover', '1s', q{'p'});
ended_ok($event, 'to the peer that is the primary already');
is(history($event, 'status, trigger, error, started_at - finished_at'), 'cancelled|scheduled|nothing to do: peer "p" is the primary already|00:00:00',
	'there is nothing to do, and the history says so');
is($t->sql(qq{SELECT count(*) FROM failover_events WHERE kind = 'schedule_held' AND message ~ 'switchover $event '}), '0', 'it has not waited');
$t->sql(q{SELECT failover_resume('main')});
$t->sql(q{SELECT failover_alter_peer('main', 'p', priority => 1)});
$event = schedule('failback', '1s');
ended_ok($event, 'a failback to the primary');
is(history($event, 'status, error'), 'cancelled|nothing to do: peer "p" is the primary already', 'is nothing to do');
$event = schedule('drill', '1s', q{'p'});
ended_ok($event, 'a drill with the primary as its target');
is(history($event, 'status, error'), 'failed|not begun at its time: peer "p" is the primary already', 'cannot be done');

# Forbidden for as long as it may wait.
$t->sql(q{SELECT failover_pause('main')});
$event = schedule('switchover', '1h', q{'b'});
shift_and_restart($event, '290s');
ended_ok($event, 'a paused group');
like(history($event, 'status, error'), qr/^failed\|not begun at its time: group "main" is paused/, 'is not moved');
$t->sql(q{SELECT failover_resume('main')});

# Its target is gone.
$event = schedule('switchover', '2s', q{'b'});
$t->sql(q{SELECT failover_unregister('main', 'b')});
ended_ok($event, 'a target that was unregistered meanwhile');
is(history($event, 'status, error'), 'failed|not begun at its time: peer "b" does not exist in group "main"', 'ends it');
$t->register('b');
ok($t->wait_for_state('healthy'), 'full redundancy');

# In progress: until its point of no return it is undone.
my $receiver = $a->freeze_process('walreceiver');
$event = $t->sql(q{SELECT event_id FROM failover_switchover('main', 'a', wait => false)});
ok($t->wait_for("SELECT current_step = 'catch_up' FROM failover_status('main')"), 'a switchover waits for its candidate');
is($t->sql("SELECT failover_cancel($event, 'enough')"), 't', 'it can be cancelled');
ended_ok($event, 'it ends');
$a->thaw_process($receiver);
like(history($event, 'status, error'), qr/^cancelled\|cancelled by ".*": enough$/, 'as cancelled');
is($t->sql("SELECT count(*) FROM failover_timeline WHERE event_id = $event AND status IN ('pending', 'running')"), '0', 'no step is left open');
ok($writer->wait_for_more(50), 'clients write again');
is($t->one_primary_ok('one primary'), 'p', 'which has not moved');
ok($t->wait_for_state('healthy'), 'full redundancy');

# From there on it is not: a drill is on its way home.
$p->safe_psql('postgres', q{ALTER SYSTEM SET recovery_min_apply_delay = '1h'});
$p->safe_psql('postgres', 'SELECT pg_reload_conf()');
$event = $t->sql(q{SELECT event_id FROM failover_drill('main', wait => false)});
ok($t->wait_for("SELECT current_step = 'turn' FROM failover_status('main')"), 'a drill half way');
(undef, $answer, $notice) = $t->coordinator->psql('postgres', "SELECT failover_cancel($event)");
is($answer, 'f', 'cannot be cancelled');
like($notice, qr/NOTICE:  operation $event cannot be cancelled: it is past the point of no return/, 'it says why');
$p->safe_psql('postgres', 'ALTER SYSTEM RESET recovery_min_apply_delay');
$p->safe_psql('postgres', 'SELECT pg_reload_conf()');
ended_ok($event, 'it goes home');
is(history($event, 'status'), 'completed', 'and completes');
is($t->one_primary_ok('one primary'), 'p', 'where it began');

$writer->stop;
is(scalar($writer->lost_rows($p)), 0, 'no acknowledged row is lost in all of this');
is($t->count_operations('failover'), '0', 'and no failover was needed');

done_testing();
