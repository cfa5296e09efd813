# Drill: the WAL that a rewind of the former primary needs is gone.  It stays
# fenced, with the reason, where histories part and what to do shown by the
# coordinator; as soon as it is allowed to, it replaces its data by a copy of the
# new primary, with no other hand on it.
use strict;
use warnings;

use FailoverTest;
use File::Basename;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_retrieve_retry_interval = 500ms\nwal_level = logical",
	settings => { block_period => '0', rejoin_backoff => '200ms', rejoin_attempts => 1 })->start;
my $p = $t->node('p');

$p->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('sub', 'pgoutput')});
# Nobody receives what it acknowledges last.
my @frozen = map { [ $t->node($_), $t->node($_)->freeze_process('walreceiver') ] } qw(a b);
$p->safe_psql('postgres', q{CREATE TABLE own AS SELECT i, repeat('x', 300) t FROM generate_series(1, 40000) i});
$p->kill_hard('all');
$_->[0]->thaw_process($_->[1]) foreach @frozen;
ok($t->wait_for_failover('p'), 'the primary is replaced');
my $new = $t->node($t->status('primary_peer'));
my $lost = $t->sql(q{SELECT lost_bytes FROM failover_history WHERE kind = 'failover'});
isnt($lost, '0', 'the history does not claim that nothing is lost');

$p->wait_killed;
$t->sql(q{SELECT failover_pause('main')});
$p->start;
is($p->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 'f', 'the former primary comes up fenced');
$p->safe_psql('postgres', q{SELECT pg_replication_slot_advance('sub', pg_current_wal_flush_lsn()), pg_switch_wal()});
$p->safe_psql('postgres', 'CHECKPOINT');
my $needed = $p->safe_psql('postgres', 'SELECT pg_walfile_name(redo_lsn) FROM pg_control_checkpoint()');
unlink grep { basename($_) lt $needed } glob($p->data_dir . '/pg_wal/' . '[0-9A-F]' x 24);
$t->sql(q{SELECT failover_resume('main')});

ok($t->wait_for(q{SELECT status FROM failover_history WHERE kind = 'rejoin' ORDER BY event_id DESC LIMIT 1}, 'failed'),
	'without that WAL it cannot be rewound');
my $error = $t->sql(q{SELECT error FROM failover_history WHERE kind = 'rejoin' ORDER BY event_id DESC LIMIT 1});
like($error, qr/could not (open|find|read)/, 'the history says why');
my $detail = $t->sql(q{SELECT detail FROM failover_timeline WHERE step = 'rejoin' AND status = 'failed' ORDER BY event_id DESC LIMIT 1});
like($detail, qr{timeline 2 forked off at [0-9A-F]+/[0-9A-F]+, (\d+) bytes here are beyond that}, 'the timeline says where histories part');
my ($beyond) = $detail =~ /(\d+) bytes here/;
cmp_ok($beyond // 0, '>', 50_000, 'and how much is beyond that');
# Its records cannot be read any more: what it has given up is known at most.
ok($t->wait_for("SELECT lost_bytes BETWEEN 50000 AND $beyond FROM failover_history WHERE kind = 'failover'"), 'so does the history, as what is lost')
  or diag($t->sql(q{SELECT lost_bytes FROM failover_history WHERE kind = 'failover'}) . " of $beyond");
is($p->safe_psql('postgres', 'SELECT lost_commits FROM failover_node_status()'), '', 'not in how many commits');
like($detail, qr/set failover[.]allow_clone = on there, or replace its data by a base backup/, 'and what to do');
ok($t->wait_for(q{SELECT array_to_string(degraded_reasons, '; ') ~ 'peer "p" takes no writes, and could not become a standby: could not' FROM failover_status('main')}),
	'the status says so as well');
is($p->ask('INSERT INTO failover_test (writer, id) VALUES (97, 1)'), undef, 'it takes no write');
is($t->status('primary_peer'), $new->name, 'the new primary stays');
$t->no_failover_ok(5, 'it is not asked again');

$p->safe_psql('postgres', 'ALTER SYSTEM SET failover.allow_clone = on');
$p->reload;
ok($t->wait_for(q{SELECT string_agg(status, ' ' ORDER BY event_id) FROM failover_history WHERE kind = 'rejoin'}, 'failed completed'),
	'once a copy is allowed, it rejoins');
like($t->sql(q{SELECT detail FROM failover_timeline WHERE step = 'rejoin' AND status = 'done' ORDER BY event_id DESC LIMIT 1}),
	qr/copied the new primary in \d+ ms; dropped its logical slots: sub/, 'as a copy of the new primary, without slots of its own history');
ok($t->wait_for_following($p, $new), 'and follows it');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($p->safe_psql('postgres', q{SELECT to_regclass('own') IS NULL}), 't', 'with the history of the new primary');
is($p->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots'), '0', 'and no slot');
$t->one_primary_ok;

done_testing();
