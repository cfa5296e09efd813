# Drill: the candidate is ordered to promote, falls silent, and comes back as
# the standby that it was.  Nobody else was promoted: it is promoted again, by
# itself, in a new term, on a timeline that it cannot have
# begun before.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	standbys => 1,
	settings => { promote_timeout => '3s', lease_time => '2s' })->start;
my ($p, $a) = $t->nodes;
my $writer = $t->start_writer(timeout_ms => 1000);
ok($writer->wait_for_more(50), 'clients write');

# The order reaches the server, and is not carried out.
my $startup = $a->freeze_process('startup');
$p->kill_hard('all');
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_timeline WHERE step = 'promote'}), 'the promotion has begun');
$a->freeze('all');
ok($t->wait_for(q{SELECT status = 'failed' FROM failover_history WHERE kind = 'failover' ORDER BY event_id LIMIT 1}),
	'the promotion is given up at its limit');
is($t->status('primary_peer'), 'a', 'who may have been promoted is recorded as the primary');
is($t->sql(q{SELECT primary_pending FROM failover_group_state}), 't', 'and that it was not seen to be one');
my $term = $t->sql(q{SELECT term FROM failover_group_state});

# It comes back, a standby as before: the order died with it.
$a->kill_hard('all');
$a->wait_killed;
$t->sql(q{SELECT failover_pause('main')});
$a->start;
ok($t->wait_for(q{SELECT rule = 100 AND reason ~ 'promotion was ordered and did not happen' FROM failover_evaluate('main')}),
	'it is seen that the promotion has not happened');
is($a->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'nothing is done while the group is paused');
$t->sql(q{SELECT failover_resume('main')});

ok($t->wait_for_sql($a, 'SELECT NOT pg_is_in_recovery()'), 'it is promoted by itself');
ok($t->wait_for(q{SELECT primary_peer = 'a' AND current_event IS NULL FROM failover_status('main')}), 'and is the primary');
is($t->one_primary_ok, 'a', 'the only one');
ok($t->sql(q{SELECT term FROM failover_group_state}) > $term, 'in a new term');
is($t->sql(q{SELECT primary_pending FROM failover_group_state}), 'f', 'which is written down');
is($t->sql(q{SELECT rule || ' ' || status FROM failover_history WHERE kind = 'failover' ORDER BY event_id DESC LIMIT 1}), '27 completed',
	'the history has the rule');
ok($writer->wait_for_more(50), 'clients write again');
$writer->stop;
$t->losses_admitted_ok($writer, $a);
is($a->safe_psql('postgres', q{SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int}), 3,
	'the second order leaves out the timeline that the first may have begun');
is($t->sql('SELECT newest_timeline FROM failover_group_state'), '3', 'as is written down');

done_testing();
