# Drill 6: the postmaster hangs while no standby has received everything yet.
# A hung postmaster takes nobody back, so the standbys must not be cut off before
# one has it all: the failover waits, and the first that has caught up is promoted.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	settings => { connect_check_interval => '1s', check_timeout => '1s', failure_threshold => 2 })->start;
my ($p, $b) = ($t->node('p'), $t->node('b'));

my $writer = $t->start_writer(timeout_ms => 1000);
my %receiver = map { $_ => $t->node($_)->freeze_process('walreceiver') } qw(a b);
ok($writer->wait_for_more(100), 'asynchronous replication: the writer does not wait for the standbys');

$p->freeze('postmaster');
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_history WHERE kind = 'failover' AND status = 'failed'}, 't'),
	'a first attempt fails');
like($t->sql(q{SELECT error FROM failover_history WHERE kind = 'failover' AND status = 'failed' ORDER BY event_id LIMIT 1}),
	qr/no standby has received yet everything/, 'it says that the standbys are behind');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'freeze' AND peer_name IS NOT NULL}), '0',
	'nobody was cut off from the primary');

$b->thaw_process($receiver{b});
ok($t->wait_for_failover('p'), 'once a standby has caught up, it takes over');
is($t->status('primary_peer'), 'b', 'the one that goes on receiving');
ok($writer->wait_for_more(100), 'clients write on it');
$writer->stop;
is(scalar($writer->lost_rows($b)), 0, 'no acknowledged row is lost');
is($t->sql(q{SELECT lost_bytes FROM failover_history WHERE kind = 'failover' AND status = 'completed'}), '0',
	'and the history says so');

$t->node('a')->thaw_process($receiver{a});
$p->thaw;
ok($t->wait_for_sql($p, 'SHOW default_transaction_read_only', 'on'), 'the old one is fenced when it goes on');

done_testing();
