# A former primary becomes a standby by itself: planned, clean and diverged, in
# place and with its own configuration.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use Test::More;

my $p = FailoverTest::Node->new('p');
$p->init;
$p->use_library('node');
$p->append_conf('postgresql.conf', "include_dir = 'conf.d'");
mkdir $p->data_dir . '/conf.d';
$p->append_conf('conf.d/own.conf', "work_mem = '5MB'");
$p->start;
my $lease_p = FailoverTest::Lease->new($p);
$lease_p->create_extension;
$p->safe_psql('postgres', 'CREATE TABLE t (id bigint)');
$p->backup('base');
my $a = FailoverTest::Node->new('a');
$a->init_standby($p, 'base');
$a->append_conf('postgresql.conf', 'wal_retrieve_retry_interval = 100ms');
$a->append_conf('conf.d/own.conf', "work_mem = '6MB'");
$a->start;
my $lease_a = FailoverTest::Lease->new($a);
$p->wait_for_catchup('a');
my $term = 1;
$lease_p->grant(term => $term, seconds => 600);
$lease_a->hear(term => $term);

# ---- planned: stopped first, so nothing is to be rewound ----

my $pid = postmaster_pid($p);
$term++;
$lease_p->demote($a, term => $term);
# It stops before it follows: only then is everything of it here.
ok($p->ask_until('SELECT pg_is_in_recovery()', 't'), 'the old primary restarts as a standby');
promote($a, $lease_a);
ok($p->streams_from($a), 'a demoted primary streams from the new one');
is(postmaster_pid($p), $pid, 'and is the same process');
is($lease_p->status('rejoin_phase'), 'none', 'nothing is left to be done');
is($lease_p->status('rewind_ms IS NULL'), 't', 'nothing was rewound');
note('demoted in ' . $lease_p->status('rejoin_ms') . ' ms');

# ---- diverged: it went on writing after the other's promotion ----

$term++;
$p->safe_psql('postgres', 'SELECT pg_promote()');
$lease_p->grant(term => $term, seconds => 600);
$p->safe_psql('postgres', 'INSERT INTO t SELECT generate_series(1, 10000)');
$a->safe_psql('postgres', 'INSERT INTO t VALUES (-1)');
$lease_a->fence(term => $term);
$pid = postmaster_pid($a);
# Of two divergent histories the higher timeline is the group's.
is($p->timeline, 3, 'p is on timeline 3');
is($a->timeline, 2, 'a is on timeline 2');
my $conf = PostgreSQL::Test::Utils::slurp_file($a->data_dir . '/postgresql.conf');
$lease_a->rejoin($p, term => $term);
ok($a->streams_from($p), 'a diverged primary streams from the new one');
is(postmaster_pid($a), $pid, 'and is the same process');
is($a->safe_psql('postgres', 'SELECT count(*), min(id) FROM t'), '10001|0', 'with the new history');
is(PostgreSQL::Test::Utils::slurp_file($a->data_dir . '/postgresql.conf'), $conf, 'its own configuration is kept');
is($a->safe_psql('postgres', 'SHOW work_mem'), '6MB', 'and files that it includes');
is($a->safe_psql('postgres', 'SHOW port'), $a->port, 'and its port');
like($lease_a->status('rejoin_report'), qr/^rewound in \d+ ms: timeline 3 forked off at/, 'the report says what was done');
note('rejoined in ' . $lease_a->status('rejoin_ms') . ' ms, rewound in ' . $lease_a->status('rewind_ms') . ' ms');
is_deeply([ map { s{.*/}{}r } glob($a->data_dir . '/pg_replslot/*') ], ['failover.state'], 'nothing is left behind');

# ---- asked to follow, and then wanted as a primary after all ----

$term++;
$lease_p->rejoin($a, term => $term, conninfo => 'host=127.0.0.1 port=1', backoff_ms => 3_600_000);
ok($p->ask_until('SELECT rejoin_phase, rejoin_attempts FROM failover_node_status()', 'requested|1'), 'a rejoin waits for its next attempt');
$lease_p->grant(term => ++$term, seconds => 600);
is($lease_p->status(q{rejoin_phase || ' ' || may_commit}), 'none true', 'a lease cancels it');

# ---- killed, and started again by whoever looks after it ----

$p->wait_for_catchup('a');
$p->kill_hard('all');
$p->wait_killed;
$term++;
promote($a, $lease_a);
$a->safe_psql('postgres', 'INSERT INTO t VALUES (-2)');
$p->start;
is($lease_p->status('may_commit'), 'f', 'it comes back without a lease');
$lease_p->rejoin($a, term => $term);
ok($p->streams_from($a), 'and is rejoined');
is($p->safe_psql('postgres', 'SELECT count(*) FROM t WHERE id = -2'), '1', 'with the new history');

$_->stop foreach $p, $a;
done_testing();

sub postmaster_pid
{
	my ($node) = @_;
	return (split(/\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid')))[0];
}

sub promote
{
	my ($node, $lease) = @_;

	# Granted before, so that it may commit from the first moment.
	$lease->grant(term => $term, seconds => 600);
	$node->safe_psql('postgres', 'SELECT pg_promote()');
	$node->safe_psql('postgres', 'INSERT INTO t VALUES (0)');
	return;
}
