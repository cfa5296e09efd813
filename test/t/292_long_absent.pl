# A standby was away for so long that the primary has removed the WAL that it
# needs.  Where a copy is allowed it is copied; else it goes on serving what it
# has, without a restart, and the coordinator says what is wrong.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 0\nmin_wal_size = 32MB\nmax_wal_size = 64MB\nwal_retrieve_retry_interval = 500ms",
	conf_of => { a => 'failover.allow_clone = on' },
	settings => { rejoin_backoff => '500ms', rejoin_attempts => 2 })->start;
my ($p, $a, $b) = $t->nodes;
my $rows = 'SELECT count(*) FROM failover_test';
my $started = 'SELECT pg_postmaster_start_time()';

$p->wait_for_catchup($_) foreach qw(a b);
my $needed = $p->data_dir . '/pg_wal/' . $p->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
$_->stop('fast') foreach $a, $b;
FailoverTest::Node::until_true(
	sub {
		$p->safe_psql('postgres', 'CREATE TABLE segment (); DROP TABLE segment; SELECT pg_switch_wal()');
		$p->safe_psql('postgres', 'CHECKPOINT');
		return !-e $needed;
	})
  or die "$needed is not removed";
$p->safe_psql('postgres', 'INSERT INTO failover_test VALUES (1, 1)');
$_->start foreach $a, $b;
my $start_of_b = $b->safe_psql('postgres', $started);

# ---- allowed ----

ok($t->wait_for_sql($a, $rows, '1'), 'the one that may copies the primary, by itself');
ok($t->wait_for_following($a, $p), 'and follows it');
ok($t->wait_for(q{SELECT detail FROM failover_timeline WHERE step = 'rejoin' AND peer_name = 'a' AND status = 'done'},
	qr/copied the new primary in \d+ ms/), 'the timeline says so');

# ---- not allowed ----

my $needs = q{needs WAL from [0-9A-F]+/[0-9A-F]+ that the primary no longer has: clone it again};
ok($t->wait_for(qq{SELECT array_to_string(degraded_reasons, '; ') ~ 'standby "b" $needs' FROM failover_status('main')}),
	'the status says what the other one lacks');
like($t->sql(q{SELECT detail FROM failover_timeline WHERE step = 'repoint' AND peer_name = 'b' ORDER BY event_id DESC LIMIT 1}),
	qr/^it $needs$/, 'so does the timeline');
$t->no_failover_ok(5, 'nothing more is tried');
is($b->safe_psql('postgres', $started), $start_of_b, 'and it was not restarted');
is($b->safe_psql('postgres', $rows), '0', 'it serves what it has');

# ---- asked for ----

my ($status, $out) = $t->try_sql(q{SELECT status, error FROM failover_rejoin('main', 'b')});
like($out, qr/^failed\|.*the new primary no longer has the WAL since .*; set failover[.]allow_clone = on there/,
	'asked to rejoin it finds the same by itself, and says what helps');
$b->safe_psql('postgres', 'ALTER SYSTEM SET failover.allow_clone = on');
$b->reload;
is($t->sql(q{SELECT status, error IS NULL FROM failover_rejoin('main', 'b')}), 'completed|t', 'where a copy is allowed, it rejoins');
is($b->safe_psql('postgres', $rows), '1', 'with all that the primary has');
ok($t->wait_for_state('healthy'), 'full redundancy');

done_testing();
