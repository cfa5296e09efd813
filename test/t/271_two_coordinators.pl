# Drill: two coordinators for one group.  The one with the older term is refused
# by the servers, says so once, and does nothing; there is one primary, under
# load, all the time.  A standby of the coordinator's server takes over when it
# is promoted, and a late return of the former one does no harm.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Node;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { lease_time => '2s', block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;
my $first = $t->coordinator;
my $writer = $t->start_writer(timeout_ms => 1000);
ok($writer->wait_for_more(50), 'clients write');

my $name = owner($p);
like($name, qr{^.+:\d+/\d+$}, 'the servers know their coordinator by a name of its own');
is($t->sql('SELECT name FROM failover_identity'), $name, 'which it keeps in a table');
$first->restart;
ok($t->wait_for(q{SELECT state = 'healthy' FROM failover_status('main')}), 'the coordinator is restarted');
is(owner($p), $name, 'and has the same name');
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';
$first->command_ok([ 'pg_dump', '-f', $dump, $first->connstr('postgres') ], 'its database is dumped');
unlike(PostgreSQL::Test::Utils::slurp_file($dump), qr/\Q$name\E/, 'the name is in no dump: what is restored is another coordinator');

# ---- a second one is given the same servers ----

my $second = FailoverTest::Node->new('second');
$second->init(allows_streaming => 1);
$second->use_library('coordinator');
$second->start;
$second->safe_psql('postgres', 'CREATE EXTENSION failover');
my $term = node_term($p);
{
	local $t->{coordinator} = $second;
	$t->sql(q{SELECT failover_create_group('main')});
	$t->set($_, $t->{settings}{$_}) foreach sort keys %{ $t->{settings} };
	$t->register($_) foreach qw(p a b);
	ok($t->wait_for_state('healthy'), 'the later one takes over');
	is($t->status('fencing'), 'lease', 'and grants the lease');
}
ok(node_term($p) > $term, 'in a newer term');
my $other = owner($p);
isnt($other, $name, 'under another name');
ok($t->wait_for(q{SELECT rule = 4 FROM failover_evaluate('main')}), 'the former one learns of it');
like($t->sql(q{SELECT reason FROM failover_evaluate('main')}), qr/\Q$other\E.*has taken over with term/, 'and says who it is');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'superseded'}), '1', 'it is an event, one');
foreach my $call ('failover_trigger(\'main\')', 'failover_switchover(\'main\')', 'failover_rejoin(\'main\', \'a\')')
{
	my ($status, $out, $err) = $t->try_sql("SELECT $call");
	like($err, qr/55000.*has taken over group "main".*HINT: .*Ask that coordinator/s, "$call is refused there");
}

# Nor does what was scheduled there move a primary to which it could grant no lease.
my $event = $t->sql(q{SELECT failover_schedule('main', 'switchover', clock_timestamp() + '1s', 'a')});
ok($t->wait_for(q{SELECT message ~ 'waits, .*has taken over group "main"' FROM failover_events WHERE kind = 'schedule_held'}), 'a scheduled switchover waits there');
is($t->sql('SELECT count(*) FROM failover_history'), '0', 'and has not begun');
is($p->ask('SELECT may_commit FROM failover_node_status()'), 't', 'the primary is not fenced');
$t->sql("SELECT failover_cancel($event)");
ok($writer->wait_for_more(50), 'clients go on writing');
$t->wait_for_checks(10);
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'superseded'}), '1', 'it says so once');
is(scalar($first->logged(qr/has taken over with term/)), 1, 'in the log, too');
is(owner($_), $other, $_->name . ' has the later one') foreach $p, $a, $b;

# ---- the primary dies: one of them acts ----

my $before = $t->count_operations('failover');
$p->kill_hard('all');
{
	local $t->{coordinator} = $second;
	ok($t->wait_for_failover('p'), 'the later one fails over');
	$t->one_primary_ok('to one primary');
	$p->wait_killed;
	$p->start;
	ok($t->wait_for_state('healthy'), 'and brings the old one back');
}
is($t->count_operations('failover'), $before, 'the former one has done nothing');
is($t->sql(q{SELECT verdict FROM failover_evaluate('main')}), 'hold', 'and holds');

# ---- a standby of the coordinator's server ----

$second->backup('coordinator');
my $third = FailoverTest::Node->new('third');
$third->init_standby($second, 'coordinator');
$third->start;
$second->wait_for_catchup('third');
ok($second->ask_until('SELECT copied FROM failover_identity', 't'), 'a coordinator that is copied remembers it');
$second->wait_for_catchup('third');
my $primary = $second->safe_psql('postgres', q{SELECT primary_peer FROM failover_status('main')});
my ($silent, $standby) = map { $t->node($_) } grep { $_ ne $primary } $t->names;
$silent->freeze('all');
$second->stop('fast');
$third->safe_psql('postgres', 'SELECT pg_promote()');
{
	local $t->{coordinator} = $third;
	ok($t->wait_for(q{SELECT count(*) = 1 FROM failover_events WHERE kind = 'taken_over'}), 'promoted, it takes over');
	ok($t->wait_for(told_before($standby->name), '00:00:00 {}'), 'who answers knows what it is told now');
	is($t->sql(told_before($silent->name)), '00:00:02 any', 'who does not may know any list of who renews a lease');
	$silent->thaw;
	ok($t->wait_for(told_before($silent->name), '00:00:00 {}'), 'until it answers');
	ok($t->wait_for_state('healthy'), 'with all that is known');
	isnt(owner($standby), $other, 'under a name of its own');
	is($t->status('primary_peer'), $primary, 'and with the primary that was');
	$t->node($primary)->kill_hard('all');
	ok($t->wait_for_failover($primary), 'and fails over');
	$t->one_primary_ok('to one primary');
	$primary = $t->status('primary_peer');
}
my $owner = owner($t->node($primary));

# The former one returns, and believes what was true before.
$second->start;
{
	local $t->{coordinator} = $second;
	ok($t->wait_for(q{SELECT rule = 4 FROM failover_evaluate('main')}), 'the former one returns late and is refused');
	is($t->sql(q{SELECT count(*) FROM failover_history WHERE kind = 'failover'}), '1', 'it does nothing');
}
is(owner($t->node($primary)), $owner, 'the primary stays with its coordinator');
is(join(' ', $t->primaries), $primary, 'and is the only one');
ok($writer->wait_for_more(50), 'clients write');
$writer->stop;
$t->losses_admitted_ok($writer, $t->node($primary), $second, $third);

$_->stop foreach $second, $third;
done_testing();

sub told_before
{
	my ($peer) = @_;
	return "SELECT lease_time_before || ' ' || coalesce(renewers_before::text, 'any') FROM failover_peer_state WHERE peer_name = '$peer'";
}

sub owner
{
	my ($node) = @_;
	return $node->safe_psql('postgres', 'SELECT node_coordinator FROM failover_node_status()');
}

sub node_term
{
	my ($node) = @_;
	return $node->safe_psql('postgres', 'SELECT node_term FROM failover_node_status()');
}
