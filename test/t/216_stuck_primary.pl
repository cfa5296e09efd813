# Drill: a switchover whose primary will not stop.  Where that shows before it was
# told to, nothing happens; afterwards the candidate takes over without the last word
# of the old primary, which is a standby again when it is let go.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => "wal_keep_size = 256MB\nwal_log_hints = on", settings => { switchover_timeout => '5s' })->start;
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

# One of its sessions does not end: nor does its stop.
my $session = $p->background_psql('postgres');
my $pid = $session->query_until(qr/^\d+$/m, "SELECT pg_backend_pid();\n");
($pid) = $pid =~ /(\d+)/;
kill('STOP', $pid);
my $answer = $t->sql(q{SELECT event_id, status, from_peer, to_peer FROM failover_switchover('main', 'b')});
my ($event) = $answer =~ /^(\d+)/;
like($answer, qr/^\d+\|completed\|p\|b$/, 'a primary whose stop does not end is replaced');
is($t->sql("SELECT string_agg(step || ' ' || status, ', ' ORDER BY step_no) FROM failover_timeline WHERE event_id = $event AND step IN ('fence', 'drain', 'demote', 'stopped', 'promote', 'follow')"),
	'fence done, drain done, demote done, stopped failed, promote done, follow failed', 'after its last word was waited for, and everything acknowledged was there');
is($t->sql("SELECT lost_bytes FROM failover_history WHERE event_id = $event"), '0', 'nothing is lost, says the history');
ok($writer->wait_for_more(100), 'clients write');
is($t->status('primary_peer'), 'b', 'at the new primary');
ok($t->wait_for_following($a, $b), 'which the other standby follows');

kill('CONT', $pid);
eval { $session->quit };
ok($t->wait_for_following($p, $b), 'when the old one is let go it follows too');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->one_primary_ok('one primary'), 'b', 'the new one');

$writer->stop;
is(scalar($writer->lost_rows($b)), 0, 'no acknowledged row is lost in all of this');
is($t->count_operations('failover'), '0', 'and no failover was needed');

done_testing();
