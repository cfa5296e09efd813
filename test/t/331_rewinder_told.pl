# Servers with the node library rewind themselves, as the role that their
# primary_conninfo names.  failover_preflight tells which of its privileges are
# missing before one of them is needed, and says nothing of the coordinator's
# role, which rewinds nobody here.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1)->start;
my ($p, $a) = ($t->node('p'), $t->node('a'));

sub findings
{
	return $t->sql(q{SELECT string_agg(concat_ws(' ', peer_name, severity || ':', finding), E'\n' ORDER BY peer_name)
		FROM failover_preflight('main') WHERE finding ~ 'pg_ls_dir|pg_stat_file|pg_read_binary_file'});
}

# Points a at the primary as that user; the rest is as it was.
sub follow_as
{
	my ($user, $more) = @_;
	my $conninfo = $a->safe_psql('postgres', 'SHOW primary_conninfo');

	$conninfo =~ s/\s*\b(?:user|dbname)=\S+//g;
	$conninfo .= " user=$user $more";
	$conninfo =~ s/'/''/g;
	$a->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = '$conninfo'");
	$a->reload;
	ok($t->wait_for_sql($a, q{SELECT current_setting('primary_conninfo') ~ 'user=} . $user . q{' AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')}),
		"a follows as $user");
	return;
}

$p->safe_psql('postgres', 'CREATE ROLE replicator LOGIN REPLICATION');
$p->safe_psql('postgres', $t->sql(q{SELECT failover_peer_grants(current_setting('server_version_num')::int)}));
my $conninfo = $a->conninfo;
$conninfo =~ s/user=\S+/user=failover/ or $conninfo .= ' user=failover';
ok($t->wait_for_sql($a, q{SELECT count(*) FROM pg_roles WHERE rolname IN ('replicator', 'failover')}, '2'), 'a standby has the roles');
$t->sql("SELECT failover_alter_peer('main', 'a', conninfo => '$conninfo')");
ok($t->wait_for(q{SELECT health = 'healthy' AND node_library FROM failover_health('main', 'a')}), 'it is watched by a role that may not rewind');
is(findings(), '', 'which does not matter where a superuser rewinds');

follow_as('replicator', '');
is(findings(), 'a warning: it cannot be rewound: the role of its primary_conninfo may not call pg_ls_dir, pg_stat_file, pg_read_binary_file',
	'what the role lacks that does rewind is told');
$p->safe_psql('postgres', q{GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean),
	pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean) TO replicator});
ok($t->wait_for_sql($a, q{SELECT has_function_privilege('replicator', 'pg_ls_dir(text, boolean, boolean)', 'EXECUTE')}), 'it is granted');
is(findings(), '', 'and no finding any more');

$p->safe_psql('postgres', q{REVOKE EXECUTE ON FUNCTION pg_stat_file(text, boolean) FROM replicator});
ok($t->wait_for_sql($a, q{SELECT NOT has_function_privilege('replicator', 'pg_stat_file(text, boolean)', 'EXECUTE')}), 'one is revoked');
like(findings(), qr/ may not call pg_stat_file$/, 'one that is missing is enough');
follow_as('replicator', 'dbname=elsewhere');
is(findings(), '', 'of its privileges in another database nothing is known');

done_testing();
