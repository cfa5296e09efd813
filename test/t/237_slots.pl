# Drill: standbys follow through physical slots that the candidate does not have,
# and the primary has logical slots.  The physical ones are created before anybody
# follows, and those that a former primary is left with are dropped; that logical
# slots do not move is said before and when it happens.  A server without a slot
# for the library's background worker is found by preflight, too.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	slots => 1,
	conf => "wal_level = logical\nwal_keep_size = 64MB\nwal_retrieve_retry_interval = 500ms",
	settings => { block_period => '0' })->start;
my $p = $t->node('p');
my $slots_of = sub {
	my ($name) = @_;
	return $t->node($name)->safe_psql('postgres',
		q{SELECT string_agg(slot_name || CASE WHEN active THEN ' active' ELSE '' END, ', ' ORDER BY slot_name) FROM pg_replication_slots WHERE slot_type = 'physical'});
};

is($slots_of->('p'), 'a active, b active', 'the standbys follow through slots of the primary');
is($slots_of->('a') . $slots_of->('b'), '', 'which they do not have themselves');
$p->safe_psql('postgres', q{SELECT pg_create_physical_replication_slot('backup', true)});
$p->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('sub', 'pgoutput')});
# From version 17 on a slot can be made for failovers.
my $is_17 = $p->safe_psql('postgres', q{SELECT current_setting('server_version_num')::int >= 170000}) eq 't';
$p->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('moving', 'pgoutput', failover => true)}) if $is_17;
is($t->sql(q{SELECT severity, finding FROM failover_preflight('main') WHERE finding ~ 'logical'}),
	'warning|logical slots do not follow a failover by themselves: sub', 'preflight tells of the logical slot');
ok($t->wait_for_checks(3), 'the coordinator has written to the primary since');

# ---- a switchover ----

my $writer = $t->start_writer(timeout_ms => 2000);
is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'a')}), 'completed|a', 'a switchover');
is($t->sql(q{SELECT bool_and(s.finished_at <= r.started_at) FROM failover_timeline s JOIN failover_timeline r USING (event_id)
	WHERE s.step = 'slots' AND s.status = 'done' AND r.step IN ('promote', 'repoint')}), 't', 'slots are created before anybody is to follow');
ok($t->wait_for_following($t->node('b'), $t->node('a')), 'the other standby follows');
like($slots_of->('a'), qr/b active/, 'through a slot of the new primary');
like($t->sql(q{SELECT message FROM failover_events WHERE kind = 'logical_slots'}), qr/does not have the logical slots of "p": sub;.*drop them on "p"/,
	'an event says which logical slots are gone');
ok($t->wait_for(q{SELECT message FROM failover_events WHERE kind = 'slots_dropped' AND peer_name = 'p'},
		'dropped slots that held back WAL for nobody: a, b'), 'the former primary is rid of the slots that nobody reads');
is($slots_of->('p'), 'backup', 'but not of one that is not of the group');
is($t->sql(q{SELECT peer_name || ' ' || severity FROM failover_preflight('main') WHERE finding = 'logical slots that nobody reads hold back WAL on this standby: sub'}),
	'p warning', 'and preflight tells of the logical slot that it has kept');
ok($t->wait_for_state('healthy'), 'full redundancy');

# ---- another one, when the slot is gone ----

$p->safe_psql('postgres', q{SELECT pg_drop_replication_slot('sub')});
$t->set('write_check', 'off');
foreach my $to ('p', 'a')
{
	is($t->sql(qq{SELECT status FROM failover_switchover('main', '$to')}), 'completed', "to $to");
	ok($t->wait_for_state('healthy'), 'full redundancy');
}
$t->set('write_check', 'on');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'logical_slots'}), '1', 'what it had when it was the primary before is not told again');

# ---- a crash ----

$t->node('a')->kill_hard('all');
ok($t->wait_for_failover('a'), 'the primary crashes');
my $new = $t->status('primary_peer');
my ($other) = grep { $_ ne 'a' && $_ ne $new } $t->names;
ok($t->wait_for_following($t->node($other), $t->node($new)), 'the other standby follows');
if ($other ne 'p')
{
	like($slots_of->($new), qr/\b$other active/, 'through a slot of the new primary');
}
like($slots_of->($new), qr/\ba\b/, 'the slot of the dead one is there for its return');
$t->node('a')->wait_killed;
$t->node('a')->start;
ok($t->wait_for_following($t->node('a'), $t->node($new)), 'it comes back');
like($slots_of->($new), qr/\ba active/, 'through its slot');
ok($t->wait_for_state('healthy'), 'full redundancy');
ok($t->wait_for_sql($t->node('a'), q{SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical'}, '0'),
	'and is rid of the slots of its time as a primary');
ok($writer->wait_for_more(50), 'clients write');
$writer->stop;
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'slots_left'}), '0', 'nothing has failed');

# ---- a slot for the worker ----

my $worker = q{SELECT string_agg(peer_name || ' ' || severity || ': ' || hint, '; ') FROM failover_preflight('main') WHERE finding ~ 'background worker'};
is($t->sql($worker), '', 'the background worker of the library runs everywhere');
$t->sql(q{SELECT failover_pause('main')});
$t->node($new)->append_conf('postgresql.conf', 'max_worker_processes = 1');
$t->node($new)->restart;
ok($t->wait_for($worker, "$new error: Raise max_worker_processes and restart the server."), 'where it found no slot, preflight says so');

done_testing();
