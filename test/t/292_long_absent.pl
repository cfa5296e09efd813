# A server was away for so long that the primary has removed the WAL that it
# needs.  Where a copy is allowed it is copied.  Else a standby goes on serving what it
# has, without a restart, a former primary what it had, fenced, and the coordinator says
# what is wrong; it sees by itself when a copy is allowed.
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
my $needed = segment_of($p);
$_->stop('fast') foreach $a, $b;
remove_wal($p, $needed);
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
ok($t->wait_for(q{SELECT status FROM failover_history WHERE kind = 'rejoin' AND from_peer = 'b' ORDER BY event_id DESC LIMIT 1}, 'completed'),
	'once a copy is allowed it rejoins, by itself');
is($b->safe_psql('postgres', $rows), '1', 'with all that the primary has');
ok($t->wait_for_state('healthy'), 'full redundancy');

# ---- a former primary ----

my $rejoins = q{SELECT string_agg(status, ' ' ORDER BY event_id) FROM failover_history WHERE kind = 'rejoin' AND from_peer = 'p'};
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is replaced');
my $new = $t->node($t->status('primary_peer'));
remove_wal($new, segment_of($new));
$p->wait_killed;
$p->start;
ok($t->wait_for($rejoins, 'failed failed'), 'the former primary comes back too late');
$t->no_failover_ok(5, 'and is not asked any more');
$p->safe_psql('postgres', 'ALTER SYSTEM SET failover.allow_clone = on');
$p->reload;
ok($t->wait_for($rejoins, 'failed failed completed'), 'once a copy is allowed it rejoins, by itself');
ok($t->wait_for_following($p, $new), 'and follows the new one');
ok($t->wait_for_state('healthy'), 'full redundancy again');

done_testing();

sub segment_of
{
	my ($primary) = @_;
	return $primary->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
}

# Write until the primary has removed that segment.
sub remove_wal
{
	my ($primary, $segment) = @_;

	FailoverTest::Node::until_true(
		sub {
			$primary->safe_psql('postgres', 'CREATE TABLE segment (); DROP TABLE segment; SELECT pg_switch_wal()');
			$primary->safe_psql('postgres', 'CHECKPOINT');
			return !-e $primary->data_dir . "/pg_wal/$segment";
		})
	  or die "$segment is not removed";
	return;
}
