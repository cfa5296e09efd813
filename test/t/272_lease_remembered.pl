# What a primary was told of its lease counts when it has fallen silent, also for
# a coordinator that was started again and has other settings, or other peers,
# by then: for how long, by whom it is renewed, and that it has one at all.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use FailoverTest::Writer;
use Test::More;

plan(skip_all => 'no private network on this machine') unless FailoverTest::Net::available();

my $t = FailoverTest->new(
	standbys => 3,
	network => 1,
	library => 1,
	conf => 'wal_receiver_timeout = 3s',
	settings => { block_period => '0', lease_time => '2s', check_interval => '200ms' })->start;
my $p = $t->node('p');
my $version = q{SELECT node_standbys_version FROM failover_node_status()};

# ---- what is told is written down before ----

remembers('00:00:02 a,b,c', 'it is written down what the primary was told');

# Who does not receive renews nothing, and a stranger of that name must not.
my %conninfo = map { $_ => $t->node($_)->safe_psql('postgres', 'SHOW primary_conninfo') } qw(a b c);
follow($_, '') foreach qw(a b c);
remembers('00:00:02 ', 'it is told of nobody when nobody receives from it');
follow($_, $conninfo{$_}) foreach qw(a b c);
remembers('00:00:02 a,b,c', 'and of all when they do again');

my $row = $t->sql(remembered(q{xmin || ' ' || lease_version}));
$t->wait_for_checks(5);
is($t->sql(remembered(q{xmin || ' ' || lease_version})), $row, 'what does not change is not written again');

$t->sql(<<'EOF');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not now'; END$$;
CREATE TRIGGER refuse BEFORE UPDATE ON failover_peer_state FOR EACH ROW EXECUTE FUNCTION refuse();
EOF
my $before = $p->safe_psql('postgres', $version);
$t->set('lease_time', '8s');
ok($t->coordinator->wait_for_log(qr/not now/), 'a longer lease time cannot be written down');
$t->wait_for_checks(10);
is($p->safe_psql('postgres', $version), $before, 'so the primary is not told');
cmp_ok($p->safe_psql('postgres', 'SELECT lease_until_us - clock_us FROM failover_node_status()'),
	'<=', 2_000_000, 'and is not granted it');
is($p->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't', 'but goes on as it was');
$t->sql('DROP TRIGGER refuse ON failover_peer_state; DROP FUNCTION refuse()');
remembers('00:00:08 a,b,c', 'now it can be, and is told');

# ---- another list, and a new process ----

# Half of the servers is on the other side, and goes on.
my $writer = FailoverTest::Writer->start([$p], name => 'old', writers => 1, timeout_ms => 2000);
ok($writer->wait_for_more(20), 'clients write');
foreach my $one (qw(p b c))
{
	$t->net->cut($one, $_) foreach qw(coordinator a);
}
my $failed = q{SELECT count(*) FROM failover_history WHERE error ~ 'too few standbys'};
ok($t->wait_for("SELECT ($failed) > 0"), 'a lease that may be renewed holds up a failover');
unregister($_) foreach qw(b c);
restart_worker();
my $so_far = $t->sql($failed);
ok($t->wait_for("SELECT ($failed) > $so_far"), 'and one of a process that has seen neither the primary nor who renews');
is($t->sql(q{SELECT rule <> 109 FROM failover_evaluate('main')}), 't', 'which knows that the primary has a lease');
my (undef, $forced) = $t->try_sql(q{SELECT status FROM failover_trigger('main', force => true)});
isnt($forced, 'completed', 'force does not shorten it');
ok($writer->wait_for_more(20), 'the primary goes on');
is($t->status('primary_peer'), 'p', 'as the only one');
$t->net->heal;
remembers('00:00:08 a', 'with the wires back it is told the present list');
ok($t->wait_for_state('healthy'), 'and all is well');

# ---- a shorter lease time, and a new process ----

ok($writer->wait_for_more(20), 'clients write');
$t->net->cut_off('p');
ok($t->wait_for(q{SELECT count(*) FROM failover_timeline WHERE step = 'lease' AND status = 'running'}, 1),
	'a failover waits for the end of the lease');
$t->set('lease_time', '1s');
restart_worker();
ok($t->wait_for_failover('p'), 'a new process goes on with it');
my $promoted =
  $t->sql(q{SELECT extract(epoch FROM started_at) FROM failover_timeline WHERE step = 'promote' ORDER BY event_id DESC LIMIT 1});
ok($t->wait_for_sql($p, 'SELECT may_commit FROM failover_node_status()', 'f'), 'the old primary stops by itself');
$writer->stop;
is($writer->count_acknowledged($promoted), 0, 'no commit of the old primary is acknowledged after the promotion');

done_testing();

sub remembered { return "SELECT $_[0] FROM failover_peer_state WHERE peer_name = 'p'" }

# The primary has been told that, and has taken it; the names are in the order of the peers'.
sub remembers
{
	my ($expected, $what) = @_;
	my $told = q{lease_time || ' ' || array_to_string(renewers, ',') || ' ' || lease_time_before || armed};

	ok($t->wait_for(remembered($told), "$expected 00:00:00true"), $what);
	return is($p->safe_psql('postgres', $version), $t->sql(remembered('lease_version')), 'and the primary knows the same');
}

# Or nobody, where it is ''.
sub follow
{
	my ($name, $conninfo) = @_;

	$t->sql(sprintf("SELECT failover_set_maintenance('main', '$name', %s)", $conninfo eq '' ? 'true' : 'false'));
	$t->node($name)->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = '$conninfo'");
	$t->node($name)->safe_psql('postgres', 'SELECT pg_reload_conf()');
	return;
}

# Not while an operation runs, and they follow each other here.
sub unregister
{
	my ($name) = @_;
	my $status;

	for (1 .. 200)
	{
		($status) = $t->try_sql("SELECT failover_unregister('main', '$name')");
		last if $status == 0;
		FailoverTest::Lease::wait_until(Time::HiRes::time() + 0.05);
	}
	return is($status, 0, "$name is unregistered");
}

sub restart_worker
{
	$t->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'failover coordinator'});
	return;
}
