# Drill: the candidate dies in the middle of its promotion.  The next one is
# promoted, in the same operation.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	sync => 'ANY 2 (p, a, b)',
	settings => { promote_timeout => '60s', check_timeout => '30s' },
	register => { a => 'priority => 1', b => 'priority => 50' })->start;
my ($p, $a, $b) = $t->nodes;

is($t->status('candidate'), 'a', 'the preferred one is the candidate');
# A startup process that is stopped gets the order to promote, and does not carry it out.
my $startup = $a->freeze_process('startup');
$p->kill_hard('all');
ok($t->wait_for(q{SELECT current_step = 'promote' FROM failover_status('main')}), 'the promotion has begun');
is($t->status('state'), 'failover_in_progress', 'and the status says so');
# A server that is killed over a question that it has not read yet resets the
# session, as a firewall could: that proves nothing.  Another one does.
ok($t->wait_for_sql($a, q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'failover listener'}, '1'),
	'the coordinator listens for the end of the candidate');
my $backend = $a->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'failover'});
kill('STOP', $backend);
ok($t->wait_for_checks(2), 'it is asked whether it is promoted, and does not read that');
$a->kill_hard('all');

ok($t->wait_for_failover('p'), 'the failover is completed all the same');
is($t->one_primary_ok, 'b', 'with the next candidate');
is($t->count_operations('failover'), '1', 'in the same operation');
is($t->sql(q{SELECT to_peer, attempts > 1 FROM failover_history}), 'b|t', 'the history has both attempts');
is($t->sql(q{SELECT lost_bytes IS NULL FROM failover_history}), 't', 'what the first candidate may have acknowledged nobody knows');
is($t->sql(q{SELECT string_agg(peer_name || ' ' || status, ', ' ORDER BY step_no) FROM failover_timeline WHERE step = 'promote'}),
	'a failed, b done', 'as has the timeline');

done_testing();
