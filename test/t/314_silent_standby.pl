# Drill: a standby is frozen when the primary is moved.  A server that stops waits
# until its standbys have confirmed all of its WAL, for ever if wal_sender_timeout is
# off: the old primary does not wait for one that answers nobody, in a switchover
# or when it is brought back after a failover.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms\nwal_sender_timeout = 0",
	settings => { block_period => '0', lease_time => '1s', check_interval => '200ms' })->start;
my ($p, $a, $b) = $t->nodes;
my $writer = $t->start_writer(timeout_ms => 5000);

$b->freeze('all');
ok($t->wait_for(q{SELECT health FROM failover_health('main', 'b')}, 'unhealthy'), 'a standby is frozen');
is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main')}), 'completed|a', 'the primary is moved to the other one');
ok($t->wait_for_following($p, $a), 'the old primary follows it');
ok($writer->wait_for_more(50), 'clients write');

ok($t->wait_for(q{SELECT array_to_string(renewers, ',') FROM failover_peer_state WHERE peer_name = 'a'}, 'p'), 'and renews its lease');
$b->thaw;
ok($t->wait_for_state('healthy'), 'full redundancy');
$b->freeze('all');
ok($t->wait_for(q{SELECT health FROM failover_health('main', 'b')}, 'unhealthy'), 'a standby is frozen again');
ok($t->wait_for(q{SELECT array_to_string(renewers, ',') FROM failover_peer_state WHERE peer_name = 'a'}, 'p'), 'and renews no lease any more');
$a->freeze('all');
ok($t->wait_for_failover('a'), 'the primary, too: it is replaced');
$a->thaw;
ok($t->wait_for_following($a, $p), 'let go, it follows the new one while the standby is frozen');
$b->thaw;
ok($t->wait_for_state('healthy'), 'full redundancy');
$t->one_primary_ok;
$writer->stop;
$t->losses_counted_ok($writer, $p);

done_testing();
