# Drills: sync_mode = strict.  Commits wait for as long as no standby confirms
# them, and the status says so; and nobody is promoted while a standby that may
# hold the only copy cannot be read.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(settings => { sync_mode => 'strict' })->start;
my $p = $t->node('p');
my $set = 'ANY 1 ("a", "b")';

ok($t->wait_for_sql($p, 'SHOW synchronous_standby_names', $set), 'the set is all standbys');
ok($t->wait_for(q{SELECT sync_names = sync_before FROM failover_group_state}), 'which vouch for everything acknowledged');

my $writer = $t->start_writer(timeout_ms => 60000);
$t->node('a')->kill_hard('all');
ok($writer->wait_for_more(50), 'writes go on with one standby');
$t->node('b')->kill_hard('all');
ok($t->wait_for(q{SELECT array_to_string(degraded_reasons, '; ') ~ 'commits may hang: 0 of the 1' FROM failover_status('main')}),
	'with none left, the status says that commits hang');
ok($t->wait_for(q{SELECT count(*) FROM failover_events WHERE kind = 'sync_blocked'}, 1), 'and so does an event');
my $acknowledged = $writer->count_acknowledged;
$t->wait_for_checks(5);
is($writer->count_acknowledged, $acknowledged, 'no commit is acknowledged');
is($p->safe_psql('postgres', 'SHOW synchronous_standby_names'), $set, 'the set stays as it is');

$t->node('b')->wait_killed;
$t->node('b')->start;
ok($writer->wait_for_more(50), 'with one standby back writes go on');
ok($t->wait_for(q{SELECT count(*) FROM failover_events WHERE kind = 'sync_unblocked'}, 1), 'and that is told');

$p->kill_hard('all');
ok($t->wait_for(q{SELECT verdict = 'hold' AND rule = 108 FROM failover_evaluate('main')}),
	'a dead primary is not replaced while a member of the set cannot be read');
is($t->status('failover_possible, blocked_by, candidate'), 'f|consistency|b', 'which the status says, and who it would be');
$t->wait_for_checks(3);
is($t->status('primary_peer'), 'p', 'also not later');
$t->node('a')->wait_killed;
$t->node('a')->start;
ok($t->wait_for_failover('p'), 'with both standbys read it is');
my $new = $t->one_primary_ok;
ok($writer->wait_for_more(50), 'clients write again');
$writer->stop;
is(scalar($writer->lost_rows($t->node($new))), 0, 'no acknowledged row is lost');
is($t->node($new)->safe_psql('postgres', q{SELECT current_setting('synchronous_standby_names') ~ '"p"'}), 't',
	'the old primary is a member of the new set, although it is dead');

done_testing();
