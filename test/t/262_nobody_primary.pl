# A switchover whose candidate dies in the middle of its promotion, when the
# old primary has become a standby and nobody else is there: the operation
# fails, and its candidate is recorded as the primary, because it might be.  When
# all are back, each of them a standby, one is promoted.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { check_interval => '200ms', block_period => '0' })->start;
my ($p, $a, $b) = map { $t->node($_) } qw(p a b);

$p->safe_psql('postgres', 'INSERT INTO failover_test VALUES (1, 1)');
$b->kill_hard('all');
ok($t->wait_for(q{SELECT health = 'unhealthy' FROM failover_health('main', 'b')}), 'one standby is away');
# A startup process that is stopped gets the order to promote, and does not carry it out.
$a->freeze_process('startup');
$t->sql(q{SELECT failover_switchover('main', 'a', wait => false)});
ok($t->wait_for(q{SELECT current_step = 'promote' FROM failover_status('main')}), 'the promotion is ordered');
ok($t->wait_for_sql($p, 'SELECT pg_is_in_recovery()'), 'the old primary is a standby');
$a->kill_hard('all');
ok($t->wait_for(q{SELECT kind || ' ' || status FROM failover_history ORDER BY event_id DESC LIMIT 1}, 'switchover failed'),
	'nobody is left to be promoted');

foreach my $node ($a, $b)
{
	$node->wait_killed;
	$node->start;
}
ok($t->wait_for_state('healthy'), 'with everybody back there is a primary again');
is($t->sql(q{SELECT rule FROM failover_history WHERE kind = 'failover'}), '27', 'whose promotion was ordered before');
my $new = $t->one_primary_ok;
is($t->node($new)->safe_psql('postgres', 'SELECT count(*) FROM failover_test'), '1', 'nothing is lost');
is($t->sql(q{SELECT lost_bytes IS NULL OR lost_bytes = 0 FROM failover_history WHERE kind = 'failover'}), 't', 'nor said to be');

done_testing();
