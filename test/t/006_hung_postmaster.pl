# Drill: the postmaster is stopped by SIGSTOP, its sessions and its standbys go
# on.  Fresh connects see it, a standby that is asked to reconnect confirms it,
# and the primary is fenced over the session that still works, drained, and
# replaced: nothing is lost although replication is asynchronous and the old one lives.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	settings => { connect_check_interval => '1s', check_timeout => '1s', failure_threshold => 2 })->start;
my $p = $t->node('p');

my $writer = $t->start_writer(timeout_ms => 1000);

$p->freeze('postmaster');
ok($writer->wait_for_more(100), 'sessions of a hung postmaster go on writing');
ok($t->wait_for_failover('p'), 'a hung postmaster is replaced');
ok($writer->wait_for_more(100), 'clients write on the new primary');
my $new = $t->one_primary_ok;
isnt($t->sql(q{SELECT count(*) FROM failover_events WHERE peer_name = 'p' AND severity IN ('warning', 'error') AND message ~* 'connect'}), '0',
	'fresh connects have seen it');
cmp_ok($writer->outage, '<', 8, sprintf('clients could not write for %.1f s', $writer->outage));

$p->thaw;
ok($t->wait_for_sql($p, 'SHOW default_transaction_read_only', 'on'), 'the old one is fenced when it goes on');
ok($writer->wait_for_more(100), 'which does not disturb the clients');
$writer->stop;
is(scalar($writer->lost_rows($t->node($new))), 0, 'no acknowledged row is lost');
is($t->count_operations('failover'), '1', 'one failover');

done_testing();
