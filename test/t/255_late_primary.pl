# The primary is registered long after its standbys: meanwhile nobody is told of
# leases, and what was found out about the standbys holds.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1);
$t->start_servers;
$t->start_coordinator;
$t->sql(q{SELECT failover_create_group('main')});
$t->set('check_interval', '100ms');
$t->register($_) foreach 'a', 'b';
ok($t->wait_for(q{SELECT count(*) = 2 FROM failover_health('main') WHERE node_library}), 'the library is found on the standbys');
ok($t->wait_for_checks(50), 'they are checked for a while');
is($t->sql(q{SELECT count(*) FROM failover_health('main') WHERE node_library}), '2', 'the library is still known to be there');

$t->register('p');
ok($t->wait_for_state('healthy'), 'with the primary the group is healthy');
is($t->sql(q{SELECT string_agg(peer_name, ' ' ORDER BY peer_name) FROM failover_health('main') WHERE node_library}), 'a b p', 'everybody has the library');
is($t->status('fencing'), 'lease', 'and the primary a lease');
is($t->sql(q{SELECT status FROM failover_switchover('main', 'a')}), 'completed', 'the role moves');
ok($t->wait_for_state('healthy'), 'and the group is healthy again');
is($t->node('a')->safe_psql('postgres', 'INSERT INTO failover_test VALUES (1, 1); SELECT may_commit FROM failover_node_status()'), 't', 'the new primary takes writes');
is($t->status('fencing'), 'lease', 'by its lease');

done_testing();
