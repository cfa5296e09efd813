# Drill 29: a logical slot that was made to survive a failover is kept on the
# standbys by the servers themselves.  A former primary still has its own, which
# would hold back WAL for ever and keep it from synchronizing: it is dropped, and
# comes back as a copy.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my ($major) = qx($ENV{PG_CONFIG} --version) =~ /(\d+)/;
plan skip_all => 'failover slots came with PostgreSQL 17' if $major < 17;

my $t = FailoverTest->new(
	library => 1,
	slots => 1,
	conf => "wal_level = logical\nwal_keep_size = 64MB\nwal_retrieve_retry_interval = 100ms\nhot_standby_feedback = on",
	settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;

# Synchronizing takes a slot and a database in primary_conninfo; what was set on the first primary is kept for its return.
foreach my $node ($p, $a, $b)
{
	my $conninfo = $node == $p ? $a->conninfo . ' application_name=p' : $node->safe_psql('postgres', 'SHOW primary_conninfo');

	$node->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = '$conninfo dbname=postgres'");
	$node->safe_psql('postgres', 'ALTER SYSTEM SET primary_slot_name = ' . $node->name);
	$node->safe_psql('postgres', 'ALTER SYSTEM SET sync_replication_slots = on');
	$node->reload;
}
$p->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('moving', 'pgoutput', failover => true),
	pg_create_logical_replication_slot('staying', 'pgoutput')});
# Is there a copy of the slot that would survive a promotion?  The slot has to be used meanwhile.
sub is_kept_by
{
	my ($standby, $primary) = @_;

	return FailoverTest::Node::until_true(sub {
		$primary->safe_psql('postgres', q{SELECT pg_log_standby_snapshot(), pg_replication_slot_advance('moving', pg_current_wal_lsn())});
		return $standby->safe_psql('postgres',
			q{SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'moving' AND synced AND NOT temporary}) eq '1';
	});
}

ok(is_kept_by($_, $p), $_->name . ' keeps the slot') foreach $a, $b;
is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'a')}), 'completed|a', 'a switchover');
ok($t->wait_for(q{SELECT message ~ '^dropped slots that held back WAL for nobody: (a, b, )?moving$' FROM failover_events
	WHERE kind = 'slots_dropped' AND peer_name = 'p' ORDER BY event_id DESC LIMIT 1}), 'the former primary is rid of the slot that was its own');
ok(is_kept_by($p, $a), 'and keeps a copy of that of the new primary');
is($p->safe_psql('postgres', q{SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'staying'}), '1',
	'a slot that the new primary does not have stays');
ok(is_kept_by($b, $a), 'the other standby goes on');

$a->kill_hard('all');
ok($t->wait_for_failover('a'), 'the new primary crashes');
my $new = $t->node($t->status('primary_peer'));
is($new->safe_psql('postgres', q{SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'moving' AND failover}), '1',
	'its successor has the slot');

done_testing();
