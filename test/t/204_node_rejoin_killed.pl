# A rejoin that is killed at any moment goes on at the next start, and a half
# rewound directory never serves.
use strict;
use warnings;

use FailoverTest::Lease;
use Test::More;

my $kills_wanted = $ENV{FAILOVER_TEST_KILLS} // 4;
my $seed = $ENV{FAILOVER_TEST_SEED} // time;
srand($seed);
note("seed $seed");

my (%node, %lease);
($node{p}, $lease{p}) = FailoverTest::Lease->start_primary('p',
	init => ['--data-checksums'],
	conf => 'wal_keep_size = 1GB',
	sql => q{
		CREATE TABLE t (id bigint PRIMARY KEY, filler text);
		INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 50000) i;
	});
($node{a}, $lease{a}) = FailoverTest::Lease->start_standby('a', $node{p});

my ($old, $new) = ('p', 'a');
my $term = 1;
my $kills = 0;
my $rewinding = 0;
my $round = 0;
$lease{$_}->hear(term => $term) foreach 'p', 'a';
$lease{$old}->grant(term => $term, seconds => 3600);

while ($rewinding < $kills_wanted && $kills < 10 * $kills_wanted)
{
	$round++;
	# Both go on after the promotion.
	$term++;
	$node{$new}->safe_psql('postgres', 'SELECT pg_promote()');
	$lease{$new}->grant(term => $term, seconds => 3600);
	$node{$old}->safe_psql('postgres', "UPDATE t SET filler = 'old $round' WHERE id % 7 = 0");
	$node{$old}->safe_psql('postgres', "INSERT INTO t SELECT -i, 'old' FROM generate_series(1, 1000) i");
	$node{$new}->safe_psql('postgres', "UPDATE t SET filler = 'new $round' WHERE id % 11 = 0");

	$lease{$old}->rejoin($node{$new}, term => $term, max_attempts => 1000, backoff_ms => 10);
	for (my $i = 0; $i < 4; $i++)
	{
		# Half of the kills anywhere, half of them at a rewind, if there is one.
		my $deadline = Time::HiRes::time() + rand(1);
		if (rand() < 0.5)
		{
			FailoverTest::Lease::wait_until(Time::HiRes::time() + 0.005)
			  until where_it_is($node{$old}) eq 'out of place' || Time::HiRes::time() > $deadline;
			$deadline = Time::HiRes::time() + rand(0.3);
		}
		FailoverTest::Lease::wait_until($deadline);
		$node{$old}->kill_hard(rand() < 0.5 ? 'all' : 'postmaster');
		$kills++;
		$node{$old}->wait_killed;
		$rewinding++ if where_it_is($node{$old}) eq 'out of place';
		$node{$old}->start_in_background;
	}
	my $streams = $node{$old}->ask_until(q{SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'}, '1');
	ok($streams, "round $round: $old streams from $new");
	last unless $streams;
	$node{$new}->wait_for_catchup($old);
	is(contents($node{$old}), contents($node{$new}), 'with the same rows');
	is($node{$old}->safe_psql('postgres', 'SHOW port'), $node{$old}->port, 'and its own configuration');
	is(join(' ', glob($node{$old}->data_dir . '/failover_*')), '', 'and nothing left behind');
	($old, $new) = ($new, $old);
}
note("$kills kills, $rewinding while the data were out of place");
cmp_ok($rewinding, '>', 0, 'some of the kills met a rewind');

foreach my $name ('p', 'a')
{
	$node{$name}->stop('fast');
	is(PostgreSQL::Test::Utils::system_log('pg_checksums', '--check', '-D', $node{$name}->data_dir), 0,
		"every page of $name is intact");
}
done_testing();

sub contents
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT count(*), md5(string_agg(id || filler, ',' ORDER BY id)) FROM t});
}

# Are the data where a server could serve them?
sub where_it_is
{
	my ($node) = @_;
	return -e $node->data_dir . '/base' ? 'in place' : 'out of place';
}
