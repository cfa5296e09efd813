# Drill: the primary dies in the middle of a transaction that has locked a system
# catalog, as VACUUM FULL does.  Its standbys hold that lock until they are promoted,
# and no session there can look up what it has not looked up before.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { block_period => '0', lease_time => '1s', check_interval => '200ms' })->start;
my ($p, $a, $b) = $t->nodes;
my $locker = $p->background_psql('postgres');

$locker->query_safe('SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_insert_lsn()');
$locker->query_safe('BEGIN; LOCK pg_proc, pg_class, pg_attribute, pg_type IN ACCESS EXCLUSIVE MODE; SELECT pg_current_xact_id()');
my $lsn = $locker->query_safe('SELECT pg_switch_wal()');
ok(FailoverTest::Node::until_true(sub { $locker->query_safe("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= '$lsn'") eq '2' }),
	'both standbys have the lock');
$t->wait_for_checks(5);
is($t->status('state'), 'healthy', 'which troubles nobody so far');
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the dead primary is replaced');

done_testing();
