# Drill: reports on the standbys hold up what is replayed there, for as long as
# max_standby_streaming_delay lets them, when the primary dies, and when it is moved.
# Whoever wants to write does not wait for whoever reads.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms\nmax_standby_streaming_delay = -1\nmax_standby_archive_delay = -1",
	settings => { block_period => '0', lease_time => '1s', check_interval => '200ms' })->start;
my ($p, $a, $b) = $t->nodes;

$p->safe_psql('postgres', 'CREATE TABLE report AS SELECT generate_series(1, 1000) AS i');
my @reports = map { report($p, $_) } $a, $b;
$p->safe_psql('postgres', 'UPDATE report SET i = i + 1; VACUUM report');
replay_waits($_, '^RecoveryConflict') foreach $a, $b;
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the dead primary is replaced');
my $new = $t->node($t->one_primary_ok);
ok(scalar($new->logged(qr/conflict with recovery/)), 'a report had to end for that');
is($new->safe_psql('postgres', 'SELECT min(i) FROM report'), '2', 'and nothing is lost');

$_->quit foreach @reports;
$p->wait_killed;
$p->start;
ok($t->wait_for_state('healthy'), 'full redundancy');
my $report = report($new, $p);
$new->safe_psql('postgres', 'ALTER TABLE report ADD COLUMN j int');
replay_waits($p, '^relation$');
is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'p')}), 'completed|p', 'the primary is moved to where somebody reads a table that has changed');
$t->one_primary_ok;

done_testing();

# Somebody has read on that standby, and his transaction goes on.
sub report
{
	my ($primary, $standby) = @_;
	my $report = $standby->background_psql('postgres', on_error_stop => 0);

	$primary->wait_for_catchup($standby->name);
	$report->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM report');
	return $report;
}

sub replay_waits
{
	my ($standby, $for) = @_;

	return ok($t->wait_for_sql($standby, "SELECT wait_event ~ '$for' FROM pg_stat_activity WHERE backend_type = 'startup'"),
		$standby->name . ' does not replay what a report still reads');
}
