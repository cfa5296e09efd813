# Whether a server could connect to the others, to follow them and to be rewound, is tried
# before that is needed: failover_preflight names those that do not let it in, and says what to
# do.  A planned move is refused where the old primary could not follow the new one.
use strict;
use warnings;

use FailoverTest;
use Test::More;
use Time::HiRes ();

my $t = FailoverTest->new(library => 1, settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;
my $me = getpwuid($<);
my $trusting = PostgreSQL::Test::Utils::slurp_file($a->data_dir . '/pg_hba.conf');
my $entry = 'host "127.0.0.1", user "replicator", database "postgres", no encryption';

my $findings = q{SELECT coalesce(string_agg(concat_ws(' ', peer_name, severity || ':', finding), E'\n' ORDER BY peer_name), '')
	FROM failover_preflight('main') WHERE finding ~ 'could not (follow|be rewound)'};

# The rows of the function on a server, for those connection strings.
sub try_from
{
	my ($node, @conninfos) = @_;
	my $array = join(', ', map { "'$_'" } @conninfos);

	return $node->safe_psql('postgres', "SELECT source, problem, for_replication FROM failover_node_try_sources(ARRAY[$array]::text[])");
}

# The SQLSTATE of a call with that argument.
sub refusal
{
	my ($node, $argument, $before) = @_;
	my (undef, undef, $error) = $node->psql('postgres',
		"\\set VERBOSITY verbose\n" . ($before // '') . "SELECT * FROM failover_node_try_sources($argument)");

	return $error =~ /ERROR:  (\w+):/ ? $1 : "no error: $error";
}

# ---- a role that replicates, and may do what a rewind does ----

$p->safe_psql('postgres', q{
	CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'open-sesame';
	GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text),
		pg_read_binary_file(text, bigint, bigint, boolean) TO replicator;
});
foreach my $node ($a, $b)
{
	ok($t->wait_for_sql($node, q{SELECT count(*) FROM pg_roles WHERE rolname = 'replicator'}, '1'), 'a standby has the role');
	my $conninfo = $node->safe_psql('postgres', 'SHOW primary_conninfo') =~ s/\buser=\S+/user=replicator/r;

	$conninfo =~ s/'/''/g;
	$node->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = '$conninfo'");
	$node->reload;
	ok($t->wait_for_sql($p, q{SELECT count(*) FROM pg_stat_replication WHERE usename = 'replicator' AND application_name = '} . $node->name . q{'}, '1'),
		'and follows with it');
}
ok($t->wait_for(q{SELECT count(*) FROM failover_peer_state WHERE follow_conninfo ~ 'user=.?replicator'}, '2'), 'the coordinator has seen that');
is($t->sql($findings), '', 'nothing is found where everybody is let in');

# ---- pg_hba.conf ----

my $narrow = "local all all trust\nhost all $me all trust\nhost replication all all trust\n";
$a->set_hba($narrow);
ok($t->wait_for($findings, join("\n", map { qq{$_ warning: could not be rewound from "a": no pg_hba.conf entry for $entry} } qw(b p))),
	'a server that lets the role replicate, but into no database, is named, by a primary too that was no standby yet');
like($t->sql(q{SELECT DISTINCT hint FROM failover_preflight('main') WHERE finding ~ 'could not be rewound'}), qr/pg_hba\.conf.*passfile/, 'with what to do');
$p->set_hba($narrow);
ok($t->wait_for($findings, qr/^b warning: could not be rewound from "a", "p": no pg_hba.conf entry for \Q$entry\E$/m), 'two are named together');
$p->set_hba($trusting);
ok($t->wait_for($findings, qr/^b warning: could not be rewound from "a": /m), 'until one of them is mended');

# ---- and its entries for replication, without which it could not be followed ----

$a->set_hba("local all all trust\nlocal replication all trust\nhost all all all trust\n");
my $replication = 'no pg_hba.conf entry for replication connection from host "127.0.0.1", user "replicator", no encryption';
my $unfollowed = qq{a warning: the primary could not follow it after a switchover: $replication\nb warning: could not follow "a": $replication};
ok($t->wait_for($findings, $unfollowed), 'a server that lets the role into the database, but does not let it replicate, is named, too');
$a->set_hba("local all all trust\nlocal replication all trust\nhost all $me all trust\nhost replication $me all trust\n");
ok($t->wait_for($findings, $unfollowed), 'one that lets it in for nothing is told of once');

# Tried anew, whatever was found before.
my $operations = $t->sql('SELECT count(*) FROM failover_history');
foreach my $call (q{failover_switchover('main', 'a')}, q{failover_drill('main', 'a')}, q{failover_switchover('main')})
{
	my (undef, undef, $refusal) = $t->try_sql("SELECT $call");
	like($refusal, qr/55000: primary "p" could not serve as a standby, as preflight says of peer "a": the primary could not follow it.*\Q$replication\E.*HINT:  In pg_hba\.conf here/s,
		"$call is refused");
}
is($t->sql('SELECT count(*) FROM failover_history'), $operations, 'nothing was begun');
is($t->sql(q{SELECT status FROM failover_switchover('main', 'b')}), 'completed', 'to another one it is not');
ok($t->wait_for_state('healthy'), 'and everybody follows');
ok($t->wait_for($findings, qr/^p warning: could not follow "a": /m), 'it is still found');
$a->set_hba($trusting);
is($t->sql(q{SELECT status FROM failover_switchover('main', 'a')}), 'completed', 'nor is it once that is mended');
ok($t->wait_for_state('healthy'), 'and everybody follows');
is($t->sql(q{SELECT status FROM failover_switchover('main', 'b')}), 'completed', 'back');
ok($t->wait_for_state('healthy'), 'with all of them');

# ---- a password ----

$a->set_hba("host postgres replicator all scram-sha-256\n$trusting");
ok($t->wait_for($findings, qr/^p warning: could not be rewound from "a": .*no password supplied$/m), 'so is a password that is missing');
my $passfile = PostgreSQL::Test::Utils::tempdir('pass') . '/pgpass';
PostgreSQL::Test::Utils::append_to_file($passfile, "127.0.0.1:*:*:replicator:open-sesame\n");
chmod 0600, $passfile;
foreach my $node ($p, $b)
{
	$node->append_conf('postgresql.conf', "failover.passfile = '$passfile'");
	$node->reload;
}
ok($t->wait_for($findings, ''), 'until it is in the passfile');
is(scalar(grep { $_->logged(qr/(?<!PASSWORD ')open-sesame/) } $p, $a, $b), 0, 'and it is in no log');
$a->set_hba($trusting);

# ---- the function ----

my $to_a = $a->conninfo;
is(try_from($b), '', 'nobody is no problem');
is(try_from($b, $to_a, 'host=127.0.0.1 port=1 dbname=elsewhere', $to_a =~ s/dbname=\S+/dbname=elsewhere/r),
	"2|Connection refused|t\n3|database \"elsewhere\" does not exist|f", 'each failure has its place and its reason');
is(refusal($b, 'NULL'), '22004', 'NULL is refused');
is(refusal($b, q{ARRAY['host=127.0.0.1', NULL]}), '22023', 'so is NULL among them');
is(refusal($b, q{'{nonsense}'}), '22023', 'what is no connection string');
is(refusal($b, q{ARRAY['host=127.0.0.1 password=x']}), '22023', 'and one with a secret');
is(refusal($t->coordinator, q{'{}'}), '55000', 'it takes the node library');
is(refusal($b, q{'{}'}, "SET ROLE replicator;\n"), '42501', 'and a role to which it was granted');
$b->safe_psql('postgres', $t->sql(q{SELECT failover_peer_grants(current_setting('server_version_num')::int)}));
is($b->safe_psql('postgres', "SET ROLE failover; SELECT count(*) FROM failover_node_try_sources(ARRAY['$to_a'])"), '0', 'which the script grants');

# ---- who does not answer ----

$a->freeze('all');
my $begin = Time::HiRes::time();
is(try_from($b, ($to_a) x 3), join("\n", map { "$_|no answer within 3 s|t" } 1 .. 3), 'who hangs is given up');
cmp_ok(Time::HiRes::time() - $begin, '<', 8, 'all of them at once');
is(refusal($b, "ARRAY['$to_a']", "SET statement_timeout = '100ms';\n"), '57014', 'and can be waited for as long as one likes');
my $cancelled = "SET statement_timeout = '100ms'; SELECT * FROM failover_node_try_sources(ARRAY['$to_a', '$to_a']);\nSET statement_timeout = 0;\n";
my $open = "SELECT count(*) FROM pg_ls_dir('/proc/self/fd');\n";
my (undef, $counts) = $b->psql('postgres', "$cancelled$open$cancelled$cancelled$cancelled$open", on_error_stop => 0);
my ($before, $after) = split(/\n/, $counts);
cmp_ok($after - $before, '<', 3, 'which leaves no connection open');
ok($t->wait_for(q{SELECT health = 'unhealthy' FROM failover_health('main', 'a')}), 'when the coordinator knows that it hangs');
is($t->sql($findings), '', 'that is no finding of its own');
$a->thaw;

done_testing();
