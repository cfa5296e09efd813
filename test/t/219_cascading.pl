# A standby that streams from another standby says nothing to the primary.  It
# is not counted among those who renew the primary's lease: without the
# coordinator, the one standby that does stream from the primary is enough.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { lease_time => '1s', check_interval => '200ms' })->start;
my ($p, $a, $b) = $t->nodes;
my ($host, $port) = $a->endpoint('b');
my $user = getpwuid($<);
my $version = q{SELECT node_standbys_version FROM failover_node_status()};
my $before = $p->safe_psql('postgres', $version);

$b->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = 'host=$host port=$port user=$user application_name=b'");
$b->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($t->wait_for_sql($a, q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'b' AND state = 'streaming'}, '1'),
	'one standby streams from the other');
ok($t->wait_for_sql($p, "SELECT ($version) <> $before", 't'),
	'the primary is told that fewer standbys renew its lease');
my $writer = $t->start_writer(timeout_ms => 5000);
$t->coordinator->stop('fast');
FailoverTest::Lease::wait_until(time() + 5);
is(scalar($writer->errors), 0, 'no write fails in many lease times without a coordinator');
is($p->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't', 'the primary holds its lease');

# It still is what makes a failover safe that the others are cut off.
$t->coordinator->start;
ok($t->wait_for(q{SELECT verdict <> 'unknown' FROM failover_evaluate('main')}) && $t->wait_for_checks(3), 'the coordinator is back');
$p->freeze('all');
ok($t->wait_for_failover('p'), 'a frozen primary is replaced');
is($t->sql(q{SELECT status FROM failover_timeline WHERE step = 'lease' AND peer_name = 'p'}), 'done', 'once its lease has ended');
ok($writer->wait_for_more(50), 'and clients write again');
$p->thaw;
ok($t->wait_for_following($p, $t->node($t->status('primary_peer'))), 'the old primary follows');
$writer->stop;

done_testing();
