# Drills: sync_mode = quorum.  Synchronous standbys die, hang and come back;
# writes stall for a moment at most.  Then the primary is killed under load: no
# acknowledged row is lost.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(settings => { sync_mode => 'quorum' })->start;
my $p = $t->node('p');

sub set_is
{
	my ($node, $expected, $name) = @_;
	return ok($t->wait_for_sql($node, 'SHOW synchronous_standby_names', $expected), $name);
}

sub settled
{
	return $t->wait_for(q{SELECT sync_names = sync_before FROM failover_group_state});
}

# The longest stall of a writer while something was done to a standby.
sub stall
{
	my ($name, $first, $what) = @_;
	my $writer = $t->start_writer(first => $first, timeout_ms => 20000);

	$what->();
	ok($writer->wait_for_more(50), "$name: writes go on");
	$writer->stop;
	is(scalar($writer->errors), 0, "$name: without an error");
	note("$name: the longest stall was " . $writer->outage . ' s');
	return $writer->outage;
}

set_is($p, 'ANY 1 ("a", "b")', 'the set is both standbys');
ok(settled(), 'which vouch for everything acknowledged');

cmp_ok(stall('one of two dies', 1, sub {
		$t->node('a')->kill_hard('all');
		set_is($p, 'ANY 1 ("b")', 'a dead standby leaves the set');
	}), '<', 5, 'one of two dies: writes hardly stall');
$t->node('a')->wait_killed;
$t->node('a')->start;
set_is($p, 'ANY 1 ("a", "b")', 'it comes back when it has caught up');

# Whoever stands in pg_stat_replication as "streaming" and confirms nothing.
cmp_ok(stall('one hangs, and the other dies', 11, sub {
		$t->node('a')->freeze('all');
		set_is($p, 'ANY 1 ("b")', 'a hung standby leaves the set');
		$t->node('b')->kill_hard('all');
		set_is($p, '', 'with the last one dead commits wait for nobody');
	}), '<', 5, 'the last synchronous standby dies: writes stall for a moment only');
ok($t->wait_for(q{SELECT array_to_string(degraded_reasons, '; ') ~ 'no standby confirms commits' FROM failover_status('main')}),
	'the status says that nobody confirms');
is($t->sql(q{SELECT severity FROM failover_events WHERE kind = 'sync_names' ORDER BY event_id DESC LIMIT 1}), 'warning',
	'and there is a warning');
$t->node('a')->thaw;
$t->node('b')->wait_killed;
$t->node('b')->start;
set_is($p, 'ANY 1 ("a", "b")', 'both come back');
ok(settled(), 'and vouch for everything again');

# What a DBA writes over it does not stay.
$p->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = ''});
$p->reload;
set_is($p, 'ANY 1 ("a", "b")', 'a setting changed by somebody else is put right');

$t->set('sync_standbys', 2);
set_is($p, 'ANY 2 ("a", "b")', 'sync_standbys takes effect');
$t->set('sync_standbys', 1);
set_is($p, 'ANY 1 ("a", "b")', 'both ways');
$t->sql(q{SELECT failover_set_maintenance('main', 'b', true)});
set_is($p, 'ANY 1 ("a")', 'a standby in maintenance leaves the set');
$t->sql(q{SELECT failover_set_maintenance('main', 'b', false)});
set_is($p, 'ANY 1 ("a", "b")', 'and comes back');

$t->set('sync_mode', 'off');
set_is($p, '', 'off clears what was set');
ok($t->wait_for(q{SELECT sync_names IS NULL FROM failover_group_state}), 'and the group lets go of it');
$t->set('sync_mode', 'quorum');
set_is($p, 'ANY 1 ("a", "b")', 'on again');
ok(settled(), 'and settled');

my $writer = $t->start_writer(first => 21);
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is killed and replaced');
my $new = $t->one_primary_ok;
my ($other) = grep { $_ ne 'p' && $_ ne $new } $t->names;
ok($writer->wait_for_more(50), 'clients write again');
set_is($t->node($new), qq{ANY 1 ("$other")}, 'commits of the new primary wait for the other standby');
ok(settled(), 'which vouches for all of them');
$writer->stop;
is(scalar($writer->lost_rows($t->node($new))), 0, 'no acknowledged row is lost');

# Alone now: the other one dies as well.
$t->node($other)->kill_hard('all');
set_is($t->node($new), '', 'without any standby the new primary goes on alone');
$t->node($new)->safe_psql('postgres', 'INSERT INTO failover_test VALUES (99, 1)');
$t->node($other)->wait_killed;

# It comes back when the primary is dead: it lacks what was acknowledged alone.
$t->node($new)->kill_hard('all');
$t->node($other)->start;
$t->sql(q{SELECT failover_acknowledge('main')});
ok($t->wait_for(q{SELECT verdict = 'hold' FROM failover_evaluate('main')}), 'what was acknowledged alone is not given up');
$t->wait_for_checks(3);
is($t->status('primary_peer'), $new, 'nobody is promoted');

done_testing();
