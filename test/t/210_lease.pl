# Drill: every process of the primary is stopped by SIGSTOP under load, and
# goes on later.  It is replaced once its lease has ended, which its own clock
# measures from what it replied last; it acknowledges nothing after that, not even
# to clients that go on waiting; and it becomes a standby again by itself.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB')->start;
my $p = $t->node('p');

is($t->status('fencing'), 'lease', 'the group is protected by a lease');
is($p->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't', 'the primary holds it');

my $offset = FailoverTest::Lease->new($p)->clock_offset;
log_heartbeats();

my $writer = $t->start_writer(timeout_ms => 1000);
ok($writer->wait_for_more(100), 'clients write');
ok($p->comes_to_log(qr/LOG:  heartbeat of/, 3), 'the primary is granted leases');

# Clients that know nobody else, and wait for as long as it takes; their commits take
# 100 ms, most of it between the look at the lease and the answer.
$p->safe_psql('postgres', 'ALTER SYSTEM SET fsync = on');
$p->reload;
ok($p->ask_until('SHOW fsync', 'on'), 'the primary takes its time to commit');
my $patient = FailoverTest::Writer->start([$p], name => 'patient', writers => 4, first => 100, pause_us => 0, timeout_ms => 60000,
	setup => 'SET commit_delay = 100000; SET commit_siblings = 0', insert => 'INSERT INTO failover_test VALUES ($1, $2) RETURNING id');
ok($patient->wait_for_more(8), 'patient clients write as well');

$p->freeze('all');
ok($t->wait_for_failover('p'), 'a primary that hangs as a whole is replaced');
my ($last) = map { $_->{until} } grep { $_->{until} > 0 } reverse heartbeats($p);
my $promoted = $t->sql(q{SELECT extract(epoch FROM min(started_at)) FROM failover_timeline WHERE step = 'promote'});
cmp_ok($promoted * 1e6 - $offset, '>=', $last, 'when what it was granted last had ended by its own clock');
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
$_->stop foreach $writer, $patient;

$t->losses_counted_ok($_, $t->node($new)) foreach $writer, $patient;
cmp_ok(scalar($p->logged(qr/lease ended before a commit could be acknowledged/)), '>', 0, 'commits were in flight in the old primary');
is($patient->count_acknowledged($promoted), 0, 'but it acknowledges nothing once the new one is to be promoted');
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

# Whoever was granted a lease meanwhile.
my ($granted, $too_long) = (0, 0);
foreach my $node ($t->nodes)
{
	my %replied;

	foreach my $heartbeat (heartbeats($node))
	{
		my $before = $replied{ $heartbeat->{pid} };

		$replied{ $heartbeat->{pid} } = $heartbeat->{at};
		next if !defined $before || $heartbeat->{until} == 0;
		$granted++;
		$too_long++ if $heartbeat->{until} > $before + $heartbeat->{length};
	}
}
cmp_ok($granted, '>', 3, 'leases were granted again and again');
is($too_long, 0, "none ends later than a lease time from the clock of the reply before ($granted grants)");

done_testing();

# Servers log each heartbeat: the process that it came to, when the lease that it grants ends (0 = none),
# the lease time, and the clock that was replied.
sub log_heartbeats
{
	$p->safe_psql('postgres', <<'END');
CREATE FUNCTION log_heartbeat(bigint, bigint, bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE LOG 'heartbeat of %: % % %', pg_backend_pid(), $1, $2, $3; END $$;
END
	$p->wrap_node_function('heartbeat', 'SELECT h.* FROM ITSELF h, public.log_heartbeat($2, $3, h.clock_us)');
	return;
}

# What it has logged of them.
sub heartbeats
{
	my ($node) = @_;
	return map { /LOG:  heartbeat of (\d+): (\d+) (\d+) (\d+)/ ? { pid => $1, until => $2, length => $3, at => $4 } : () }
	  $node->logged(qr/LOG:  heartbeat of/);
}
