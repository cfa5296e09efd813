# Drill: the primary is cut off from everybody, its own clients can still reach
# it, and replication is synchronous.  Within its lease it stops acknowledging,
# also to those who wait for no standby; then it is replaced, without losing what
# a standby confirmed; when the wires are back it becomes a standby by itself.  And
# the reverse: losing only the coordinator stops nobody from writing.
use strict;
use warnings;

use FailoverTest;
use Test::More;

plan(skip_all => 'no private network on this machine') unless FailoverTest::Net::available();

my $t = FailoverTest->new(network => 1, library => 1, conf => 'wal_keep_size = 256MB', settings => { sync_mode => 'quorum' })->start;
my $net = $t->net;
my $p = $t->node('p');

is($t->status('fencing'), 'lease', 'the group is protected by a lease');

ok($t->wait_for_checks(3), 'the primary has been told who its standbys are');

$t->sync_set_ok('p', 'a', 'b');

# Without its coordinator the primary's standbys renew its lease, for many leases long.
$net->cut_off('coordinator');
my $until = time() + 12;
my $written = 0;
my $refused = 0;
while (time() < $until)
{
	my ($rc, undef, $error) = $p->psql('postgres', 'INSERT INTO failover_test (writer, id) SELECT 99, coalesce(max(id), 0) + 1 FROM failover_test WHERE writer = 99');
	$rc == 0 ? $written++ : $refused++;
	diag($error) if $rc != 0 && $refused == 1;
}
is($refused, 0, "without the coordinator no write fails ($written written)");
$net->heal;
ok($t->wait_for_state('healthy'), 'healthy with the coordinator back');
is($t->count_operations('failover'), '0', 'nothing was failed over');

# The primary alone, with clients that wait for as long as it takes.
$t->sync_set_ok('p', 'a', 'b');
my %patient = (timeout_ms => 60000, insert => 'INSERT INTO failover_test VALUES ($1, $2) RETURNING id');
my $writer = FailoverTest::Writer->start([$p], %patient, writers => 4);
my $local = FailoverTest::Writer->start([$p], %patient, name => 'local', first => 11, setup => 'SET synchronous_commit = local');
ok($_->wait_for_more(50), 'clients write') foreach $writer, $local;
$net->cut_off('p');
ok($t->wait_for_failover('p'), 'a primary that is cut off from everybody is replaced');
my $promoted = $t->sql(q{SELECT extract(epoch FROM min(started_at)) FROM failover_timeline WHERE step = 'promote'});
my ($rc, $stdout, $stderr) = $p->psql('postgres', 'INSERT INTO failover_test (writer, id) VALUES (98, 1)');
isnt($rc, 0, 'it takes no write any more');
like($stderr, qr/does not hold the lease/, 'and says why');
my $new = $t->status('primary_peer');
$t->node($new)->safe_psql('postgres', 'INSERT INTO failover_test (writer, id) VALUES (97, 1)');

$net->heal;
ok($t->wait_for(q{SELECT role = 'standby' AND replication_state = 'streaming' FROM failover_health('main', 'p')}),
	'with the wires back it becomes a standby by itself');
ok($t->wait_for_sql($p, q{SELECT count(*) FROM failover_test WHERE writer = 97}, '1'), 'with what the new primary has');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->count_operations('failover'), '1', 'one failover');
$_->stop foreach $writer, $local;
is($writer->count_acknowledged($promoted), 0, 'it acknowledges nothing once the new one is to be promoted');
is($local->count_acknowledged($promoted), 0, 'nor what waits for no standby');
is(scalar($writer->lost_rows($t->node($new))), 0, 'nothing is lost of ' . $writer->count_acknowledged . ' rows that a standby confirmed');

done_testing();
