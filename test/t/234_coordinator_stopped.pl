# Drill: the coordinator is stopped for many lease times under load.  No write
# fails, nothing fails over; and it takes up where reality is, also when a
# primary was moved by hand or a server stopped while it was away.
#
# FAILOVER_TEST_STOPPED is for how many seconds (a minute on request).
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{FAILOVER_TEST_STOPPED} // 8;
my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { lease_time => '1s', check_interval => '200ms', block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;
my $coordinator = $t->coordinator;

ok($t->wait_for_sql($p, 'SELECT node_standbys_version > 0 FROM failover_node_status()'), 'the primary knows who renews its lease');
my $writer = $t->start_writer(timeout_ms => 5000);

$coordinator->stop('fast');
my $until = time() + $seconds;
FailoverTest::Lease::wait_until($until);
my $written = grep { $_->[3] > $until - $seconds } $writer->rows('a');
is(scalar($writer->errors), 0, "no write fails in $seconds s without a coordinator ($written written)");
cmp_ok($writer->outage, '<', 3, 'nor does one wait for long');
is($p->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't', 'the primary holds its lease');

# Killed, not stopped, it is as well.
$coordinator->start;
ok($t->wait_for_state('healthy'), 'the coordinator is back, and all is well');
$coordinator->kill_hard('all');
FailoverTest::Lease::wait_until(time() + 3);
$coordinator->wait_killed;
$coordinator->start;
ok($t->wait_for_state('healthy'), 'also after it was killed');
$t->no_failover_ok(5, 'nothing was failed over');
$writer->stop;
is(scalar($writer->errors), 0, 'no write has failed in all of this');
is(scalar($writer->lost_rows($p)), 0, 'no acknowledged row is lost');
is($t->status('primary_peer'), 'p', 'the primary is the same');

# A quiet server keeps its lease as well: the standbys confirm what the library emits.
$coordinator->stop('fast');
FailoverTest::Lease::wait_until(time() + 3);
is($p->ask('INSERT INTO failover_test (writer, id) VALUES (99, 1)') // 'refused', '', 'a write after a quiet time is taken');

# It may hang, too: the status does not pretend.
$coordinator->start;
ok($t->wait_for_state('healthy'), 'the coordinator is back');
my $worker = $coordinator->freeze_process('failover coordinator');
ok($t->wait_for(q{SELECT coordinator = 'hung' AND state = 'unknown' AND blocked_by = 'coordinator' AND degraded_reasons[1] ~ '^the coordinator has been hanging for \d+ s$' FROM failover_status('main')}),
	'one that hangs is called that');
is($p->ask('INSERT INTO failover_test (writer, id) VALUES (99, 2)') // 'refused', '', 'a write meanwhile is taken');
$coordinator->thaw_process($worker);
ok($t->wait_for(q{SELECT coordinator = 'running' AND state = 'healthy' FROM failover_status('main')}), 'and when it goes on all is well');
$coordinator->stop('fast');

# A standby goes, and comes back, unseen.
$a->restart;
ok($p->ask_until(q{SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'}, '2'), 'a standby was restarted');
$coordinator->start;
ok($t->wait_for_state('healthy'), 'the coordinator finds everybody');
$t->no_failover_ok(3, 'and nothing to do');

# Of two standbys both are needed to renew a lease: with one of them gone the
# primary waits for the coordinator, which gives it a lease again at once.
$coordinator->stop('fast');
$a->stop('fast');
ok($p->ask_until('SELECT may_commit FROM failover_node_status()', 'f'), 'without coordinator and majority the lease ends');
$coordinator->start;
ok($p->ask_until('SELECT may_commit FROM failover_node_status()', 't'), 'the coordinator gives a new one');
ok($t->wait_for(q{SELECT health = 'unhealthy' FROM failover_health('main', 'a')}), 'and finds the standby gone');
$t->no_failover_ok(3, 'which is no reason to fail over');
$a->start;
ok($t->wait_for_state('healthy'), 'full redundancy again');

# The primary dies while nobody watches: it is replaced as soon as somebody does.
$coordinator->stop('fast');
$p->kill_hard('all');
$p->wait_killed;
$coordinator->start;
ok($t->wait_for_failover('p'), 'a primary that died meanwhile is replaced');
$p->start;
ok($t->wait_for_state('healthy'), 'and rejoins');

# The primary is moved by hand while nobody watches, as doc/operations.md says.
my $old = $t->status('primary_peer');
my ($new, $third) = grep { $_ ne $old } $t->names;
$coordinator->stop('fast');
$t->node($old)->stop('fast');
$t->node($new)->safe_psql('postgres', 'SELECT pg_promote()');
$t->node($new)->safe_psql('postgres', 'SELECT failover_node_release()');
$t->node($third)->safe_psql('postgres',
	"ALTER SYSTEM SET primary_conninfo = '" . $t->node($new)->conninfo . " application_name=$third'");
$t->node($third)->reload;
ok($t->node($new)->ask_until(q{SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'}, '1'), 'the primary is moved by hand');
$t->node($new)->safe_psql('postgres', 'INSERT INTO failover_test (writer, id) VALUES (99, 3)');
$coordinator->start;
ok($t->wait_for("SELECT primary_peer FROM failover_status('main')", $new), 'a promotion by hand is found and taken over');
ok($t->node($new)->ask_until('SELECT armed AND may_commit FROM failover_node_status()', 't'), 'the new primary is given a lease');
$t->node($old)->start;
ok($t->wait_for("SELECT role = 'standby' AND replication_state = 'streaming' FROM failover_health('main', '$old')"),
	'the old one becomes its standby');
ok($t->wait_for_state('healthy'), 'and so do all others');
$t->one_primary_ok;
is($t->count_operations('failover'), '1', 'one failover in all of this');

done_testing();
