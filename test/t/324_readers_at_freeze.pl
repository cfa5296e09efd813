# Drill: the primary freezes while reports hold up what is replayed on both standbys.  They
# have to stop receiving before one of them is promoted, which is not left to the process that waits
# for the reports.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms\nmax_standby_streaming_delay = -1\nmax_standby_archive_delay = -1\nwal_receiver_timeout = 0",
	settings => { block_period => '0', lease_time => '1s', check_interval => '200ms' })->start;
my ($p, $a, $b) = $t->nodes;
my @reports;

$p->safe_psql('postgres', 'CREATE TABLE report AS SELECT generate_series(1, 1000) AS i');
foreach my $standby ($a, $b)
{
	$p->wait_for_catchup($standby->name);
	push @reports, $standby->background_psql('postgres', on_error_stop => 0);
	$reports[-1]->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM report');
}
$p->safe_psql('postgres', 'UPDATE report SET i = i + 1; VACUUM report');
ok($t->wait_for_sql($_, q{SELECT wait_event ~ '^RecoveryConflict' FROM pg_stat_activity WHERE backend_type = 'startup'}),
	$_->name . ' does not replay what a report still reads') foreach $a, $b;
$p->freeze('all');
ok($t->wait_for_failover('p'), 'the frozen primary is replaced');
is($t->node($t->status('primary_peer'))->safe_psql('postgres', 'SELECT min(i) FROM report'), '2', 'and nothing is lost');
$p->thaw;
$_->quit foreach @reports;
ok($t->wait_for_state('healthy'), 'full redundancy');
$t->one_primary_ok;

done_testing();
