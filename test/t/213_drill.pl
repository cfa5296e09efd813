# A drill under load: the primary moves to another peer and back, nothing that
# was acknowledged is lost, nothing has to be rewound, and a report says how it went.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB')->start;
my ($p, $a, $b) = $t->nodes;
my $writer = $t->start_writer(timeout_ms => 1000);

ok($writer->wait_for_more(100), 'clients write');
# Under load any of the two may be ahead, and would be taken.
$t->sql(q{SELECT failover_alter_peer('main', 'b', promotable => false)});
my ($rc, $out, $notices) = $t->coordinator->psql('postgres', q{SELECT kind, status, from_peer, to_peer, error IS NULL, total_ms > 0 FROM failover_drill('main', 'monthly')});
is($out, 'drill|completed|p|a|t|t', 'there and back');
is($t->one_primary_ok('one primary'), 'p', 'it ends where it began');
$t->sql(q{SELECT failover_alter_peer('main', 'b', promotable => true)});
like($notices, qr/NOTICE:  there, "p" to "a": no writes for \d+ ms, the old primary streaming \d+ ms later; back, "a" to "p": no writes for \d+ ms, the old primary streaming \d+ ms later; 0 bytes lost/,
	'the report is shown to who asked');
is($t->sql(q{SELECT string_agg(step, ' ' ORDER BY step_no) FROM failover_timeline
	WHERE status = 'done' AND step IN ('raise_term', 'fence', 'drain', 'demote', 'stopped', 'promote', 'follow', 'turn')}),
	'raise_term fence drain demote stopped promote follow turn raise_term fence drain demote stopped promote follow', 'its steps in order');
is($t->sql(q{SELECT (detail ->> 'operation')::bigint = (SELECT max(event_id) FROM failover_history), detail ->> 'primary', detail #>> '{there,to}', detail #>> '{back,to}',
	detail #>> '{there,rewound}', detail #>> '{back,rewound}', detail ->> 'lost_bytes', (detail #>> '{there,outage_ms}')::float > 0, (detail #>> '{back,streaming_ms}')::float > 0
	FROM failover_events WHERE kind = 'drill_report'}), 't|p|a|p|false|false|0|t|t', 'and is kept where SELECT reads it');
is($t->sql(q{SELECT lost_bytes, attempts, trigger, initiated_by = session_user, reason, fence_ms > 0 AND promote_ms > 0 AND total_ms > promote_ms FROM failover_history}),
	'0|1|manual|t|monthly|t', 'the history has one operation');
ok($t->wait_for_following($_, $p), $_->name . ' follows again') foreach $a, $b;
is($_->safe_psql('postgres', 'SELECT rewind_ms IS NULL FROM failover_node_status()'), 't', $_->name . ' had nothing to rewind') foreach $p, $a;
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->status('blocked_by IS NULL'), 't', 'no block period');
ok($writer->wait_for_more(100), 'clients go on writing');

# Refused before anything is touched.
my $before = $t->sql('SELECT count(*) FROM failover_history');
$t->sql(q{SELECT failover_alter_peer('main', 'p', promotable => false)});
(undef, undef, my $error) = $t->try_sql(q{SELECT failover_drill('main')});
like($error, qr/ERROR:  55000: primary "p" is not promotable: a drill could not return to it/, 'not where there is no way back');
$t->sql(q{SELECT failover_alter_peer('main', 'p', promotable => true)});
$t->sql(q{SELECT failover_set_maintenance('main', 'p', true)});
(undef, undef, $error) = $t->try_sql(q{SELECT failover_drill('main')});
like($error, qr/ERROR:  55000: primary "p" is in maintenance/, 'nor in maintenance');
$t->sql(q{SELECT failover_set_maintenance('main', 'p', false)});
$t->sql(q{SELECT failover_pause('main')});
(undef, undef, $error) = $t->try_sql(q{SELECT failover_drill('main')});
like($error, qr/ERROR:  55000: group "main" is paused/, 'nor while the group is paused');
$t->sql(q{SELECT failover_resume('main')});
is($t->sql('SELECT count(*) FROM failover_history'), $before, 'a refusal leaves no operation');

# The way back fails: the drill says where the primary is, and the group is well there.
$t->set('switchover_timeout', '5s');
$p->safe_psql('postgres', q{ALTER SYSTEM SET recovery_min_apply_delay = '1h'});
$p->safe_psql('postgres', 'SELECT pg_reload_conf()');
$t->sql(q{SELECT failover_drill('main')});
like($t->sql(q{SELECT status || ': ' || error || '.' FROM failover_history ORDER BY event_id DESC LIMIT 1}),
	qr/^failed: turn on peer p failed: no way back: .*delay.*; the primary is "[ab]"\.$/, 'a drill that cannot return says why, and where the primary is');
is($t->sql(q{SELECT detail ->> 'primary' = primary_peer AND NOT detail ? 'back' FROM failover_events, failover_status('main') WHERE failover_events.kind = 'drill_report' ORDER BY event_id DESC LIMIT 1}),
	't', 'and reports the way there');
my $now = $t->one_primary_ok('one primary');
$p->safe_psql('postgres', 'ALTER SYSTEM RESET recovery_min_apply_delay');
$p->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($t->wait_for_following($p, $t->node($now)), 'the old one follows it');
ok($t->wait_for_state('healthy'), 'the group is healthy');

# Who is to be promoted again dies on the way back: somebody else is, and that is no drill that went well.
my $home = $t->node($now);
$home->safe_psql('postgres', q{ALTER SYSTEM SET recovery_min_apply_delay = '1h'});
$home->safe_psql('postgres', 'SELECT pg_reload_conf()');
$t->set('switchover_timeout', '60s');
my $event = $t->sql(q{SELECT event_id FROM failover_drill('main', wait => false)});
ok($t->wait_for(q{SELECT current_step = 'turn' FROM failover_status('main')}), 'a drill half way');
ok($t->wait_for_streaming($t->node($t->status('primary_peer')), 2), 'the old primary is a standby');
$home->freeze_process('startup');
$home->safe_psql('postgres', 'ALTER SYSTEM RESET recovery_min_apply_delay');
$home->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok(FailoverTest::Node::until_true(sub { -e $home->data_dir . '/promote' }), 'it is ordered to be promoted again');
$home->kill_hard('all');
ok($t->wait_for("SELECT status <> 'in_progress' FROM failover_history WHERE event_id = $event"), 'and dies');
my $end = $t->one_primary_ok('one primary');
isnt($end, $now, 'which is another one');
like($t->sql("SELECT status || ': ' || error || '.' FROM failover_history WHERE event_id = $event"),
	qr/^failed: on the way back: "$now" was not promoted again: .+; the primary is "$end"\.$/, 'the drill has failed, and says where the primary is');
is($t->sql(qq{SELECT lost_bytes IS NULL FROM failover_history WHERE event_id = $event}), 't', 'nobody can know what the dead one had taken');
is($t->sql(qq{SELECT detail ->> 'primary', detail -> 'lost_bytes', message ~ '; nobody can know what was lost\$'
	FROM failover_events WHERE kind = 'drill_report' AND (detail ->> 'operation')::bigint = $event}), "$end|null|t", 'nor does the report');
$home->wait_killed;
$home->start;
ok($t->wait_for_state('healthy'), 'the dead one comes back');
$now = $end;

$writer->stop;
is(scalar($writer->lost_rows($t->node($now))), 0, 'no acknowledged row is lost in all of this');
is($t->count_operations('failover'), '0', 'and no failover was needed');

done_testing();
