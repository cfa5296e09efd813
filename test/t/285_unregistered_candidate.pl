# The candidate of a switchover is unregistered by a transaction that began before
# it, and ends when it has been promoted: whom the old primary was to follow is
# gone.  That is said, and nothing crashes.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB')->start;
my ($p, $a, $b) = $t->nodes;
my $worker = $t->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'failover coordinator'});

# What has been learned of the peers is written down by then.
$t->wait_for_checks(15);
my $session = $t->coordinator->background_psql('postgres');
$session->query_safe('SET client_min_messages = warning; BEGIN');
$session->query_safe(q{SELECT failover_unregister('main', 'a')});
$t->sql(q{SELECT failover_switchover('main', 'a', 'test', wait => false)});
ok($t->wait_for_sql($a, 'SELECT NOT pg_is_in_recovery()'), 'it is promoted');
# At once: who keeps rows locked that the operation has to write is ended after a while.
$session->query_safe('COMMIT');
$session->quit;

ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}, '0'), 'the operation ends');
is($t->sql(q{SELECT count(*) FROM failover_peers WHERE peer_name = 'a'}), '0', 'the candidate is gone');
is($t->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'failover coordinator'}), $worker, 'the coordinator is the same process');
is(scalar(my @crashes = $t->coordinator->logged(qr/terminated by signal/)), 0, 'nothing has crashed');

# The primary belongs to the group again, and everybody follows it.
$t->register('a');
ok($t->wait_for_state('healthy'), 'with its primary registered the group is healthy');
is($t->status('primary_peer'), 'a', 'that is who was promoted');
ok($t->wait_for_following($_, $a), $_->name . ' follows it') foreach $p, $b;
$t->one_primary_ok;

done_testing();
