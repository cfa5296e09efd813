# The new primary is lost when a server has been rewound to it, and before that
# is consistent.  It takes no session then, so nobody can tell it whom to follow:
# it finds the next primary by itself.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use Test::More;

my $copying = q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'failover_rejoin' AND state = 'active' AND query ~ 'pg_read_binary_file[(]path'};
my $term = 0;

# ---- the next primary has all that the lost one had written ----

my ($p, $a, $b) = leave_orphan('complete', 0);
ok($p->comes_to_log(qr/recovery gets no WAL, restarting to look for a primary/), 'a server that cannot become consistent looks for a primary');
ok($p->comes_to_log(qr/starting as a standby/, 2), 'and follows the one it finds, which is the same');
ok(!defined $p->ask('SELECT 1'), 'it takes no session meanwhile');
$a->stop('immediate');
ok($p->comes_to_log(qr/none of the servers that it may follow is a primary on its timeline or a later one/), 'nor does it follow a standby');
promote($b);
ok($p->streams_from($b), 'when there is a primary, it streams from that');
is(contents($p), contents($b), 'with the same rows');
unlike(FailoverTest::Lease->new($p)->status('rejoin_report'), qr/copied/, 'it was not copied');
is($p->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_wal_receiver WHERE slot_name = 's'}), '1', 'it uses its slot');
restart_ok($p, $b);
$_->stop foreach $p, $b;
is(PostgreSQL::Test::Utils::system_log('pg_checksums', '--check', '-D', $p->data_dir), 0, 'every page is intact');

# ---- the lost one had just begun a file of WAL ----

($p, $a, $b) = set_up('boundary');
# Nothing is left that would be written when it is read.
$a->safe_psql('postgres', $_) foreach 'VACUUM', 'CHECKPOINT', 'SELECT pg_switch_wal()';
$a->wait_for_catchup($b->name);
rejoin($p, $a, $b);
ok($p->comes_to_log(qr/replication slot "s" does not exist/), 'a server that was rewound to the begin of a file asks for WAL');
$a->stop('immediate');
promote($b);
ok($p->streams_from($b), 'the end of the file before is no other position: it streams from the next primary');
is(contents($p), contents($b), 'with the same rows');
unlike(FailoverTest::Lease->new($p)->status('rejoin_report'), qr/copied/, 'it was not copied');
$_->stop foreach $p, $b;

# ---- the next primary has not ----

($p, $a, $b) = leave_orphan('behind', 1);
$a->stop('immediate');
promote($b);
ok($p->comes_to_log(qr/DETAIL:  .*set failover[.]allow_clone = on there, or replace its data by a base backup/),
	'data that are ahead of the next primary cannot follow it, the log says so');
# With the history at hand that it cannot follow it ends at each start before its worker can look.
$p->kill_hard('all');
$p->wait_killed;
my ($history) = reverse sort glob($b->data_dir . '/pg_wal/*.history');
PostgreSQL::Test::Utils::system_or_bail('cp', '-p', $history, $p->data_dir . '/pg_wal/');
ends_at_start_ok($p);
my $hints = () = $p->logged(qr/set failover[.]allow_clone = on there/);
ends_at_start_ok($p);
ok($p->comes_to_log(qr/set failover[.]allow_clone = on there/, $hints + 1), 'and says each time what to do');
$p->append_conf('postgresql.conf', 'failover.allow_clone = on');
$p->start_in_background;
ok($p->streams_from($b), 'where a copy is allowed it is copied, and streams');
is(contents($p), contents($b), 'with the same rows');
like(FailoverTest::Lease->new($p)->status('rejoin_report'), qr/^copied the new primary in \d+ ms/, 'the report says so');
restart_ok($p, $b);
$_->stop foreach $p, $b;

# ---- it is lost in the middle of the rewind ----

($p, $a, $b) = set_up('halfway');
# pg_rewind waits for as long as this cannot be read.
POSIX::mkfifo($a->data_dir . '/stuck', 0600) or die;
rejoin($p, $a, $b);
ok($a->ask_until($copying, '1'), 'a server is being rewound');
my $pid = $p->{_pid};
$a->kill_hard('all');
$p->wait_gone($pid);
$p->{_pid} = undef;
$a->wait_killed;
promote($b);
is(scalar($p->logged(qr/FATAL: .*cannot start: this server was being made a standby/)), 1, 'a rewind that cannot be completed ends');
$p->append_conf('postgresql.conf', 'failover.allow_clone = on');
$p->start_in_background;
ok($p->streams_from($b), 'where a copy is allowed the next primary is copied');
is(contents($p), contents($b), 'with the same rows');
$_->stop foreach $p, $b;

done_testing();

sub contents
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT count(*), md5(string_agg(id || filler, ',' ORDER BY id)) FROM t});
}

sub promote
{
	my ($node) = @_;

	FailoverTest::Lease->new($node)->grant(term => ++$term, seconds => 3600);
	$node->safe_psql('postgres', 'SELECT pg_promote()');
	return;
}

# Recovery ends the server before it has replayed anything.
sub ends_at_start_ok
{
	my ($node) = @_;
	my $ending = qr/FATAL:  requested timeline \d+ (?:is not a child of|does not contain)/;
	my $endings = () = $node->logged($ending);

	$node->start_in_background;
	ok($node->comes_to_log($ending, $endings + 1), 'it cannot be started');
	$node->wait_gone($node->{_pid});
	$node->{_pid} = undef;
	return;
}

# What has arrived is a standby like any other.
sub restart_ok
{
	my ($node, $primary) = @_;
	my $looks = $node->logged(qr/restarting to look for a primary/);

	$node->restart;
	ok($node->streams_from($primary), 'it streams after a restart');
	is(scalar(my @lines = $node->logged(qr/restarting to look for a primary/)), $looks, 'and looks for nobody');
	return;
}

# Two standbys, a and b; a is promoted and p goes on, so that p must be rewound to a.
sub set_up
{
	my ($name) = @_;
	my %node = map { $_ => FailoverTest::Node->new("${name}_$_") } 'p', 'a', 'b';

	$term = 1;
	$node{p}->init(extra => [ '--data-checksums', '--wal-segsize=1' ]);
	$node{p}->use_library('node');
	$node{p}->append_conf('postgresql.conf', "wal_retrieve_retry_interval = 100ms\nwal_keep_size = 512MB");
	$node{p}->start;
	my $lease_p = FailoverTest::Lease->new($node{p});
	$lease_p->create_extension;
	$node{p}->safe_psql('postgres', q{
		CREATE TABLE t (id bigserial PRIMARY KEY, filler text);
		INSERT INTO t (filler) SELECT repeat('x', 200) FROM generate_series(1, 5000)});
	$node{p}->backup('base');
	$node{$_}->init_standby($node{p}, 'base') foreach 'a', 'b';
	$node{$_}->start foreach 'a', 'b';
	$node{p}->wait_for_catchup($node{$_}->name) foreach 'a', 'b';
	$lease_p->grant(term => 1, seconds => 3600);

	# Behind a from now on, whatever p sends.
	follow($node{b}, $node{a});
	promote($node{a});
	$node{b}->streams_from($node{a}) or die 'b does not stream from a';
	$node{p}->safe_psql('postgres', q{UPDATE t SET filler = 'old' WHERE id % 7 = 0});
	$node{a}->safe_psql('postgres', q{UPDATE t SET filler = 'new' WHERE id % 11 = 0; CHECKPOINT});
	$node{a}->wait_for_catchup($node{b}->name);
	$node{b}->safe_psql('postgres', q{SELECT pg_create_physical_replication_slot('s')});
	return @node{ 'p', 'a', 'b' };
}

sub rejoin
{
	my ($p, $a, $b) = @_;

	FailoverTest::Lease->new($p)->rejoin($a,
		term => $term, slot_name => 's', backoff_ms => 1000, max_attempts => 1,
		upstreams => [ map { $_->conninfo . ' application_name=' . $p->name } $a, $b ]);
	return;
}

# p was rewound, and does not get from a what it lacks, for the slot is missing
# there.  b has it all, or is behind.
sub leave_orphan
{
	my ($name, $is_behind) = @_;
	my ($p, $a, $b) = set_up($name);

	follow($b, undef) if $is_behind;
	# Something to copy, so that it takes a while...
	PostgreSQL::Test::Utils::append_to_file($a->data_dir . '/ballast', 'x' x (64 * 1024 * 1024));
	rejoin($p, $a, $b);
	# ...in which there is WAL, in files that are not yet there when they are listed.
	do { $a->safe_psql('postgres', q{INSERT INTO t (filler) VALUES ('streamed'); SELECT pg_switch_wal()}) }
	  until $p->logged(qr/failover: starting as a standby/);
	$p->comes_to_log(qr/replication slot "s" does not exist/) or die 'p does not ask for WAL';
	$a->wait_for_catchup($b->name) unless $is_behind;
	return ($p, $a, $b);
}

# primary_conninfo of a standby; undef = nobody.
sub follow
{
	my ($node, $primary) = @_;
	my $conninfo = defined $primary ? $primary->conninfo . ' application_name=' . $node->name : '';

	$node->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = '$conninfo'");
	$node->reload;
	$node->ask_until('SELECT count(*) FROM pg_stat_wal_receiver' . (defined $primary ? ' WHERE sender_port = ' . $primary->port : ''),
		defined $primary ? '1' : '0')
	  or die;
	return;
}
