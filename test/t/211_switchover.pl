# A planned switchover under load, there and back: no acknowledged row is lost,
# the old primary is a standby again without a rewind, and a switchover that
# cannot be done is refused or undone.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB')->start;
my $p = $t->node('p');
my $writer = $t->start_writer(timeout_ms => 1000);

ok($writer->wait_for_more(100), 'clients write');
is($t->sql(q{SELECT kind, status, from_peer, to_peer, error IS NULL FROM failover_switchover('main', 'b', 'drill')}),
	'switchover|completed|p|b|t', 'a switchover to the named target');
ok($writer->wait_for_more(100), 'clients go on writing');
is($t->status('primary_peer'), 'b', 'it is the primary');
ok($t->wait_for_following($p, $t->node('b')), 'the old primary follows');
ok($t->wait_for_following($t->node('a'), $t->node('b')), 'so does the other standby');
is($t->sql(q{SELECT lost_bytes FROM failover_history WHERE kind = 'switchover'}), '0', 'nothing is lost, says the history');
is($p->safe_psql('postgres', 'SELECT rewind_ms IS NULL FROM failover_node_status()'), 't', 'nothing had to be rewound');
is( $t->sql(q{SELECT string_agg(step, ' ' ORDER BY step_no) FROM failover_timeline
	WHERE status = 'done' AND step IN ('raise_term', 'fence', 'drain', 'demote', 'stopped', 'promote', 'follow')}),
	'raise_term fence drain demote stopped promote follow', 'its steps in order');
ok($t->wait_for_state('healthy'), 'full redundancy');

# The same name for "the best way": with a primary that answers it is a switchover.
is($t->sql(q{SELECT kind, status, to_peer FROM failover_trigger('main', 'p')}), 'switchover|completed|p', 'failover_trigger hands over gracefully');
ok($t->wait_for_state('healthy'), 'full redundancy again');

# A candidate that cannot catch up: undone, and writes resume.
$t->set('check_timeout', '500ms');
my $receiver = $t->node('a')->freeze_process('walreceiver');
my $answer = $t->sql(q{SELECT status, error <> '' FROM failover_switchover('main', 'a')});
$t->node('a')->thaw_process($receiver);
is($answer, 'failed|t', 'a candidate that falls behind: the switchover fails');
is($t->status('primary_peer'), 'p', 'the primary stays');
ok($writer->wait_for_more(100), 'and takes writes again');

# Whoever holds rows that the operation must write does not wait for it, with a primary that takes no writes.
my $operations = $t->sql('SELECT count(*) FROM failover_history');
my (undef, undef, $refusal) = $t->try_sql(q{BEGIN; SELECT failover_unregister('main', 'b'); SELECT failover_trigger('main', 'a'); COMMIT},
	timeout => 30, timed_out => \my $is_late);
like($refusal, qr/55000: cannot ask the coordinator to act in a transaction that has changed the configuration.*DETAIL.*HINT:  Commit the change first/s,
	'an operation is not asked for by who has just changed the group');
is($t->sql('SELECT count(*) FROM failover_history'), $operations, 'none is begun');
is($t->sql(q{SELECT count(*) FROM failover_peers}), '3', 'and nothing changed');
ok($writer->wait_for_more(100), 'clients go on writing');

# Nonsense is refused.
my ($rc, $stdout, $stderr) = $t->coordinator->psql('postgres', q{SELECT failover_switchover('main', 'p')});
like($stderr, qr/is the primary already/, 'not to the primary itself');
($rc, $stdout, $stderr) = $t->coordinator->psql('postgres', q{SELECT failover_rejoin('main', 'p')});
like($stderr, qr/is the primary/, 'the primary cannot rejoin');

# Back to the preferred primary, asked for.
$t->sql(q{SELECT failover_alter_peer('main', 'b', priority => 1)});
is($t->sql(q{SELECT kind, status, from_peer, to_peer, error IS NULL FROM failover_failback('main', 'it is well again')}),
	'failback|completed|p|b|t', 'failover_failback moves the primary to the preferred peer');
is($t->one_primary_ok, 'b', 'which serves');
is($t->sql(q{SELECT trigger, reason FROM failover_history WHERE kind = 'failback'}), 'manual|it is well again', 'for the reason that was given');
ok($t->wait_for_state('healthy'), 'full redundancy once more');

# And by itself, but not before that peer has been well for a while.
$p->freeze('all');
ok($t->wait_for(q{SELECT health FROM failover_health('main', 'p')}, 'unhealthy'), 'a standby falls silent');
$t->sql(q{SELECT failover_alter_peer('main', 'p', priority => 0)});
$t->set('failback_delay', '3s');
$t->set('auto_failback', 'on');
my $unwell_at = $t->sql('SELECT clock_timestamp()');
$p->thaw;
ok($t->wait_for(q{SELECT primary_peer = 'p' AND current_event IS NULL FROM failover_status('main')}), 'auto_failback returns to the preferred primary');
is($t->sql(q{SELECT kind, status, to_peer FROM failover_history WHERE kind = 'failback' ORDER BY event_id DESC LIMIT 1}), 'failback|completed|p', 'as a failback');
is($t->sql("SELECT started_at >= timestamptz '$unwell_at' + interval '3s' FROM failover_history WHERE kind = 'failback' ORDER BY event_id DESC LIMIT 1"), 't',
	'that has waited for failback_delay');

$writer->stop;
is(scalar($writer->lost_rows($p)), 0, 'no acknowledged row is lost in all of this');
is($t->count_operations('failover'), '0', 'and no failover was needed');

done_testing();
