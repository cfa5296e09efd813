# A server that comes back when the new primary has removed the WAL since their
# histories parted: a rewind would succeed, and the server wait for that WAL for
# ever.  It is copied, or left as it is; or rewound, if there is an archive.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use Test::More;

my $archive = PostgreSQL::Test::Utils::tempdir('archive');
my ($p, $lease_p) = FailoverTest::Lease->start_primary('p',
	conf => "wal_keep_size = 0\nmin_wal_size = 32MB\narchive_mode = on\narchive_command = 'cp \"%p\" \"$archive/%f\"'");
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
my $term = 1;
$lease_p->grant(term => $term, seconds => 3600);
part($p, $a, $lease_a);

# ---- nobody has the WAL ----

$lease_p->rejoin($a, term => ++$term);
ok($p->ask_until('SELECT rejoin_phase FROM failover_node_status()', 'failed'), 'what could not follow is not rewound');
like($lease_p->status('rejoin_report'),
	qr/^the new primary no longer has the WAL since [0-9A-F]+\/[0-9A-F]+, without which this server cannot follow; set failover[.]allow_clone = on/,
	'the report says why, and what helps');
is($p->safe_psql('postgres', 'SELECT pg_is_in_recovery(), may_commit, count(*) FROM t, failover_node_status() GROUP BY 1, 2'), 'f|f|1000',
	'it serves, fenced, what it had');
is(left_behind($p), '', 'and nothing is left behind');

# ---- an archive may have it ----

$p->append_conf('postgresql.conf', "restore_command = 'cp \"$archive/%f\" \"%p\"'");
$p->reload;
$lease_p->rejoin($a, term => ++$term);
ok($p->streams_from($a), 'with an archive it is rewound, and streams');
like($lease_p->status('rejoin_report'), qr/^rewound in \d+ ms/, 'the report says so');
is($p->safe_psql('postgres', 'SELECT count(*), min(id) FROM t'), '1|-1', 'with the new history');

# ---- a copy is allowed ----

part($a, $p, $lease_p);
$a->append_conf('postgresql.conf', 'failover.allow_clone = on');
$a->reload;
$lease_a->rejoin($p, term => ++$term);
ok($a->streams_from($p), 'where a copy is allowed it is copied, and streams');
like($lease_a->status('rejoin_report'), qr/^copied the new primary in \d+ ms/, 'the report says so');
is($a->safe_psql('postgres', 'SELECT count(*), min(id) FROM t'), '2|-1', 'with the new history');
is(left_behind($a), '', 'and nothing is left behind');

# ---- their timelines are not in the history of each other ----

$p->backup('second');
my $b = FailoverTest::Node->new('b');
$b->init_standby($p, 'second');
$b->append_conf('postgresql.conf', 'failover.allow_clone = off');
$b->start;
my $lease_b = FailoverTest::Lease->new($b);
$p->wait_for_catchup('b');
# Each goes its own way; what b begins is a number higher than what a begins.
$lease_a->grant(term => ++$term, seconds => 3600);
$a->safe_psql('postgres', 'SELECT pg_promote()');
$p->stop;
$lease_b->prepare_promotion(term => ++$term, timeline => $a->timeline + 1);
move_on($b, $lease_b);
cmp_ok($b->timeline, '>', $a->timeline, 'two servers have begun timelines from a common one');
$a->append_conf('postgresql.conf', 'failover.allow_clone = off');
$a->reload;
$lease_a->rejoin($b, term => ++$term);
ok($a->ask_until('SELECT rejoin_phase FROM failover_node_status()', 'failed'), 'the one without WAL of the other is not rewound');
like($lease_a->status('rejoin_report'), qr/^the new primary no longer has the WAL since/, 'the report says why');

$_->stop foreach $a, $b;
done_testing();

sub left_behind
{
	my ($node) = @_;
	return join(' ', glob($node->data_dir . '/failover_*'));
}

# Promote a standby, and let it remove the WAL with which its timeline begins, once that is archived.
sub move_on
{
	my ($node, $lease) = @_;

	$lease->grant(term => ++$term, seconds => 3600);
	$node->safe_psql('postgres', 'SELECT pg_promote()');
	$node->safe_psql('postgres', 'INSERT INTO t VALUES (-1)');
	my $first = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
	FailoverTest::Node::until_true(
		sub {
			$node->safe_psql('postgres', 'CREATE TABLE segment (); DROP TABLE segment; SELECT pg_switch_wal()');
			$node->safe_psql('postgres', 'CHECKPOINT');
			return !-e $node->data_dir . "/pg_wal/$first";
		})
	  or die "$first is not removed";
	return;
}

# The old primary goes on, and the new one so far that it has no WAL of their parting.
sub part
{
	my ($old, $new, $lease_new) = @_;

	$old->safe_psql('postgres', 'CHECKPOINT');
	$old->wait_for_catchup($new->name);
	move_on($new, $lease_new);
	$old->safe_psql('postgres', 'INSERT INTO t SELECT generate_series(1, 1000)');
	return;
}
