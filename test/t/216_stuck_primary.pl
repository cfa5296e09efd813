# Drill: a switchover whose primary will not stop.  Where that shows before it was
# told to, nothing happens; afterwards the candidate takes over without the last word
# of the old primary, which is a standby again when it is let go.
use strict;
use warnings;

use FailoverTest;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $t = FailoverTest->new(library => 1, conf => "wal_keep_size = 256MB\nwal_log_hints = on\nlog_line_prefix = '%m [%p] %q%u '", settings => { switchover_timeout => '5s' })->start;
my ($p, $a, $b) = $t->nodes;
my $writer = $t->start_writer(timeout_ms => 1000);

ok($writer->wait_for_more(100), 'clients write');

# A switchover begins with a checkpoint, while writes go on.
my $checkpointer = $p->freeze_process('checkpointer');
is($t->sql(q{SELECT status, error ~ '^checkpoint on peer p failed: ' FROM failover_switchover('main', 'a')}), 'failed|t',
	'a primary that cannot checkpoint is not told to stop');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step IN ('fence', 'demote')}), '0', 'not even to take no writes');
ok($writer->wait_for_more(100), 'clients write on');
is($t->one_primary_ok('one primary'), 'p', 'it stays the primary');
$p->thaw_process($checkpointer);
ok($t->wait_for_state('healthy'), 'the group is healthy');
is($t->sql(q{SELECT status FROM failover_switchover('main', 'a')}), 'completed', 'when it can again, it hands over');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->sql(q{SELECT status FROM failover_switchover('main', 'p')}), 'completed', 'and takes over');
ok($t->wait_for_state('healthy'), 'full redundancy');

# Nor without the word of the old primary that it takes no more writes, whatever the group prefers.
$t->set('prefer', 'availability');
$p->safe_psql('postgres', 'ALTER FUNCTION failover_node_fence RENAME TO failover_node_fence_away');
is($t->sql(q{SELECT status, error ~ '^fence on peer p failed' FROM failover_switchover('main', 'a')}), 'failed|t',
	'a primary that does not give up its lease is not told to stop');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE event_id = (SELECT max(event_id) FROM failover_history) AND step IN ('demote', 'promote')}), '0', 'and nobody is promoted');
$p->safe_psql('postgres', 'ALTER FUNCTION failover_node_fence_away RENAME TO failover_node_fence');
ok($writer->wait_for_more(100), 'clients write on');
is($t->one_primary_ok('one primary'), 'p', 'it stays the primary');
ok($t->wait_for_state('healthy'), 'the group is healthy');

# The coordinator by a name of its own: clients are turned away, too.
$p->safe_psql('postgres', 'CREATE ROLE keeper SUPERUSER LOGIN');
$t->sql(q{SELECT failover_alter_peer('main', 'p', conninfo => '} . ($p->conninfo =~ s/user=\S+/user=keeper/r) . q{')});
ok($t->wait_for_state('healthy'), 'the group is healthy');

# One of its sessions does not end: nor does its stop.  That is not waited for as for its return.
$t->set('switchover_timeout', '10min');
my $session = $p->background_psql('postgres');
my $pid = $session->query_until(qr/^\d+$/m, "SELECT pg_backend_pid();\n");
($pid) = $pid =~ /(\d+)/;
kill('STOP', $pid);
my $log_from = -s $p->logfile;
my $event = $t->sql(q{SELECT event_id FROM failover_switchover('main', 'b', wait => false)});
ok($t->wait_for(q{SELECT primary_peer FROM failover_status('main')}, 'b'), 'a primary whose stop does not end is replaced');
ok($writer->wait_for_more(100), 'clients write');
ok($t->wait_for_following($a, $b), 'the other standby follows the new one');
is($t->sql("SELECT string_agg(step || ' ' || status, ', ' ORDER BY step_no) FROM failover_timeline WHERE event_id = $event AND step IN ('fence', 'drain', 'demote', 'stopped', 'promote', 'follow')"),
	'fence done, drain done, demote done, stopped failed, promote done, follow running', 'after its last word was waited for, and everything acknowledged was there');

# It writes down everybody whom it turns away.
ok($t->wait_for("SELECT now() - started_at > interval '3 s' FROM failover_timeline WHERE event_id = $event AND step = 'follow'", 't'),
	'its return is waited for');
my $stopping_s = $t->sql("SELECT extract(epoch FROM now() - started_at) FROM failover_timeline WHERE event_id = $event AND step = 'demote'");
my $turned_away = () = slurp_file($p->logfile, $log_from) =~ /keeper FATAL:  the database system is shutting down/g;
cmp_ok($turned_away, '<', 10 * $stopping_s, "with patience: it is asked $turned_away times in $stopping_s s");

kill('CONT', $pid);
eval { $session->quit };
ok($t->wait_for("SELECT status FROM failover_history WHERE event_id = $event", 'completed'), 'which then ends');
is($t->sql("SELECT lost_bytes FROM failover_history WHERE event_id = $event"), '0', 'nothing is lost, says the history');
ok($t->wait_for_following($p, $b), 'when the old one is let go it follows too');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->one_primary_ok('one primary'), 'b', 'the new one');

# A primary that would be of no use afterwards is not moved, unless somebody insists.
$a->append_conf('postgresql.conf', 'max_connections = 150');
$a->restart;
ok($t->wait_for_state('healthy'), 'a standby takes more connections than the primary');
my $operations = $t->sql('SELECT count(*) FROM failover_history');
my (undef, undef, $error) = $t->try_sql(q{SELECT failover_switchover('main', 'a')});
like($error, qr/55000: primary "b" could not serve as a standby.*peer "a": max_connections is 150, and 60 on the primary.*HINT:  Raise max_connections on the primary, too.*failover_trigger/s,
	'the primary is not moved there: it could not follow');
(undef, undef, $error) = $t->try_sql(q{SELECT failover_drill('main')});
like($error, qr/55000: primary "b" could not serve as a standby/, 'nor by a drill, which may lead there');
is($t->sql('SELECT count(*) FROM failover_history'), $operations, 'nothing was begun');
$t->sql(q{SELECT failover_alter_peer('main', 'a', priority => 1)});
$t->set('failback_delay', '0');
$t->set('auto_failback', 'on');
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_events WHERE kind = 'failback_held' AND peer_name = 'a'
	AND message ~ 'primary "b" could not serve as a standby.*peer "a": max_connections is 150'}), 'nor by itself, and it says why');
$t->set('auto_failback', 'off');
$t->sql(q{SELECT failover_schedule('main', 'switchover', now() + interval '1 s', target => 'a')});
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_events WHERE kind = 'schedule_held'
	AND message ~ 'primary "b" could not serve as a standby.*peer "a": max_connections is 150'}), 'nor by schedule: that waits, and says for what');
is($t->sql('SELECT count(*) FROM failover_history'), $operations, 'nothing was begun');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'failback_held'}), '1', 'and it was said once');
is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'p')}), 'completed|p', 'it is moved elsewhere');
ok($t->wait_for_state('healthy'), 'full redundancy');
$a->append_conf('postgresql.conf', 'max_connections = 60');
$a->restart;
ok($t->wait_for(q{SELECT status = 'completed' AND to_peer = 'a' FROM failover_history WHERE trigger = 'scheduled'}),
	'the schedule goes on once that standby is like the primary');
ok($t->wait_for_state('healthy'), 'full redundancy');

$writer->stop;
is(scalar($writer->lost_rows($p)), 0, 'no acknowledged row is lost in all of this');
is($t->count_operations('failover'), '0', 'and no failover was needed');

done_testing();
