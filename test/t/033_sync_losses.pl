# Drills: sync_mode = quorum, and the primary is killed under load while the
# standbys are in every state: one of them just left the set, one lags behind,
# the coordinator dies in the middle of a change of the set.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	standbys => 3,
	settings => { sync_mode => 'quorum', sync_standbys => 2, block_period => '0' })->start;
my @followers = qw(a b c);

sub settled_with
{
	my ($node, $required, @names) = @_;
	my $set = "ANY $required (" . join(', ', map { qq{"$_"} } sort @names) . ')';

	return ok($t->wait_for_sql($node, 'SHOW synchronous_standby_names', $set), "the set is $set")
	  && ok($t->wait_for(q{SELECT sync_names = sync_before FROM failover_group_state}), 'and settled');
}

sub fail_over
{
	my ($name, $old, $before, $after) = @_;
	my $first = ($t->count_operations('failover') + 1) * 10;
	my $writer = $t->start_writer(first => $first, writers => 4);

	$before->() if defined $before;
	$t->node($old)->kill_hard('all');
	$after->() if defined $after;
	ok($t->wait_for_failover($old), "$name: the primary is replaced");
	my $new = $t->one_primary_ok;
	ok($writer->wait_for_more(50), "$name: clients write again");
	$writer->stop;
	is(scalar($writer->lost_rows($t->node($new))), 0, "$name: no acknowledged row is lost");
	return $new;
}

settled_with($t->node('p'), 2, @followers);

# One of three has stood still for a moment: the other two hold everything.
my $stopped;
my $first = fail_over('one lags', 'p',
	sub {
		$stopped = $t->node('a')->freeze_process('walreceiver');
		$t->wait_for_checks(1);
	},
	sub { kill('CONT', $stopped) });
@followers = grep { $_ ne $first } @followers;
settled_with($t->node($first), 2, @followers);

# Two are left, both must confirm; one of them dies, and the set shrinks under load.
my ($dead, $alive) = @followers;
my $second = fail_over('one has left', $first,
	sub {
		$t->node($dead)->kill_hard('all');
		settled_with($t->node($first), 1, $alive);
	});
is($second, $alive, 'the one that is left is promoted');

# A coordinator that dies in the middle of a change finishes it.
$t->node($dead)->wait_killed;
$t->node($dead)->start;
settled_with($t->node($second), 1, $dead);
$t->node($dead)->kill_hard('all');
$t->coordinator->kill_hard('all');
$t->coordinator->wait_killed;
$t->coordinator->start;
ok($t->wait_for_sql($t->node($second), 'SHOW synchronous_standby_names', ''), 'a restarted coordinator goes on with it');
$t->node($second)->safe_psql('postgres', 'INSERT INTO failover_test VALUES (999, 1)');
$t->node($dead)->wait_killed;
$t->node($dead)->start;
settled_with($t->node($second), 1, $dead);
is($t->node($dead)->safe_psql('postgres', 'SELECT count(*) FROM failover_test WHERE writer = 999'), '1',
	'a set that has settled has what was acknowledged without it');

done_testing();
