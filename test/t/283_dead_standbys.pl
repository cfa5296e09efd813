# Standbys that are dead are no part of a lease: the primary does not wait for
# them while the coordinator is away, and its own silence is not waited out for
# ever because of them.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use Test::More;
use Time::HiRes qw(time);

my $t = FailoverTest->new(
	standbys => 3,
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { lease_time => '1s', check_interval => '200ms', block_period => '0' })->start;
my ($p, $a, $b, $c) = $t->nodes;
my $coordinator = $t->coordinator;
my $writer = $t->start_writer(timeout_ms => 5000);

renewers_are('p', 'a,b,c', 'all standbys renew the lease');

# ---- one is dead: the coordinator may go ----

$c->freeze('all');
renewers_are('p', 'a,b', 'one that has been silent for some seconds does not');
$b->kill_hard('all');
$b->wait_killed;
renewers_are('p', 'a', 'nor does one that is gone');
my $version = state_of('p', 'lease_version');
away('with two of three standbys dead');
$coordinator->start;
ok($t->wait_for_checks(5), 'the coordinator is back');
is(state_of('p', 'lease_version'), $version, 'who was dead before is not counted on until it answers');

# ---- and so may the primary ----

ok($writer->wait_for_more(20), 'clients write');
$p->freeze('all');
ok($t->wait_for_failover('p'), 'the primary falls silent as well: the last standby takes over');
is($t->status('primary_peer'), 'a', 'which is a');
ok($writer->wait_for_more(20), 'clients write on it');
$coordinator->stop('immediate');
$coordinator->start;
ok($t->wait_for_checks(2), 'a new process goes on');
renewers_are('a', 'b,c,p', 'with everybody else dead they count all the same: somebody has to');

# ---- they come back ----

$b->start;
renewers_are('a', 'b', 'the first that answers is the one that renews');
ok($t->wait_for_following($b, $a), 'it follows the new primary');
away('with the old primary and another standby dead');
$coordinator->start;
$p->thaw;
$c->thaw;
ok($t->wait_for_state('healthy'), 'all are back');
renewers_are('a', 'b,c,p', 'and renew the lease');
$writer->stop;
$t->losses_counted_ok($writer, $a);
is($t->count_operations('failover'), '1', 'one failover');

done_testing();

sub state_of { return $t->sql("SELECT $_[1] FROM failover_peer_state WHERE peer_name = '$_[0]'") }

# It was told that list, has taken it, and nothing of another is left.
sub renewers_are
{
	my ($peer, $list, $what) = @_;

	return ok($t->wait_for(
		"SELECT array_to_string(renewers, ',') || ' ' || lease_time_before FROM failover_peer_state WHERE peer_name = '$peer'",
		"$list 00:00:00"), $what);
}

# The coordinator dies: the primary goes on for several lease times.
sub away
{
	my ($how) = @_;
	my $primary = $t->node($t->status('primary_peer'));

	$coordinator->stop('immediate');
	my $began = time();
	my $errors = scalar($writer->errors);
	FailoverTest::Lease::wait_until($began + 5);
	is($primary->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't',
		"$how the primary keeps its lease without a coordinator");
	is(scalar($writer->errors), $errors, 'and no write fails');
	return ok($writer->wait_for_more(20), 'they go on');
}
