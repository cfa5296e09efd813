# Former and new primary cannot reach each other for longer than rejoin_attempts
# last.  The coordinator, which reaches both, says that the former primary needs a
# look, tries ever more rarely, and so brings it back some time after the network
# is mended; soon, where it sees that something has changed.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	network => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { block_period => '0', rejoin_attempts => 2, rejoin_backoff => '200ms' })->start;
my ($p) = $t->nodes;
my $failed = q{SELECT count(*) FROM failover_history WHERE kind = 'rejoin' AND from_peer = 'p' AND status = 'failed'};

$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is replaced');
my $new = $t->node($t->status('primary_peer'));
$t->net->cut('p', $_) foreach qw(a b);
$p->wait_killed;
$p->start;
ok($t->wait_for($failed, '2'), 'its attempts to become a standby fail');
ok($t->wait_for(q{SELECT array_to_string(degraded_reasons, '; ') ~ 'peer "p" takes no writes, and could not become a standby: could not connect' FROM failover_status('main')}),
	'the status says so, and why');
$t->no_failover_ok(5, 'there is no other attempt soon');

# ---- it has been away ----

$p->stop('fast');
ok($t->wait_for(q{SELECT health FROM failover_health() WHERE peer_name = 'p'}, 'unhealthy'), 'it is stopped');
$p->start;
ok($t->wait_for($failed, '4', 45), 'started again, it is asked as at first');

# ---- nothing is seen to change ----

$t->net->heal;
ok($t->wait_for_following($p, $new), 'when the network is mended it follows with no hand on it');
is($t->sql($failed), '4', 'at the next attempt');
ok($t->wait_for_state('healthy'), 'full redundancy');
$t->one_primary_ok;

done_testing();
