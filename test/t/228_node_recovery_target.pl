# A recovery target that was left in the configuration, from a restore to a point
# in time, means nothing to a primary.  It does not promote or stop the standby
# that the primary becomes, and other servers' configuration stays as it is.
use strict;
use warnings;

use FailoverTest::Lease;
use Test::More;

my ($p, $lease_p) = FailoverTest::Lease->start_primary('p');
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
my $term = 1;
$lease_p->grant(term => $term, seconds => 3600);

# One in a file of the administrator's, one that ALTER SYSTEM has set and that is not in force, because the other is.
$p->append_conf('postgresql.conf',
	"recovery_target_time = '2020-01-01 00:00:00+00'\nrecovery_target_action = promote\nrecovery_target_timeline = current");
$p->append_conf('postgresql.auto.conf', "Recovery_Target_Time='2020-02-02 00:00:00+00'\nwork_mem = '5MB'");
$p->restart;

for my $round (1, 2)
{
	$lease_p->grant(term => ++$term, seconds => 3600);
	$p->safe_psql('postgres', 'INSERT INTO t VALUES (0)');
	$p->wait_for_catchup('a');
	become_standby($lease_p, $a, $lease_a);
	ok($p->streams_from($a), "round $round: a demoted primary follows beyond its recovery target");
	is($p->safe_psql('postgres', q{SELECT count(*) FROM t}), 2 * $round, 'and has what was committed since');
	my $conf = PostgreSQL::Test::Utils::slurp_file($p->data_dir . '/postgresql.auto.conf');
	is_deeply([ sort $conf =~ /^(recovery_target.*)/gmi ],
		[ map { "recovery_target$_" } " = ''", "_lsn = ''", "_name = ''", "_time = ''", "_timeline = 'latest'", "_xid = ''" ],
		'each of its settings is overridden once');
	is($p->safe_psql('postgres', 'SHOW work_mem'), '5MB', 'and what else was set there stays');

	become_standby($lease_a, $p, $lease_p);
	ok($a->streams_from($p), 'so does one that has none');
	unlike(PostgreSQL::Test::Utils::slurp_file($a->data_dir . '/postgresql.auto.conf'), qr/recovery_target/,
		'to which nothing is added');
}
is(scalar($p->logged(qr/recovery_target_time was set on this server, it is overridden/)), 1, 'the log tells of it once');

$_->stop foreach $p, $a;
done_testing();

# The primary is demoted, the other one promoted.
sub become_standby
{
	my ($lease, $new, $lease_new) = @_;

	$lease->demote($new, term => ++$term);
	ok($lease->{node}->ask_until('SELECT pg_is_in_recovery()', 't'), 'a primary is demoted');
	$lease_new->grant(term => $term, seconds => 3600);
	$new->safe_psql('postgres', 'SELECT pg_promote()');
	$new->safe_psql('postgres', 'INSERT INTO t VALUES (1)') if $new->name eq 'a';
	return;
}
