# The new primary fails while a server is rewound to it: the server notices,
# says so, and carries on when there is one again.  All of it with a password.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use Test::More;

my $p = FailoverTest::Node->new('p');
$p->init(extra => ['--data-checksums']);
$p->use_library('node');
$p->append_conf('postgresql.conf', "wal_retrieve_retry_interval = 100ms\nwal_keep_size = 512MB\npassword_encryption = 'scram-sha-256'");
my $hba = PostgreSQL::Test::Utils::slurp_file($p->data_dir . '/pg_hba.conf');
unlink $p->data_dir . '/pg_hba.conf';
$p->append_conf('pg_hba.conf',
	"host all rejoiner 127.0.0.1/32 scram-sha-256\nhost replication rejoiner 127.0.0.1/32 scram-sha-256\n$hba");
my $passfile = PostgreSQL::Test::Utils::tempdir('pass') . '/pgpass';
PostgreSQL::Test::Utils::append_to_file($passfile, "127.0.0.1:*:*:rejoiner:sesame-open\n");
chmod 0600, $passfile;
$p->append_conf('postgresql.conf', "failover.passfile = '$passfile'");
$p->start;
my $lease_p = FailoverTest::Lease->new($p);
$lease_p->create_extension;
$p->safe_psql('postgres', q{
	CREATE TABLE t (id bigint PRIMARY KEY, filler text);
	INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 10000) i;
	CREATE ROLE rejoiner LOGIN REPLICATION PASSWORD 'sesame-open';
	GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text),
		pg_read_binary_file(text, bigint, bigint, boolean) TO rejoiner;
});
$p->backup('base');
my $a = FailoverTest::Node->new('a');
$a->init_standby($p, 'base');
$a->start;
my $lease_a = FailoverTest::Lease->new($a);
$p->wait_for_catchup('a');
$lease_p->grant(term => 1, seconds => 3600);
$lease_a->grant(term => 2, seconds => 3600);
$a->safe_psql('postgres', 'SELECT pg_promote()');
$a->safe_psql('postgres', 'CHECKPOINT');
$p->safe_psql('postgres', q{UPDATE t SET filler = 'old' WHERE id % 7 = 0; INSERT INTO t SELECT -i, 'old' FROM generate_series(1, 1000) i});
$a->safe_psql('postgres', q{UPDATE t SET filler = 'new' WHERE id % 11 = 0});

# pg_rewind waits for as long as this cannot be read, in the middle of the files that it copies.
my $stuck = $a->data_dir . '/stuck';
POSIX::mkfifo($stuck, 0600) or die;
my $copying = q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'rejoiner' AND state = 'active' AND query ~ 'pg_read_binary_file[(]path'};

# A list of servers, of which that one is the primary which takes writes.
my $conninfo = 'host=127.0.0.1,127.0.0.1 port=1,' . $a->port
  . ' user=rejoiner dbname=postgres target_session_attrs=read-write application_name=p';
$lease_p->rejoin($a, term => 2, conninfo => $conninfo, max_attempts => 1);
ok($a->ask_until($copying, '1'), 'a server is being rewound');

# ---- frozen ----

my $pid = $p->{_pid};
$a->freeze('all');
$p->wait_gone($pid);
$p->{_pid} = undef;
$a->thaw;
is(scalar($p->logged(qr/FATAL: .*cannot start: this server was being made a standby/)), 1, 'it ends, because the new primary hangs');
like(join("\n", $p->logged(qr/DETAIL: .*the new primary does not answer/)), qr/forked off at/, 'the log says so');
ok(!-e $p->data_dir . '/base', 'and holds nothing that could be served');

# ---- killed ----

$p->start_in_background;
ok($a->ask_until($copying, '1'), 'the next start goes on with the rewind');
$pid = $p->{_pid};
$a->kill_hard('all');
$p->wait_gone($pid);
$p->{_pid} = undef;
is(scalar($p->logged(qr/FATAL: .*cannot start: this server was being made a standby/)), 2, 'it ends, because the new primary was killed');
$a->wait_killed;
unlink $stuck, $a->data_dir . '/postmaster.pid';
$a->start;
$lease_a->grant(term => 2, seconds => 3600);

# ---- back ----

$p->start;
ok($p->ask_until(q{SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'}, '1'), 'with the new primary back, it streams');
$a->safe_psql('postgres', q{INSERT INTO t VALUES (20000, 'later')});
$a->wait_for_catchup('p');
is(contents($p), contents($a), 'with the same rows');
is(join(' ', glob($p->data_dir . '/failover_*')), '', 'and nothing left behind');
like($lease_p->status('rejoin_report'), qr/^rewound in \d+ ms/, 'it was rewound');

# ---- the password ----

unlike(PostgreSQL::Test::Utils::slurp_file($p->data_dir . '/postgresql.auto.conf'), qr/sesame/, 'the password is not in its configuration');
unlike(PostgreSQL::Test::Utils::slurp_file($p->data_dir . '/pg_replslot/failover.state'), qr/sesame/, 'nor in its state');
is(scalar($p->logged(qr/(?<!PASSWORD ')sesame/)), 0, 'nor in its log');

$_->stop foreach $p, $a;
is(PostgreSQL::Test::Utils::system_log('pg_checksums', '--check', '-D', $p->data_dir), 0, 'every page is intact');
done_testing();

sub contents
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT count(*), md5(string_agg(id || filler, ',' ORDER BY id)) FROM t});
}
