# Rejoin where servers live differently: configuration outside the data
# directory, relative paths, a service manager; and where it cannot be done.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use File::Basename;
use Test::More;

my $p = FailoverTest::Node->new('p');
$p->init;
$p->use_library('node');
$p->start;
my $lease_p = FailoverTest::Lease->new($p);
$lease_p->create_extension;
$p->safe_psql('postgres', 'CREATE TABLE t (id bigint)');
$p->backup('base');
my $a = FailoverTest::Node->new('a');
$a->init_standby($p, 'base');
$a->append_conf('postgresql.conf', "wal_retrieve_retry_interval = 100ms\nlog_min_messages = warning");
my $lease = FailoverTest::Lease->new($a);
my $term = 1;
my $rows = 0;
$lease_p->grant(term => 1, seconds => 3600);

# ---- configuration elsewhere, named by an option, as Debian does it ----

my $conf = dirname($a->data_dir) . '/conf';
mkdir $conf;
rename($a->data_dir . "/$_", "$conf/$_") or die "$_: $!" foreach qw(postgresql.conf pg_hba.conf pg_ident.conf);
PostgreSQL::Test::Utils::append_to_file("$conf/postgresql.conf",
	"data_directory = '" . $a->data_dir . "'\nhba_file = '$conf/pg_hba.conf'\nident_file = '$conf/pg_ident.conf'\n");
start($a->data_dir, "-c config_file=$conf/postgresql.conf");
rejoins('configuration outside the data directory');
is($a->safe_psql('postgres', 'SHOW config_file'), "$conf/postgresql.conf", 'the same configuration file');
is($a->safe_psql('postgres', 'SHOW hba_file'), "$conf/pg_hba.conf", 'and the same hba file');

# ---- the directory of the configuration is what the server is started with ----

$a->stop;
start($conf);
rejoins('started with the directory of its configuration');
is($a->safe_psql('postgres', 'SHOW config_file'), "$conf/postgresql.conf", 'the same configuration file');

# ---- a relative path, from the directory in which it was started ----

$a->stop;
chdir(dirname($conf)) or die;
start(basename($conf));
rejoins('started with a relative path');
is($a->safe_psql('postgres', 'SHOW config_file'), "$conf/postgresql.conf", 'the same configuration file');

# ---- the configuration says by a relative path where the data are ----

$a->stop;
PostgreSQL::Test::Utils::append_to_file("$conf/postgresql.conf", "data_directory = '" . basename($a->data_dir) . "'\n");
start($conf);
rejoins('data_directory is relative');
is($a->safe_psql('postgres', 'SHOW config_file'), "$conf/postgresql.conf", 'the same configuration file');

$a->stop;
rename("$conf/$_", $a->data_dir . "/$_") or die "$_: $!" foreach qw(postgresql.conf pg_hba.conf pg_ident.conf);
PostgreSQL::Test::Utils::append_to_file($a->data_dir . '/postgresql.conf',
	"data_directory = '" . $a->data_dir . "'\nhba_file = '" . $a->data_dir . "/pg_hba.conf'\nident_file = '" . $a->data_dir . "/pg_ident.conf'\n");
start(basename($a->data_dir)) if chdir(dirname($a->data_dir));
rejoins('and so with a relative data directory');
$a->stop;

# ---- a service manager that is notified ----

# The postmaster as a direct child, as its manager has it.
my $master = fork() // die;
if ($master == 0)
{
	open(STDERR, '>>', $a->logfile);
	open(STDOUT, '>&', \*STDERR);
	$ENV{NOTIFY_SOCKET} = '/nowhere';
	exec('postgres', '-D', $a->data_dir, '--cluster-name=a') or POSIX::_exit(127);
}
ok($a->ask_until('SELECT pg_is_in_recovery()', 't'), 'started by a service manager');
$a->_update_pid(1);
diverge();
$lease->rejoin($p, term => ++$term);
waitpid($master, 0);
is($? >> 8, 1, 'it ends with status 1, to be restarted');
start($a->data_dir);
follows('and is a standby after the restart');

# ---- it does not answer, or is somebody else ----

diverge();
$lease->rejoin($p, term => ++$term, conninfo => 'host=127.0.0.1 port=1', max_attempts => 2, backoff_ms => 100);
ok($a->ask_until('SELECT rejoin_phase, rejoin_attempts FROM failover_node_status()', 'failed|2'),
	'a source that does not answer is given up after the attempts asked for');
like($lease->status('rejoin_report'), qr/could not connect to the new primary.*refused/, 'with the reason');
is($a->safe_psql('postgres', 'SELECT pg_is_in_recovery(), may_commit FROM failover_node_status()'), 'f|f', 'it stays fenced');

my $stranger = FailoverTest::Node->new('stranger');
$stranger->init;
$stranger->start;
$lease->rejoin($stranger, term => ++$term);
ok($a->ask_until('SELECT rejoin_phase FROM failover_node_status()', 'failed'), 'another system is refused');
like($lease->status('rejoin_report'), qr/another system/, 'with the reason');
$stranger->stop;

# ---- WAL that a rewind needs is gone ----

$a->safe_psql('postgres', 'SELECT pg_switch_wal(); CHECKPOINT');
my $needed = $a->safe_psql('postgres', 'SELECT pg_walfile_name(redo_lsn) FROM pg_control_checkpoint()');
unlink grep { basename($_) lt $needed } glob($a->data_dir . '/pg_wal/' . '[0-9A-F]' x 24);
$lease->rejoin($p, term => ++$term, max_attempts => 1);
ok($a->ask_until('SELECT rejoin_phase FROM failover_node_status()', 'failed'), 'without that WAL it cannot be rewound');
like($lease->status('rejoin_report'), qr/could not (open|find|read).*/, 'the report names what is missing: ' . $lease->status('rejoin_report'));
is($a->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 'f', 'it stays fenced');
$a->append_conf('postgresql.conf', 'failover.allow_clone = on');
$a->safe_psql('postgres', 'SELECT pg_reload_conf()');
$lease->rejoin($p, term => ++$term);
follows('where it is allowed, it is replaced by a copy');
like($lease->status('rejoin_report'), qr/^copied the new primary in \d+ ms/, 'and says so');
is($a->safe_psql('postgres', 'SHOW port'), $a->port, 'with its own configuration');
is(join(' ', glob($a->data_dir . '/failover_*')), '', 'and nothing left behind');

# The first three are of libpq 18; an older one does not know them.
foreach my $secret ('scram_client_key=secret', 'scram_server_key=secret', 'oauth_client_secret=secret', 'password=secret', 'sslpassword=secret',
	'service=secret', 'replication=true')
{
	is_refused("host=x $secret", $secret =~ s/=.*//r);
}
is_refused('postgresql://x/postgres?sslmode=prefer', 'a URI, to which nothing can be added');
is_refused('postgres://someone:secret@x/postgres', 'a URI with a password');

$_->stop foreach $a, $p;
chdir('/');
done_testing();

sub is_refused
{
	my ($conninfo, $what) = @_;
	my ($status, $out, $err) = $a->psql('postgres', "SELECT failover_node_rejoin(99, '$conninfo')");

	like($err, qr/invalid connection string/, "refused in a connection string: $what");
	unlike($err =~ s/^.*LINE.*$//mr, qr/secret/, 'and not repeated');
	return;
}

sub start
{
	my ($directory, $options) = @_;

	is(PostgreSQL::Test::Utils::system_log('pg_ctl', '-D', $directory, '-w', '-l', $a->logfile,
			'-o', '--cluster-name=a ' . ($options // ''), 'start'), 0, 'started');
	$a->_update_pid(1);
	return;
}

# Make it a primary of its own, with a history of its own.
sub diverge
{
	# pg_rewind begins at the last checkpoint that both have.
	$p->safe_psql('postgres', 'CHECKPOINT');
	$p->wait_for_catchup('a');
	$lease->hear(term => ++$term);
	$a->safe_psql('postgres', 'SELECT pg_promote()');
	$lease->grant(term => $term, seconds => 3600);
	$a->safe_psql('postgres', 'INSERT INTO t VALUES (-1)');
	$p->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
	$rows++;
	return;
}

sub follows
{
	my ($what) = @_;

	ok($a->ask_until(q{SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'}, '1')
		  && $a->ask_until('SELECT count(*), min(id) FROM t', "$rows|1"), $what);
	return;
}

sub rejoins
{
	my ($what) = @_;
	my $pid = (split(/\n/, PostgreSQL::Test::Utils::slurp_file($a->data_dir . '/postmaster.pid')))[0];

	diverge();
	$lease->rejoin($p, term => ++$term);
	follows($what);
	is((split(/\n/, PostgreSQL::Test::Utils::slurp_file($a->data_dir . '/postmaster.pid')))[0], $pid, 'the same process');
	return;
}
