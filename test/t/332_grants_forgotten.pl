# A former primary whose role may replicate but not read what a rewind reads, as
# after an installation that left the grants out: why it cannot come back, and
# what that role needs, is said in words that end where they should.  Once it has
# that, it comes back.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { block_period => '0', rejoin_attempts => 2, rejoin_backoff => '3s' })->start;
my ($p, @standbys) = map { $t->node($_) } qw(p a b);

$p->safe_psql('postgres', 'CREATE ROLE replicator LOGIN REPLICATION');
foreach my $node (@standbys)
{
	ok($t->wait_for_sql($node, q{SELECT count(*) FROM pg_roles WHERE rolname = 'replicator'}, '1'), 'a standby has the role');
	my $conninfo = $node->safe_psql('postgres', 'SHOW primary_conninfo');

	$conninfo =~ s/\s*\buser=\S+//g;
	$conninfo =~ s/'/''/g;
	$node->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = '$conninfo user=replicator'");
	$node->reload;
	ok($t->wait_for_sql($p, q{SELECT count(*) FROM pg_stat_replication WHERE usename = 'replicator' AND application_name = '} . $node->name . q{'}, '1'),
		'and follows with it');
}
$t->wait_for_checks(3);

$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is replaced');
$p->wait_killed;
$p->start;
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_timeline WHERE step = 'rejoin' AND status = 'running' AND detail ~ 'permission denied'}),
	'what an attempt met can be read before the last one has failed');
ok($t->wait_for(q{SELECT array_to_string(degraded_reasons, '; ') FROM failover_status('main')},
		q{peer "p" takes no writes, and could not become a standby: could not compare WAL with the new primary's: }
		. q{permission denied for function pg_read_binary_file; role "replicator" needs EXECUTE on pg_ls_dir, pg_stat_file and pg_read_binary_file there}),
	'what is missing, and who needs it, is the reason');

$t->node($t->status('primary_peer'))->safe_psql('postgres', q{GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean),
	pg_stat_file(text, boolean), pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean) TO replicator});
$t->sql(q{SELECT failover_acknowledge('main')});
ok($t->wait_for_state('healthy'), 'with that it comes back');

done_testing();
