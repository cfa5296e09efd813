# A standby that streams from another standby is no renewer of the primary's
# lease, also while a former primary rejoins: without the coordinator, the
# standbys that do stream from the primary are enough.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	standbys => 3,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { block_period => '0', lease_time => '1s', check_interval => '200ms' },
	register => { a => 'priority => 1' })->start;
my ($p, $a, $b, $c) = $t->nodes;
my ($host, $port) = $c->endpoint('b');
my $user = getpwuid($<);
my $renewers = q{SELECT renewers FROM failover_peer_state WHERE peer_name = 'a'};

$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is replaced');
is($t->status('primary_peer'), 'a', 'by the first standby');
ok($t->wait_for_following($_, $a), $_->name . ' follows it') foreach $b, $c;
$b->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = 'host=$host port=$port user=$user application_name=b'");
$b->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($t->wait_for_sql($c, q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'b' AND state = 'streaming'}, '1'),
	'one standby streams from the other');
ok($t->wait_for($renewers, '{c}'), 'and renews no lease');

# Not let in, and frozen in the middle of it, so that the rejoin goes on for as long as it takes here.
$p->wait_killed;
$a->set_hba("host replication all all reject\n" . PostgreSQL::Test::Utils::slurp_file($a->data_dir . '/pg_hba.conf'));
$p->start;
ok($t->wait_for(q{SELECT status FROM failover_timeline WHERE step = 'rejoin' AND peer_name = 'p' ORDER BY event_id DESC LIMIT 1}, 'running'),
	'the former primary rejoins');
$p->freeze('all');
ok($t->wait_for(q{SELECT last_error IS NOT NULL FROM failover_health() WHERE peer_name = 'p'}), 'and is silent');
ok($t->wait_for($renewers, '{c}'), 'it renews no lease either');
my $writer = $t->start_writer(timeout_ms => 5000);
is($t->count_operations('rejoin'), 1, 'it is one rejoin');
is($t->sql(q{SELECT status FROM failover_history WHERE kind = 'rejoin'}), 'in_progress', 'that is under way');
$t->coordinator->stop('fast');
FailoverTest::Lease::wait_until(time() + 5);
is($a->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't', 'the primary holds its lease in many lease times without a coordinator');
$writer->stop;
is(scalar($writer->errors), 0, 'and no write fails');
$p->thaw;

done_testing();
