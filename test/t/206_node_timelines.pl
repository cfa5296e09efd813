# Two candidates never begin the same timeline where the library is; and if two
# servers did nevertheless, a rejoin finds out and does not rewind.
use strict;
use warnings;

use FailoverTest::Lease;
use Test::More;

# A rewind looks for the WAL since the last common checkpoint.
my ($p, $lease_p) = FailoverTest::Lease->start_primary('p', conf => 'wal_keep_size = 256MB');
my %node = (p => $p);
my %lease = (p => $lease_p);
($node{$_}, $lease{$_}) = FailoverTest::Lease->start_standby($_, $p) foreach qw(a b c);
my $term = 1;
$lease{p}->grant(term => $term, seconds => 600);
$lease{$_}->hear(term => $term) foreach qw(a b c);

# ---- refused ----

like($lease{p}->prepare_promotion_fails(term => $term, timeline => 3), qr/55000.*not a standby/s, 'a primary is not prepared');
$lease{c}->hear(term => 5);
like($lease{c}->prepare_promotion_fails(term => 4, timeline => 3), qr/55000.*older than term 5/s, 'nor a standby in an older term');
like($lease{c}->prepare_promotion_fails(term => 5, timeline => 3, coordinator => 'other'), qr/55000.*belongs to another coordinator/s,
	'nor by another coordinator in the same term');
like($lease{c}->prepare_promotion_fails(term => 5, timeline => 1), qr/22023.*out of range/s, 'nor for a timeline that cannot be');
like($lease{c}->prepare_promotion_fails(term => 5, timeline => 5000), qr/22023.*too far/s, 'nor for one that makes no sense');
is(histories($node{c}), '', 'and nothing was reserved');

# ---- a candidate that died before its promotion ----

$lease{c}->prepare_promotion(term => 5, timeline => 4);
is(histories($node{c}), '00000002 00000003', 'the numbers below the wanted one are reserved');
$lease{c}->prepare_promotion(term => 6, timeline => 6);
is(histories($node{c}), '00000002 00000003', 'what was prepared first holds: the promotion may be under way');
$node{c}->kill_hard('all');
$node{c}->wait_killed;
$node{c}->start;
is(histories($node{c}), '', 'a standby that was not promoted drops them at its next start');
ok($node{c}->streams_from($p), 'and streams again');

# ---- a candidate that refused ----

# Here the server would write that it is to be promoted.
chmod 0500, $node{c}->data_dir or die;
my ($status, $out, $err) =
  $node{c}->psql('postgres', "SELECT pg_promote(false) FROM failover_node_prepare_promotion(6, 6, 'test')");
like($err, qr/could not create file "promote"/, 'the order is refused');
chmod 0700, $node{c}->data_dir or die;
is(histories($node{c}), '', 'and the numbers are free again');
$lease{c}->prepare_promotion(term => 6, timeline => 4);
is(histories($node{c}), '00000002 00000003', 'the next preparation holds');
$node{c}->restart;
ok($node{c}->streams_from($p), 'and is dropped by a restart');

# ---- two candidates ----

$p->kill_hard('all');
$p->wait_killed;
# The first one was ordered to promote, and nobody has heard of it since.
$term = 7;
$lease{a}->prepare_promotion(term => $term, timeline => 2);
$lease{a}->grant(term => $term, seconds => 600);
$node{a}->safe_psql('postgres', 'SELECT pg_promote()');
is($node{a}->timeline, 2, 'the first candidate begins the next timeline');
$node{a}->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
$term++;
$lease{b}->prepare_promotion(term => $term, timeline => 3);
$lease{b}->grant(term => $term, seconds => 600);
$node{b}->safe_psql('postgres', 'SELECT pg_promote()');
is($node{b}->timeline, 3, 'the second one another');
$node{b}->safe_psql('postgres', 'INSERT INTO t VALUES (2)');
$node{c}->safe_psql('postgres', 'ALTER SYSTEM SET primary_conninfo = \'' . $node{b}->conninfo . ' application_name=c\'');
$node{c}->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($node{c}->streams_from($node{b}), 'a standby follows over the number that was left out');
$lease{a}->rejoin($node{b}, term => $term, coordinator => 'test');
ok($node{a}->streams_from($node{b}), 'the first candidate is rejoined');
like($lease{a}->status('rejoin_report'), qr/^rewound/, 'by a rewind, which can tell the two apart');
is(rows($node{a}), '2', 'and has the history of the second');
$node{a}->restart;
ok($node{a}->streams_from($node{b}), 'a standby with a reservation below its timeline starts');

# ---- and if two servers did begin the same ----

$node{b}->wait_for_catchup($_) foreach qw(a c);
$node{b}->kill_hard('all');
$node{b}->wait_killed;
$term++;
foreach my $name (qw(a c))
{
	$lease{$name}->grant(term => $term, seconds => 600);
	$node{$name}->safe_psql('postgres', 'SELECT pg_promote()');
	$node{$name}->safe_psql('postgres', 'INSERT INTO t VALUES (' . ($name eq 'a' ? 3 : 4) . ')');
	is($node{$name}->timeline, 4, "$name begins timeline 4");
	$node{$name}->safe_psql('postgres', 'CHECKPOINT');
}
$lease{c}->rejoin($node{a}, term => ++$term);
ok($node{c}->ask_until('SELECT rejoin_phase FROM failover_node_status()', 'failed'), 'who has the same number with other WAL is not taken for a standby');
like($lease{c}->status('rejoin_report'), qr/timeline 4 here and timeline 4 of the new primary are not the same/, 'and says why');
is($lease{c}->status('may_commit'), 'f', 'it stays fenced');
is(rows($node{c}), '2,4', 'nothing of it was touched');

# The primary goes on to another timeline: the twin is in its history now.
$node{a}->stop;
$node{a}->append_conf('postgresql.conf', "primary_conninfo = ''");
$node{a}->append_conf('standby.signal', '');
$node{a}->start;
$lease{a}->grant(term => ++$term, seconds => 600);
$node{a}->safe_psql('postgres', 'SELECT pg_promote()');
is($node{a}->timeline, 5, 'the primary is on a later timeline');
$node{a}->safe_psql('postgres', 'CHECKPOINT');
$node{c}->append_conf('postgresql.conf', 'failover.allow_clone = on');
$node{c}->safe_psql('postgres', 'SELECT pg_reload_conf()');
$lease{c}->rejoin($node{a}, term => $term);
ok($node{c}->streams_from($node{a}), 'where it is allowed a copy replaces it');
like($lease{c}->status('rejoin_report'), qr/^copied the new primary/, 'and the report says so');
is(rows($node{c}), '2,3', 'it has the history of the primary');

$_->stop foreach @node{qw(a c)};
done_testing();

sub histories
{
	my ($node) = @_;
	return join(' ', map { m{([0-9A-F]{8})\.history$} ? $1 : () } sort glob($node->data_dir . '/pg_wal/*.history'));
}

sub rows
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT string_agg(id::text, ',' ORDER BY id) FROM t});
}
