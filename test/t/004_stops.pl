# Drill: the primary is stopped and started by hand.  An orderly restart within
# the grace is waited out; a stop without a return is a failover; an old primary
# that returns writable is fenced at once and never followed.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(settings => { restart_grace => '20s' })->start;
my $p = $t->node('p');

$p->restart;
ok($t->wait_for_state('healthy'), 'a primary that was restarted is healthy again');
is($t->count_operations('failover'), '0', 'a restart within the grace is no failover');
is($t->status('primary_peer'), 'p', 'and it is the primary still');

$t->set('restart_grace', '0');
$p->stop('immediate');
ok($t->wait_for_failover('p'), 'a primary that was stopped is replaced');
my $new = $t->one_primary_ok;
my ($other) = grep { $_ ne 'p' && $_ ne $new } $t->names;

# Started by hand, it believes itself the primary.
$p->start;
ok($t->wait_for_sql($p, 'SHOW default_transaction_read_only', 'on'), 'an old primary that returns is fenced');
my ($status, undef, $error) = $p->psql('postgres', 'INSERT INTO failover_test VALUES (99, 1)');
isnt($status, 0, 'an old primary that returns takes no write');
like($error, qr/read-only/, 'because it is read-only');
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_events WHERE peer_name = 'p' AND kind ~ 'fence'}), 'the fence is an event');
is($t->status('primary_peer'), $new, 'the group keeps its primary');
ok($t->wait_for_following($t->node($other), $t->node($new)), 'nobody follows the old one');
is($t->sql(q{SELECT eligible FROM failover_candidates('main') WHERE peer_name = 'p'}), 'f', 'a fenced peer is no candidate');
is($t->count_operations('failover'), '1', 'one failover in all');

done_testing();
