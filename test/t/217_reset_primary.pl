# Drill: a firewall resets and refuses whatever comes to the primary from the
# coordinator and from the standbys, as the host of a dead server does.  Its own
# clients still reach it, and its lease runs: a refusal alone is no proof of
# death, so the lease is waited out, and no two servers acknowledge commits.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(network => 'proxy', library => 1, conf => 'wal_keep_size = 256MB')->start;
my $p = $t->node('p');

ok($t->wait_for_checks(3), 'the primary holds a lease');
my $writer = FailoverTest::Writer->start([$p], timeout_ms => 1000);
ok($writer->wait_for_more(100), 'clients of the primary write');

$t->net->cut_off('p', 'reset');
ok($t->wait_for_failover('p'), 'a primary that everybody is refused by is replaced');
my $new = $t->status('primary_peer');
is($t->sql(q{SELECT status FROM failover_timeline WHERE step = 'lease' AND peer_name = 'p'}), 'done',
	'the end of its lease was waited for');
my $promoted = $t->sql(q{SELECT extract(epoch FROM started_at) FROM failover_timeline WHERE step = 'promote'});
is($writer->count_acknowledged($promoted), 0, 'it acknowledges nothing once the new one is to be promoted');
$t->node($new)->safe_psql('postgres', 'INSERT INTO failover_test (writer, id) VALUES (97, 1)');
$writer->stop;

$t->net->heal;
ok($t->wait_for_following($p, $t->node($new)), 'with the wires back it becomes a standby by itself');
ok($t->wait_for_state('healthy'), 'full redundancy');

done_testing();
