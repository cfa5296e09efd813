# Drill: every process of the primary is stopped by SIGSTOP under load, and
# goes on later.  It is replaced once its lease has ended, acknowledges nothing
# after that, and becomes a standby again by itself.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB')->start;
my $p = $t->node('p');

is($t->status('fencing'), 'lease', 'the group is protected by a lease');
is($p->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't', 'the primary holds it');

my $writer = $t->start_writer(timeout_ms => 1000);
ok($writer->wait_for_more(100), 'clients write');

$p->freeze('all');
ok($t->wait_for_failover('p'), 'a primary that hangs as a whole is replaced');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'lease' AND status = 'done'}), '1',
	'the end of its lease was waited for');
is( $t->sql(q{SELECT (SELECT max(finished_at) FROM failover_timeline WHERE step = 'lease')
	<= (SELECT min(started_at) FROM failover_timeline WHERE step = 'promote')}),
	't', 'no promotion before the lease has ended');
ok($writer->wait_for_more(100), 'clients write on the new primary');
my $new = $t->status('primary_peer');
isnt($new, 'p', 'which is another one');

$p->thaw;
ok($t->wait_for(q{SELECT role = 'standby' AND replication_state = 'streaming' FROM failover_health('main', 'p')}),
	'the old primary becomes a standby with no hand on it');
ok($t->wait_for_following($p, $t->node($new)), 'and follows the new one');
ok($t->wait_for_state('healthy'), 'full redundancy is back');
$writer->stop;

$t->losses_counted_ok($writer, $t->node($new));
is($t->count_operations('failover'), '1', 'one failover');
is($t->sql(q{SELECT count(*) FROM failover_history WHERE kind = 'rejoin' AND status = 'completed' AND from_peer = 'p'}), '1',
	'and one rejoin');
my $steps = q{FROM failover_timeline s JOIN failover_history h USING (event_id)
	WHERE h.kind = 'rejoin' AND s.step IN ('checkpoint', 'rejoin') AND s.status = 'done'};
is($t->sql("SELECT string_agg(s.step || ' ' || s.peer_name, ', ' ORDER BY s.step_no) $steps"), "checkpoint $new, rejoin p",
	'the new primary was asked for a checkpoint, without which a rewind would take the old timeline for its own');
is($t->sql("SELECT max(s.finished_at) FILTER (WHERE s.step = 'checkpoint') <= min(s.started_at) FILTER (WHERE s.step = 'rejoin') $steps"), 't',
	'before the old one was told to rejoin');

# The same server, killed and started again as a service manager does it.  The
# end of its sessions proves its death, unless a question was under way just then.
my $old = $new;
ok($t->wait_for_checks(1), 'a check has just been answered');
$t->node($old)->kill_hard('all');
ok($t->wait_for(qq{SELECT verdict <> 'none' FROM failover_evaluate('main')}), 'the next failure is seen');
$t->sql(q{SELECT failover_acknowledge('main', 'drill')});
ok($t->wait_for_failover($old), 'and answered');
is( $t->sql(qq{SELECT status FROM failover_timeline WHERE step = 'lease' AND peer_name = '$old' ORDER BY started_at DESC LIMIT 1}),
	'skipped', 'its lease needs no waiting for');
$t->node($old)->wait_killed;
$t->node($old)->start;
ok($t->wait_for("SELECT role = 'standby' AND replication_state = 'streaming' FROM failover_health('main', '$old')"),
	'a killed server that is started again rejoins by itself');

done_testing();
