# Drill: nothing happens for a long time, and everything is at PostgreSQL's
# defaults: standbys hear of an idle primary every 30 seconds at most.  No stale
# evidence, no failover; and the evidence is good when it counts.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new->start;

$t->no_failover_ok(45, 'an idle group is left alone');
is($t->status('state, primary_peer, term'), 'healthy|p|1', 'and stays healthy');
is($t->verdict, 'none', 'nothing is held against anybody');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE severity IN ('warning', 'error')}), '0', 'no alarm was raised');
is($t->sql(q{SELECT bool_and(success_rate = 1 AND suspicion < 3) FROM failover_health('main')}), 't', 'nobody is suspected');

$t->node('p')->kill_hard('all');
ok($t->wait_for_failover('p'), 'a primary that dies after idling is replaced');
is($t->sql(q{SELECT extract(epoch FROM finished_at - started_at) < 3 FROM failover_history}), 't', 'as quickly as any');
$t->one_primary_ok;

done_testing();
