# A coordinator whose role may do everything but one thing that a promotion
# takes: the standbys are no candidates, and say why; a switchover is refused
# while the primary takes writes, not found impossible when it has stopped.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, standbys => 1, conf => 'wal_keep_size = 256MB');
$t->start_servers;
$t->start_coordinator;
my ($p, $a) = $t->nodes;
$p->safe_psql('postgres', $t->sql('SELECT string_agg(line, E\'\n\') FROM failover_peer_grants(current_setting(\'server_version_num\')::int) AS g(line)'));
$p->wait_for_catchup('a');
$t->sql(q{SELECT failover_create_group('main')});
$t->sql("SELECT failover_register('main', '" . $_->name . "', '" . ($_->conninfo =~ s/user=\S+/user=failover/r) . "')") foreach $p, $a;
ok($t->wait_for_state('healthy'), 'with the role of failover_peer_grants the group is healthy');
my $is_eligible = q{SELECT eligible FROM failover_candidates('main') WHERE peer_name = 'a'};
ok($t->wait_for($is_eligible), 'and the standby a candidate');
my $writer = $t->start_writer(timeout_ms => 1000);

foreach my $right (
	[ 'EXECUTE ON FUNCTION pg_promote(boolean, integer)', 'EXECUTE on pg_promote' ],
	[ 'EXECUTE ON FUNCTION pg_reload_conf()', 'EXECUTE on pg_reload_conf' ],
	[ 'ALTER SYSTEM ON PARAMETER primary_conninfo', 'ALTER SYSTEM on primary_conninfo' ],
	[ 'EXECUTE ON FUNCTION failover_node_prepare_promotion(bigint, bigint, text)', 'EXECUTE on failover_node_prepare_promotion' ])
{
	my ($sql, $what) = @$right;

	$p->safe_psql('postgres', "REVOKE $sql FROM failover");
	ok($t->wait_for($is_eligible, 'f'), "without $what it is none");
	is($t->sql(q{SELECT reason FROM failover_candidates('main') WHERE peer_name = 'a'}),
		'does not grant the coordinator the privileges to operate it', 'and why');
	is($t->status('failover_possible'), 'f', 'failover is not possible, says the status');
	like($t->sql(q{SELECT finding FROM failover_preflight('main') WHERE peer_name = 'a' AND severity = 'error'}), qr/lacks privileges: \Q$what\E/, 'what is missing, says the preflight');
	my (undef, undef, $error) = $t->try_sql(q{SELECT failover_switchover('main', 'a')});
	like($error, qr/55000: no standby can be promoted: "a": does not grant/, 'a switchover is refused');
	$p->safe_psql('postgres', "GRANT $sql TO failover");
	ok($t->wait_for($is_eligible), 'granted again it is a candidate again');
}
ok($writer->wait_for_more(50), 'clients write');
is($t->sql('SELECT count(*) FROM failover_history'), '0', 'and nothing was begun');
is($t->one_primary_ok('one primary'), 'p', 'that takes writes');

is($t->sql(q{SELECT status, to_peer, error FROM failover_switchover('main', 'a')}), 'completed|a|', 'with all of them the switchover succeeds');
ok($t->wait_for_state('healthy'), 'with full redundancy');
$writer->stop;
is(scalar($writer->lost_rows($a)), 0, 'no acknowledged row is lost');

done_testing();
