# Two servers are out of recovery when they are registered: both are named, none
# is touched, and whoever takes one of them out says which is the primary.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB');
$t->start_servers;
my ($p, $a, $b) = $t->nodes;

$a->promote;
$a->safe_psql('postgres', 'INSERT INTO failover_test VALUES (1, 1)');
$p->safe_psql('postgres', 'INSERT INTO failover_test VALUES (2, 1)');
$t->start_coordinator;
# At once: whoever is seen alone is the primary.
$t->sql(join(';', 'BEGIN', (map { "SELECT failover_register('main', '$_', '" . $t->node($_)->conninfo . q{')} } $t->names), 'COMMIT'));
ok($t->wait_for(q{SELECT rule FROM failover_evaluate('main')}, '10'), 'which one is the primary cannot be told');
like($t->sql(q{SELECT reason FROM failover_evaluate('main')}), qr/unregister those that are not to be the primary: "a" \(timeline 2\), "p" \(timeline 1\)\./,
	'but who they are');
is(join(' ', $t->primaries), 'p a', 'none of them is touched');

$t->sql(q{SELECT failover_unregister('main', 'p')});
ok($t->wait_for(q{SELECT primary_peer FROM failover_status('main')}, 'a'), 'the one that is left is the primary');
$t->register('p');
ok($t->wait_for(q{SELECT peer_name FROM failover_events WHERE kind = 'fenced'}, 'p'), 'the other is kept from writing');
is($t->sql(q{SELECT status FROM failover_rejoin('main', 'p')}), 'completed', 'and brought back when it is asked for');
ok($t->wait_for_following($p, $a), 'it follows');
is($p->safe_psql('postgres', 'SELECT string_agg(writer::text, $$ $$) FROM failover_test'), '1', 'with the data of the primary');
$t->one_primary_ok;
ok($t->wait_for_state('healthy'), 'all is well');

# What a user asks for is begun by no rule.
is($t->sql(q{SELECT count(*) FROM failover_events WHERE message ~ 'rule 0'}), '0', 'no rule of number 0 is named');
like($t->sql(q{SELECT message FROM failover_events WHERE kind = 'operation_started'}), qr/^rejoin started: asked for in SQL$/m, 'where none was');

done_testing();
