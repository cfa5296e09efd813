# Drill 5: the postmaster hangs, and both standbys have lost it while a session
# goes on writing.  Nobody can have the rest of that WAL any more; but commits wait
# for one of the standbys, so that whoever has what both have lacks nothing that was
# acknowledged, and is promoted.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { sync_mode => 'quorum', connect_check_interval => '1s', check_timeout => '1s', failure_threshold => 2 })->start;
my ($p, @standbys) = $t->nodes;

$t->sync_set_ok('p', 'a', 'b');
my $writer = $t->start_writer(timeout_ms => 1000);
my $session = $p->background_psql('postgres');

$p->freeze('postmaster');
foreach my $standby (@standbys)
{
	my $receiver = $standby->safe_psql('postgres', 'SELECT pid FROM pg_stat_wal_receiver');
	kill('TERM', $receiver);
	ok($t->wait_for_sql($standby, "SELECT count(*) = 0 FROM pg_stat_wal_receiver WHERE pid = $receiver"), $standby->name . ' does not receive any more');
}
$session->query_safe(q{SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'test', 'nobody has this')});
ok($t->wait_for_failover('p'), 'it is replaced all the same');
cmp_ok($t->sql(q{SELECT lost_bytes FROM failover_history WHERE kind = 'failover' AND status = 'completed'}), '>', 0,
	'by one that lacks WAL of it');
ok($writer->wait_for_more(100), 'clients write on it');
$p->thaw;
ok($t->wait_for_state('healthy'), 'the old one is a standby of it once it goes on');
$writer->stop;
is(scalar($writer->lost_rows($t->node($t->status('primary_peer')))), 0, 'no acknowledged row is lost');
is($t->count_operations('failover'), '1', 'one failover, at the first attempt');
eval { $session->quit };

done_testing();
