# Drill: standbys die, one after the other.  No failover; redundancy and state
# say how it stands, and that a failover would be held: one of the dead may alone
# have a commit that a set of any of them has acknowledged.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 3, sync => 'ANY 1 (p, a, b, c)')->start;
my $writer = $t->start_writer;

is($t->status('redundancy'), 'multi', 'three standbys are multiple redundancy');
$t->node('a')->kill_hard('all');
ok($t->wait_for(q{SELECT state = 'degraded' AND redundancy = 'multi' AND peers_healthy = 3 FROM failover_status('main')}),
	'a dead standby degrades the group');
is($t->status('failover_possible, blocked_by, candidate IS NOT NULL'), 'f|consistency|t', 'what it alone may have would hold a failover, says the status');
is($t->status(q{degraded, array_to_string(degraded_reasons, ' ') ~ '\ma\M'}), 't|t', 'and is named');
ok($writer->wait_for_more(50), 'writes go on without it');

$t->node('b')->kill_hard('all');
ok($t->wait_for(q{SELECT redundancy = 'dual' FROM failover_status('main')}), 'two of three dead: one left');
is($t->sql(q{SELECT redundancy, backups, degraded FROM failover_redundancy('main')}), 'dual|1|t', 'failover_redundancy agrees');
is($t->status('candidate'), 'c', 'the last one is the candidate');
ok($writer->wait_for_more(50), 'writes go on with one');

$t->node('c')->kill_hard('all');
ok($t->wait_for(q{SELECT redundancy = 'single' AND NOT failover_possible AND candidate IS NULL FROM failover_status('main')}),
	'with the last standby gone failover is impossible, and the status says so');
$t->no_failover_ok(3, 'dead standbys are no reason to fail over');
is($t->status('primary_peer'), 'p', 'the primary stays');

foreach my $name (qw(a b c))
{
	$t->node($name)->wait_killed;
	$t->node($name)->start;
}
ok($t->wait_for_state('healthy'), 'with the standbys back, full redundancy');
ok($writer->wait_for_more(50), 'writes go on');
$writer->stop;
is(scalar($writer->lost_rows($t->node('p'))), 0, 'no acknowledged row is lost');

done_testing();
