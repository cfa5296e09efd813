# Drill: connections are exhausted, pg_hba rejects, the password is wrong.  Each
# proves a living server: never a failover, and it is said clearly.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	conf => "max_connections = 15\nsuperuser_reserved_connections = 0",
	settings => { connect_check_interval => '1s', failure_threshold => 1, reconnect_backoff => '500ms' })->start;
my $p = $t->node('p');
my $hba = PostgreSQL::Test::Utils::slurp_file($p->data_dir . '/pg_hba.conf');
my $lose_session = q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'failover%' AND application_name <> 'failover test'};

# Says the class, alerts, and does nothing.
sub stays_ok
{
	my ($class, $what) = @_;

	ok($t->wait_for("SELECT error_class = '$class' FROM failover_health('main', 'p')"), "$what: seen as $class");
	$t->no_failover_ok(5, "$what: no failover");
	isnt($t->verdict, 'failover', "$what: the dry run would not fail over either");
	is($t->status('primary_peer'), 'p', "$what: the primary stays");
	isnt($t->sql(q{SELECT coalesce(last_error, '') FROM failover_health('main', 'p')}), '', "$what: the error is shown");
	return;
}

# One session stays for us; twelve places of fifteen are taken here, the last three
# by clients that try again, as a check may have one of them just now: the
# coordinator's own at last.
my $ours = $p->background_psql('postgres');
my @taken = map { $p->background_psql('postgres') } 2 .. 12;
push @taken, FailoverTest::Writer->start([$p], writers => 4, name => 'greedy');
# Whoever connects first gets the place that is given up: again, until it is not the coordinator.
for (1 .. 100)
{
	$ours->query($lose_session);
	last if $t->wait_for_checks(1) && $t->sql(q{SELECT error_class = 'too_many_connections' FROM failover_health('main', 'p')}) eq 't';
}
stays_ok('too_many_connections', 'connections exhausted');
(pop @taken)->stop;
$_->quit foreach @taken, $ours;
ok($t->wait_for_state('healthy'), 'connections exhausted: healthy again when there is room');

$p->set_hba("local all all trust\nlocal replication all trust\nhost replication all 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 reject\n");
$p->safe_psql('postgres', $lose_session);
stays_ok('auth', 'pg_hba rejects');

$p->set_hba("local all all trust\nhost replication all 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n");
stays_ok('auth', 'password missing');

$p->set_hba($hba);
ok($t->wait_for_state('healthy'), 'healthy again when it is let in');
is($t->count_operations('failover'), '0', 'no failover in all of this');

done_testing();
