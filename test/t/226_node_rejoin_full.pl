# A rewind that could not be repeated if it were interrupted is not begun: on a
# full disk it would be interrupted soon, and the data would be lost.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Mount;
use Test::More;

my ($p, $lease_p) = FailoverTest::Lease->start_primary('p', conf => 'wal_keep_size = 512MB');
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
my $term = 2;
$lease_p->grant(term => 1, seconds => 3600);
$lease_a->grant(term => $term, seconds => 3600);
$a->safe_psql('postgres', 'SELECT pg_promote()');
$a->safe_psql('postgres', 'CHECKPOINT');
$p->safe_psql('postgres', 'INSERT INTO t SELECT generate_series(1, 1000)');
$a->safe_psql('postgres', 'INSERT INTO t VALUES (-1)');

# ---- the WAL without which a rewind cannot be repeated cannot be written ----

my $kept = $p->data_dir . '/failover_wal';
PostgreSQL::Test::Utils::append_to_file($kept, '');
is_not_rewound(qr/^could not keep WAL: could not create file "failover_wal\/.*": Not a directory; timeline 2 forked off at/,
	'where its WAL cannot be written');
$p->stop;
unlink $kept;

# ---- there is no room for it ----

SKIP:
{
	skip 'nothing can be mounted here', 4 unless FailoverTest::Mount::can_mount();
	mkdir $kept;
	FailoverTest::Mount::start_with_mount($p, 'failover_wal', '8m');
	is_not_rewound(qr/^no room to keep \d+ MB of WAL; timeline 2 forked off at/, 'without room for its WAL');
	$p->stop;
	rmdir $kept;
}

# ---- the cause is removed ----

$p->start;
ok($p->streams_from($a), 'when it can be kept the next start rewinds the server, and it streams');
is($p->safe_psql('postgres', 'SELECT count(*), min(id) FROM t'), '1|-1', 'with the new history');
like($lease_p->status('rejoin_report'), qr/^rewound in \d+ ms/, 'the report says so');
is(join(' ', glob($p->data_dir . '/failover_*')), '', 'nothing is left behind');

$_->stop foreach $p, $a;
done_testing();

# It serves what it had, fenced, says why, and has attempts left.
sub is_not_rewound
{
	my ($reason, $where) = @_;

	$lease_p->rejoin($a, term => ++$term, max_attempts => 5, backoff_ms => 3_600_000);
	ok($p->ask_until('SELECT rejoin_phase, rejoin_attempts FROM failover_node_status()', 'requested|1'), "$where nothing is rewound");
	like($lease_p->status('rejoin_report'), $reason, 'the report says why');
	is($p->safe_psql('postgres', 'SELECT pg_is_in_recovery(), may_commit, count(*) FROM t, failover_node_status() GROUP BY 1, 2'), 'f|f|1000',
		'it serves, fenced, what it had');
	ok(!-e $p->data_dir . '/failover_data', 'and its data are in their place');
	return;
}
