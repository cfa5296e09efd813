# Drill: every process of the primary is killed, replication is asynchronous,
# the servers run with PostgreSQL's own defaults.  It is replaced at once, and
# the record of how is complete.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new->start;
my ($p) = ($t->node('p'));
my $writer = $t->start_writer;
my $term = $t->status('term');
my $candidate = $t->status('candidate');

$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'a killed primary is replaced');
ok($writer->wait_for_more(50), 'clients write again without being told');

my $new = $t->one_primary_ok('exactly one primary, the one that the status names');
isnt($new, 'p', 'another server is primary');
is($t->status("term > $term"), 't', 'the term was raised');
my ($other) = grep { $_ ne 'p' && $_ ne $new } $t->names;
ok($t->wait_for_following($t->node($other), $t->node($new)), 'the other standby follows the new primary');
is($t->node($new)->safe_psql('postgres', 'SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)'), '00000002',
	'one promotion, one new timeline');

# The story, in the order in which it happened.
is($t->sql('SELECT count(*) FROM failover_history'), '1', 'one operation');
is( $t->sql(q{SELECT kind, trigger IN ('connection', 'health_check'), from_peer, to_peer, status, rule > 0, reason <> '',
	initiated_by <> '', error IS NULL FROM failover_history}),
	"failover|t|p|$new|completed|t|t|t|t", 'the history says what was done and why');
is($t->sql(q{SELECT finished_at >= started_at AND total_ms > 0 AND promote_ms > 0 AND detection_ms >= 0 AND decision_ms >= 0 AND repoint_ms >= 0
	FROM failover_history}), 't', 'the history says how long each part took');
my $steps = $t->sql(q{SELECT string_agg(step, ' ' ORDER BY first) FROM (SELECT step, min(step_no) AS first FROM failover_timeline GROUP BY step) s});
like($steps, qr/^raise_term .*freeze .*choose .*promote/, "steps come in order: $steps");
# The last checkpoint is not waited for by the operation.
ok($t->wait_for(q{SELECT count(*) = 0 FROM failover_timeline WHERE status NOT IN ('done', 'skipped')}), 'every step has ended well');
is($t->sql(q{SELECT bool_and(finished_at >= started_at AND duration_ms >= 0) FROM failover_timeline WHERE status = 'done'}), 't',
	'every step has its times');
is( $t->sql(q{SELECT (SELECT max(finished_at) FROM failover_timeline WHERE step = 'raise_term')
	<= (SELECT min(started_at) FROM failover_timeline WHERE step = 'promote')}),
	't', 'the term was raised before the promotion');
isnt($t->sql(q{SELECT count(*) FROM failover_events WHERE peer_name = 'p' AND severity IN ('warning', 'error')}), '0',
	'the death of the primary is an event');
is($t->sql(q{SELECT health, consecutive_failures > 0, error_class, downtime > '0' FROM failover_health('main', 'p')}),
	'unhealthy|t|refused|t', 'health of the dead server');
is($t->status('state IN (\'failover_complete\', \'degraded\'), peers_healthy, redundancy, last_failover_at IS NOT NULL'),
	't|2|dual|t', 'the status says what is left');
is($t->sql(q{SELECT outages, total > '0' FROM failover_downtime WHERE peer_name = 'p'}), '1|t', 'the outage is counted, once, and its time');
is($t->sql(q{SELECT value FROM failover_metrics() WHERE name = 'failover_peer_outages_total' AND labels ->> 'peer' = 'p'}), '1', 'so it is by the metrics');

# Nothing that was acknowledged is missing, but for what the history admits.
$writer->stop;
$t->losses_admitted_ok($writer, $t->node($new));
cmp_ok($writer->outage, '<', 5, sprintf('clients could not write for %.0f ms', 1000 * $writer->outage));

done_testing();
