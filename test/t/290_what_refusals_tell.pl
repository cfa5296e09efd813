# Whoever is refused is told since when, by whose wish and until when, and what to
# call next with the function that he has called.  Who does not wait for an
# operation finds it in the history; who stops waiting is told that it goes on.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB', settings => { block_period => '1h', switchover_timeout => '2min' })->start;
my ($p, $a, $b) = $t->nodes;
my $user = $t->sql('SELECT session_user');
my $time = qr/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\S*/;

# State, detail and hint of what a query is refused with.
sub refused_like
{
	my ($query, $pattern, $what) = @_;
	my ($status, undef, $stderr) = $t->try_sql("SELECT $query");

	isnt($status, 0, "$what: refused");
	return like($stderr, $pattern, "$what: and it is said what to do");
}

# Nothing to be done.
my $already = qr/55000: peer "p" is the primary already.*DETAIL:  It is the primary of group "main" in term \d+\..*HINT:  /s;
refused_like(q{failover_switchover('main', 'p')}, qr/${already}Name another target.*failover_candidates/s, 'a switchover to the primary');
refused_like(q{failover_trigger('main', 'p')}, qr/${already}Name another target/s, 'a move to the primary');
$t->sql(q{SELECT failover_alter_peer('main', 'p', priority => 1)});
refused_like(q{failover_failback('main')}, qr/${already}There is nothing to fail back/s, 'a failback to the primary');
refused_like(q{failover_rejoin('main', 'p')}, qr/55000: peer "p" is the primary\n.*DETAIL:  A rejoin makes.*HINT:  Name a former primary/s, 'a rejoin of the primary');

# A pause; maintenance.
$t->sql(q{SELECT failover_pause('main', '1 day', 'new switches')});
refused_like(q{failover_switchover('main')},
	qr/55000: group "main" is paused.*DETAIL:  It was paused by "$user" at $time, until $time, for the reason "new switches"\..*HINT:  Call failover_resume\('main'\) first\./s,
	'a paused group');
$t->sql(q{SELECT failover_pause('main')});
refused_like(q{failover_switchover('main')}, qr/DETAIL:  It was paused by "$user" at $time, without an end; no reason was given\./, 'a group that is paused without an end');
$t->sql(q{SELECT failover_resume('main')});
$t->sql(q{SELECT failover_set_maintenance('main', 'a', true, '1h', 'new disk')});
refused_like(q{failover_switchover('main', 'a')},
	qr/55000: no standby can be promoted.*DETAIL:  Maintenance of peer "a" was begun by "$user" at $time, until $time, for the reason "new disk"\..*HINT:  failover_set_maintenance\('main', 'a', false\)/s,
	'a target in maintenance');
$t->sql(q{SELECT failover_set_maintenance('main', 'a', false)});
$t->sql(q{SELECT failover_set_maintenance('main', 'p', true, reason => 'watched')});
refused_like(q{failover_drill('main')}, qr/could not return to it.*DETAIL:  Maintenance of peer "p" was begun by "$user" at $time, without an end, for the reason "watched"/s,
	'a drill of a primary in maintenance');
$t->sql(q{SELECT failover_set_maintenance('main', 'p', false)});
ok($t->wait_for_state('healthy'), 'healthy');

# A read-only transaction moves nothing.
my $operations = $t->sql('SELECT count(*) FROM failover_history');
my (undef, undef, $stderr) = $t->try_sql(q{BEGIN READ ONLY; SELECT failover_switchover('main', 'a')});
like($stderr, qr/25006: cannot execute failover_switchover\(\) in a read-only transaction.*DETAIL.*HINT/s, 'a read-only transaction: refused');
is($t->sql('SELECT count(*) FROM failover_history'), $operations, 'and nothing was begun');

# An operation that takes a while: its candidate does not receive.  It cannot even be
# written down before the coordinator has ended the session that locks the table.
my $receiver = $a->freeze_process('walreceiver');
my $locker = $t->coordinator->background_psql('postgres');
$locker->query_until(qr/locked/, "BEGIN;\nLOCK TABLE failover_operation IN SHARE MODE;\n\\echo locked\n");
is($t->sql(q{SELECT event_id AS begun FROM failover_switchover('main', 'a', 'by day', wait => false) \gset
	SELECT count(*) FROM failover_history WHERE event_id = :begun AND status = 'in_progress'}), '1',
	'who does not wait for an operation finds it in the history at once');
eval { $locker->quit };
my $event = $t->status('current_event');
my $running = qr/DETAIL:  Event $event, a switchover begun by "$user", is in progress since $time\..*HINT:  Wait until it has ended.*failover_timeline.*failover_cancel\($event\)/s;
refused_like(q{failover_trigger('main', 'b')}, qr/55000: an operation of group "main" is in progress.*$running/s, 'a move while another one is going on');
refused_like(q{failover_rejoin('main', 'b')}, qr/55000: an operation of group "main" is in progress.*$running/s, 'a rejoin meanwhile');
refused_like(q{failover_unregister('main', 'b')}, qr/55000: cannot unregister a peer while a switchover of group "main" is running.*$running/s, 'a change meanwhile');
is($t->sql("SELECT failover_cancel($event)"), 't', 'it is cancelled');
ok($t->wait_for("SELECT status = 'cancelled' FROM failover_history WHERE event_id = $event"), 'and ends');

# Who waits for it, but not for ever.
(undef, undef, $stderr) = $t->try_sql(q{SET statement_timeout = '2s'; SELECT failover_switchover('main', 'a')});
$event = $t->status('current_event');
like($stderr, qr/57014: canceling statement due to statement timeout.*DETAIL:  The coordinator goes on with operation $event, .*HINT:  .*failover_cancel\($event\)/s,
	'a statement that has timed out tells what goes on, and how to stop it');
is($t->sql("SELECT failover_cancel($event)"), 't', 'it had gone on');
$a->thaw_process($receiver);
ok($t->wait_for("SELECT status = 'cancelled' FROM failover_history WHERE event_id = $event"), 'it ends as cancelled');
ok($t->wait_for_state('healthy'), 'healthy');

# The block period: each function offers what it has.
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'a failover');
$p->wait_killed;
my $blocked = qr/55000: group "main" is in the block period.*DETAIL:  It lasts for another \d+ min, until $time\..*HINT:  Call failover_acknowledge\('main'\) first/s;
refused_like(q{failover_switchover('main')}, qr/${blocked}\.(?!.*force)/s, 'a switchover in the block period');
refused_like(q{failover_trigger('main')}, qr/${blocked}, or use force => true\./s, 'a move in the block period');
refused_like(q{failover_rejoin('main', 'p')}, qr/55000: peer "p" does not answer.*DETAIL:  .*HINT:  Start the server first\./s, 'a rejoin of a dead server');

# What leaves the group keeps to its lease.
my ($primary) = $t->primaries;
(undef, undef, $stderr) = $t->coordinator->psql('postgres', "SELECT failover_unregister('main', '$primary', force => true)");
like($stderr, qr/NOTICE:  peer "$primary" has the node library.*DETAIL.*HINT:  .*failover_node_release\(\) there/s, 'who is unregistered is not released');
(undef, undef, $stderr) = $t->coordinator->psql('postgres', q{SELECT failover_drop_group('main', true)});
like($stderr, qr/NOTICE:  peer "[ab]" has the node library.*NOTICE:  peer "p" has/s, 'nor is a group that is dropped');
$t->node($primary)->restart;
(undef, undef, $stderr) = $t->node($primary)->psql('postgres', 'CREATE TABLE t ()');
like($stderr, qr/does not hold the lease.*HINT:  .*failover_node_release\(\) here/s, 'its refusals name the way out');
$t->node($primary)->safe_psql('postgres', 'SELECT FROM failover_node_release()');
$t->node($primary)->safe_psql('postgres', 'CREATE TABLE t ()');

done_testing();
