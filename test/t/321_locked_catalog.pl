# Drill: the primary dies, or freezes, in the middle of a transaction that has locked
# system catalogs, as VACUUM FULL does.  Its standbys hold that lock until one of them is
# promoted, and no session there can look up what it has not looked up before.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { sync_mode => 'quorum', block_period => '0', lease_time => '1s', check_interval => '200ms' })->start;
my ($p, $a, $b) = $t->nodes;

$t->sync_set_ok('p', 'a', 'b');
my $locker = lock_catalogs($p);
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the dead primary is replaced');
my $new = $t->node($t->one_primary_ok);
ok(defined $new->ask('INSERT INTO failover_test (writer, id) VALUES (1, 1)'), 'which takes writes, and is followed by the other standby');

$p->wait_killed;
$p->start;
ok($t->wait_for_state('healthy'), 'full redundancy');
$locker = lock_catalogs($new);
$new->freeze('all');
ok($t->wait_for_failover($new->name), 'one that is frozen is replaced as well');
$new->thaw;
$locker->quit;
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->node($t->one_primary_ok)->safe_psql('postgres', 'SELECT count(*) FROM failover_test'), '1', 'nothing is lost');

done_testing();

# Returns the session when both standbys have the locks, and the coordinator has gone on checking them.
sub lock_catalogs
{
	my ($primary) = @_;
	my $session = $primary->background_psql('postgres', on_error_stop => 0);
	my $lsn;

	# Looked up before, or this session could not either.
	$session->query_safe(q{SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= '0/1'});
	$session->query_safe('BEGIN; LOCK pg_proc, pg_operator, pg_type, pg_class, pg_attribute IN ACCESS EXCLUSIVE MODE; SELECT pg_current_xact_id()');
	$lsn = $session->query_safe('SELECT pg_switch_wal()');
	ok(FailoverTest::Node::until_true(sub { $session->query_safe("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= '$lsn'") eq '2' }),
		'both standbys hold the locks of ' . $primary->name);
	$t->wait_for_checks(5);
	is($t->status('state'), 'healthy', 'which troubles nobody so far');
	return $session;
}
