# A kill between any two of the renames with which the data move aside and come
# back is answered by the next start, on a file system that cannot exchange two
# directories, too.
use strict;
use warnings;

use FailoverTest::Lease;
use Cwd;
use File::Basename;
use Test::More;

my $counter = PostgreSQL::Test::Utils::tempdir('renames') . '/left';
my $env = {
	LD_PRELOAD => Cwd::abs_path(dirname($INC{'FailoverTest/Lease.pm'})) . '/../renames.so',
	FAILOVER_TEST_RENAMES => $counter };
PostgreSQL::Test::Utils::append_to_file($counter, "0\n");
my (%node, %lease);
($node{p}, $lease{p}) = FailoverTest::Lease->start_primary('p',
	env => $env,
	init => ['--data-checksums'],
	conf => 'wal_keep_size = 1GB',
	sql => q{
		CREATE TABLE t (id bigint);
		CREATE ROLE nobody LOGIN REPLICATION;
		GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean), pg_read_binary_file(text),
			pg_read_binary_file(text, bigint, bigint, boolean) TO nobody;
	});
($node{a}, $lease{a}) = FailoverTest::Lease->start_standby('a', $node{p}, env => $env);
my ($old, $new) = ('p', 'a');
my $term = 1;
my $kills = 0;
$lease{$_}->hear(term => $term) foreach 'p', 'a';
$lease{$old}->grant(term => $term, seconds => 3600);

# What moves, each way: half a rejoin is over after that many renames.
my $files = () = glob($node{p}->data_dir . '/global/*');

# ---- rewound ----

foreach my $renames (1, 2, int($files / 2), $files, int($files * 1.5), 2 * $files - 3 .. 2 * $files)
{
	diverge();
	kill_after($renames);
	$lease{$old}->rejoin($node{$new}, term => $term, max_attempts => 1000, backoff_ms => 10);
	wait_killed(sub { ($node{$old}->ask('SELECT pg_is_in_recovery()') // '') eq 't' });
	ok($node{$old}->streams_from($node{$new}), "after $renames renames: it streams");
	is($node{$old}->safe_psql('postgres', 'SELECT count(*), sum(id) FROM t'), $node{$new}->safe_psql('postgres', 'SELECT count(*), sum(id) FROM t'),
		'with the same rows');
	is(join(' ', glob($node{$old}->data_dir . '/failover_*')), '', 'and nothing is left behind');
	($old, $new) = ($new, $old);
}

# ---- put back, because nothing could be changed ----

foreach my $renames ($files + 2, 2 * $files - 1)
{
	my $before = diverge();
	my $conninfo = $node{$new}->conninfo =~ s/user=\S+/user=nobody/r . " application_name=$old";

	kill_after($renames);
	$lease{$old}->rejoin($node{$new}, term => $term, conninfo => $conninfo, max_attempts => 2, backoff_ms => 10);
	wait_killed(sub { ($node{$old}->ask('SELECT rejoin_phase FROM failover_node_status()') // '') eq 'failed' });
	ok($node{$old}->ask_until('SELECT rejoin_phase, pg_is_in_recovery() FROM failover_node_status()', 'failed|f'),
		"after $renames renames: what cannot be rewound serves");
	is($node{$old}->safe_psql('postgres', 'SELECT count(*), sum(id) FROM t'), $before, 'what it had');
	is(join(' ', glob($node{$old}->data_dir . '/failover_*')), '', 'and nothing is left behind');
	$lease{$old}->rejoin($node{$new}, term => ++$term);
	ok($node{$old}->streams_from($node{$new}), 'and can be rewound when it is allowed');
	($old, $new) = ($new, $old);
}
cmp_ok($kills, '>', 7, "$kills kills met a rename");

# ---- WAL elsewhere, by a link that leads there only from where it is ----

my $directory = $node{$old}->data_dir . '/pg_wal';
my $elsewhere = dirname($node{$old}->data_dir) . '/elsewhere';
$node{$old}->stop;
rename($directory, $elsewhere) && symlink('../elsewhere', $directory) or die;
$node{$old}->start;
$lease{$old}->grant(term => ++$term, seconds => 3600);
diverge();
$lease{$old}->rejoin($node{$new}, term => $term);
ok($node{$old}->streams_from($node{$new}), 'a server whose WAL lies elsewhere is rewound');
like($lease{$old}->status('rejoin_report'), qr/^rewound in/, 'the report says so');
is(readlink($directory), '../elsewhere', 'its link is what it was');
is(join(' ', glob($node{$old}->data_dir . '/failover_*')), '', 'and nothing is left behind');
$node{$old}->stop;
unlink($directory) && rename($elsewhere, $directory) or die;
$node{$old}->start;
($old, $new) = ($new, $old);

# ---- where nothing can move ----

$directory = $node{$old}->data_dir . '/global';
$node{$old}->stop;
rename($directory, $elsewhere) && symlink($elsewhere, $directory) or die;
$node{$old}->start;
$lease{$old}->grant(term => ++$term, seconds => 3600);
my $rows = diverge();
$lease{$old}->rejoin($node{$new}, term => $term);
ok($node{$old}->ask_until('SELECT rejoin_phase FROM failover_node_status()', 'failed'), 'a directory that lies elsewhere is not moved');
like($lease{$old}->status('rejoin_report'), qr/^"global" is a mount point or lies elsewhere: this server cannot be rewound/, 'the report says so');
is($node{$old}->safe_psql('postgres', 'SELECT count(*), sum(id) FROM t'), $rows, 'it serves what it had');
$node{$old}->stop;
unlink($directory) && rename($elsewhere, $directory) or die;
$node{$old}->start;

foreach my $name ('p', 'a')
{
	$node{$name}->stop('fast');
	is(PostgreSQL::Test::Utils::system_log('pg_checksums', '--check', '-D', $node{$name}->data_dir), 0,
		"every page of $name is intact");
}
done_testing();

# Both go on after the promotion; what the old one has then.
sub diverge
{
	$term++;
	$node{$new}->safe_psql('postgres', 'SELECT pg_promote()');
	$lease{$new}->grant(term => $term, seconds => 3600);
	$node{$old}->safe_psql('postgres', 'INSERT INTO t SELECT -i FROM generate_series(1, 100) i');
	$node{$new}->safe_psql('postgres', 'INSERT INTO t SELECT i FROM generate_series(1, 200) i');
	return $node{$old}->safe_psql('postgres', 'SELECT count(*), sum(id) FROM t');
}

# After so many renames from now on the server kills itself.
sub kill_after
{
	my ($renames) = @_;

	open(my $out, '+<', $counter) or die;
	syswrite($out, sprintf("%-8d\n", $renames));
	close($out);
	return;
}

# It does, and is started again; or it has needed fewer.
sub wait_killed
{
	my ($is_over) = @_;
	my $pid = $node{$old}->{_pid};
	my $is_killed;

	FailoverTest::Node::until_true(
		sub {
			$is_killed = PostgreSQL::Test::Utils::slurp_file($counter) =~ /^0/;
			return $is_killed || $is_over->();
		})
	  or die 'the server does not come back';
	kill_after(0);
	return unless $is_killed;
	$kills++;
	$node{$old}->wait_gone($pid);
	$node{$old}->{_pid} = undef;
	$node{$old}->start_in_background;
	return;
}
