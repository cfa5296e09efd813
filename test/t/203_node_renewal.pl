# While the coordinator is away, a majority of the standbys keeps the lease
# alive, and nothing else does: no stranger, not even one of the same name.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use IPC::Run;
use Test::More;

my ($p, $lease) = FailoverTest::Lease->start_primary('p',
	conf => "wal_level = logical\nwal_sender_timeout = 60s\nwal_receiver_timeout = 1s\nlog_min_messages = warning");
my %node = (p => $p);
($node{$_}) = FailoverTest::Lease->start_standby($_, $p) foreach qw(a b c);
my $length = 2;
my $alone = 10 + 1;

# ---- no standbys named: nobody renews ----

$lease->grant(term => 1, seconds => $length);
ok(ends(), 'a lease ends if the coordinator named no standbys');

# ---- two of three are enough ----

$lease->grant(term => 1, seconds => $length, standbys => [ 'a', 'b', 'c' ], standbys_version => 1);
ok(outlives(3), 'three standbys renew the lease of a quiet primary');
$node{p}->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
my $before = $node{p}->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
ok(outlives(3), 'and go on');
cmp_ok($node{p}->safe_psql('postgres', "SELECT pg_current_wal_lsn() - '$before'"), '<', 100 * 500,
	'for a few bytes of WAL');

# What others write counts as soon as it is sent.
my $trickle = IPC::Run::start([ 'psql', '-X', '-d', $node{p}->connstr('postgres'),
		'-c', 'DO $$BEGIN LOOP INSERT INTO t VALUES (2); PERFORM count(*) FROM generate_series(1, 50000); END LOOP; END$$' ], '>', '/dev/null', '2>', '/dev/null');
$node{p}->ask_until(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'}, '1') or die 'nobody writes';
ok(outlives(3), 'a transaction that fills no page does not keep the standbys from renewing');
$node{p}->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %'});
$trickle->finish;

$node{c}->stop;
ok(outlives(3), 'two of three are enough');
$node{b}->freeze('all');
ok(ends(), 'one is not, though the other is still connected and silent');
$node{b}->thaw;
ok($node{p}->ask_until('SELECT may_commit FROM failover_node_status()', 't'), 'the lease is revived when the second is back');
ok(outlives(2), 'and kept');

# ---- a freeze renews nothing by itself ----

$node{p}->freeze('all');
FailoverTest::Lease::wait_until(Time::HiRes::time() + $length + 0.5);
$node{b}->freeze('all');
$node{a}->freeze('all');
$node{p}->thaw;
ok(ends(), 'confirmations that lay in the sockets of a frozen host renew nothing');
$_->thaw foreach $node{a}, $node{b};
ok($node{p}->ask_until('SELECT may_commit FROM failover_node_status()', 't'), 'new ones do');

# ---- other connections and other names do not count ----

$lease->hear(term => 1, standbys => [ 'a', 'x', 'y' ], standbys_version => 2);
ok(ends(), 'connections of others do not stand for standbys that are missing');
$lease->hear(term => 1, standbys => [ 'a', 'b' ], standbys_version => 3);
ok($node{p}->ask_until('SELECT may_commit FROM failover_node_status()', 't'), 'names are what counts');
is($lease->status('node_standbys_version'), '3', 'and the coordinator can see which ones');

# A subscription may bear the name of a standby that is not there.
my $subscriber = FailoverTest::Node->new('subscriber');
$subscriber->init;
$subscriber->start;
$subscriber->safe_psql('postgres', 'CREATE TABLE t (id bigint)');
$node{p}->safe_psql('postgres', 'CREATE PUBLICATION t FOR TABLE t');
$subscriber->safe_psql('postgres',
	q{CREATE SUBSCRIPTION x CONNECTION '} . $node{p}->conninfo . q{' PUBLICATION t WITH (copy_data = false)});
$node{p}->ask_until(q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'x' AND state = 'streaming'}, '1')
  or die 'the subscription does not stream';
$lease->hear(term => 1, standbys => [ 'a', 'x', 'y' ], standbys_version => 4);
ok(ends(), 'a subscription does not stand for the standby whose name it bears');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION x');
$subscriber->stop;
$lease->hear(term => 1, standbys => [ 'a', 'b' ], standbys_version => 5);
ok($node{p}->ask_until('SELECT may_commit FROM failover_node_status()', 't'), 'the standby does');

my $twice = $lease->hear_fails(term => 1, standbys => [ 'a', 'b', 'a' ], standbys_version => 6);
like($twice, qr/22023.*standby "a" is listed twice/, 'nobody has two words');

# ---- two of one name ----

# A clone that nobody registered has kept the name of a standby that counts.
$node{c}->start;
$node{d} = FailoverTest::Node->new('d');
$node{d}->init_standby($node{p}, 'base');
$node{d}->append_conf('postgresql.auto.conf',
	"primary_conninfo = '" . $node{c}->safe_psql('postgres', 'SHOW primary_conninfo') . "'");
my $log = -s $node{p}->logfile;
my $pair = qr/two walsenders serve standbys that call themselves "c"/;
$node{d}->start;
$lease->grant(term => 1, seconds => $length, standbys => ['c'], standbys_version => 5);
ok($node{p}->wait_for_log($pair, $log), 'two standbys of one name are noticed');
ok(outlives(3), 'while both are there the lease is renewed');
$node{c}->stop;
ok(ends(), 'the one that is left does not renew it alone');
is($node{p}->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'c' AND state = 'streaming'}),
	'1', 'though it streams');
$lease->grant(term => 1, seconds => $length, standbys => ['c'], standbys_version => 5);
ok(ends(), 'nor after a word of the coordinator, which may not know yet that a standby is missing');
my $coordinator = $lease->start_renewer(term => 1, seconds => $length, every => 0.2);
FailoverTest::Lease::wait_until(Time::HiRes::time() + $alone + 2);
$coordinator->stop;
ok(outlives(3), 'but after one when it has been alone for long');

# Granted leases need no marker, so an idle standby has nothing to say; and this one is there for a moment.
$coordinator = $lease->start_renewer(term => 1, seconds => $length, every => 0.2);
$log = -s $node{p}->logfile;
$node{c}->start;
ok($node{p}->wait_for_log($pair, $log), 'two are noticed, though neither says a word');
$node{c}->kill_hard('all');
$lease->hear(term => 1, standbys => [ 'b', 'c' ], standbys_version => 6);
$lease->hear(term => 1, standbys => ['c'], standbys_version => 7);
$coordinator->stop;
ok(ends(), 'that is remembered of a name, whatever its place in the list');
$node{d}->stop;
$lease->grant(term => 1, seconds => $length, standbys => ['a'], standbys_version => 8);
ok(outlives(3), 'another name is not concerned');

# ---- lists that overtake each other ----

$lease->grant(term => 1, seconds => $length, standbys => ['x'], standbys_version => 4);
is($lease->status('node_standbys_version'), '8', 'an older list does not replace a newer one');
ok(outlives(3), 'nor does it end the lease');
$lease->grant(term => 1, seconds => 2 * $length, standbys => [ 'a', 'b' ], standbys_version => 9);
$lease->hear(term => 1, lease_us => $length * 1_000_000, standbys => [ 'a', 'b' ], standbys_version => 10);
FailoverTest::Lease::wait_until(Time::HiRes::time() + 2 * $length);
cmp_ok($lease->status('lease_until_us - clock_us'), '<=', $length * 1_000_000, 'a new lease time holds without a grant, too');
ok(outlives(2), 'for renewals that go on');

# ---- terms and fences ----

$lease->fence(term => 1);
is($lease->status('may_commit'), 'f', 'a fence ends the lease');
ok(!comes_back(2), 'and standbys do not bring it back');
$lease->grant(term => 2, seconds => $length);
ok(outlives(2), 'in a new term they do');
$node{p}->restart;
$node{p}->ask_until('SELECT count(*) FROM pg_stat_replication', '2');
ok(!comes_back(2), 'after a restart the coordinator has to speak first');

$_->stop foreach map { $node{$_} } qw(a b p);
done_testing();

# Is the lease held during that many lease times from now, without interruption?
sub outlives
{
	my ($times) = @_;
	my $from = $lease->status('clock_us');
	my $held = 't';

	while ($held eq 't')
	{
		my ($now, $may) = split(/\|/, $lease->status(q{clock_us || '|' || may_commit}));
		return 1 if $now > $from + $times * $length * 1_000_000;
		$held = $may eq 'true' ? 't' : 'f';
		FailoverTest::Lease::wait_until(Time::HiRes::time() + 0.1);
	}
	return 0;
}

# Does it come to be held during that many lease times?
sub comes_back
{
	my ($times) = @_;
	my $from = $lease->status('clock_us');

	while ($lease->status('clock_us') < $from + $times * $length * 1_000_000)
	{
		return 1 if $lease->status('may_commit') eq 't';
		FailoverTest::Lease::wait_until(Time::HiRes::time() + 0.1);
	}
	return 0;
}

# Does it end, and stay ended for a while?
sub ends
{
	return $node{p}->ask_until('SELECT may_commit FROM failover_node_status()', 'f') && !comes_back(1.5);
}
