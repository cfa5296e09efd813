# A copy of the primary that was promoted on its own, with data of its own, is
# registered by mistake.  It is kept from writing as a second primary, but what it
# has is not thrown away unless somebody asks for it; a former primary is known.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, standbys => 1, conf => 'wal_keep_size = 256MB',
	settings => { block_period => '0', rejoin_backoff => '200ms' })->start;
my ($p, $a) = $t->nodes;
my $c = $t->add_standby('c', $p);
ok($t->wait_for_streaming($p, 2), 'a copy');
$c->safe_psql('postgres', 'SELECT pg_promote()');
$c->safe_psql('postgres', 'CREATE TABLE own AS SELECT 42 AS answer');
$t->register('c');
ok($t->wait_for_sql($c, 'SELECT armed AND NOT may_commit FROM failover_node_status()'), 'it is kept from writing');
ok($t->wait_for(q{SELECT degraded_reasons[1] FROM failover_status('main')}, qr/^peer "c" is out of recovery beside the primary, and was never seen as a standby of the group: failover_rejoin\(\) would replace its data/),
	'which the status says, and what would help');
$t->wait_for_checks(20);
is($t->count_operations('rejoin'), '0', 'nobody makes it a standby');
is($c->safe_psql('postgres', 'SELECT answer FROM own'), '42', 'what it had is still there');

# The coordinator that comes after knows no more.
$t->coordinator->restart;
$t->wait_for_checks(10);
is($c->safe_psql('postgres', 'SELECT answer FROM own'), '42', 'also after a restart of the coordinator');

# Who was the group's primary is brought back by itself, for as long as it has been away.
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is replaced');
is($t->status('primary_peer'), 'a', 'by its standby');
$t->coordinator->restart;
$p->wait_killed;
$p->start;
ok($t->wait_for_following($p, $a), 'and becomes one, although the coordinator is another process now');
is($c->safe_psql('postgres', 'SELECT answer FROM own'), '42', 'nothing has happened to the other');

is($t->sql(q{SELECT status FROM failover_rejoin('main', 'c')}), 'completed', 'when asked to');
ok($t->wait_for_following($c, $a), 'it becomes a standby, too');
is($c->safe_psql('postgres', q{SELECT to_regclass('own') IS NULL}), 't', 'and its own data are gone');
ok($t->wait_for_state('healthy'), 'the group is healthy');

done_testing();
