# A subscriber without a lease confirms nothing to its publisher: what it
# confirms is forgotten there, and would be lost with this server.
use strict;
use warnings;

use FailoverTest::Lease;
use FailoverTest::Node;
use Test::More;

my $source = FailoverTest::Node->new('source');
$source->init;
$source->append_conf('postgresql.conf', "wal_level = logical\nmax_prepared_transactions = 10\nlog_min_messages = warning");
$source->start;
$source->safe_psql('postgres', 'CREATE TABLE t (id bigint); CREATE PUBLICATION t FOR TABLE t');

my $p = FailoverTest::Node->new('p');
$p->init;
$p->use_library('node');
$p->append_conf('postgresql.conf', "max_prepared_transactions = 10\nwal_retrieve_retry_interval = 100ms");
$p->start;
my $lease = FailoverTest::Lease->new($p);
$lease->create_extension;
$p->safe_psql('postgres', 'CREATE TABLE t (id bigint)');
$lease->grant(term => 1, seconds => 600);
$p->safe_psql('postgres', q{CREATE SUBSCRIPTION t CONNECTION '} . $source->conninfo . q{' PUBLICATION t WITH (two_phase = true)});
ok($p->ask_until('SELECT subtwophasestate FROM pg_subscription', 'e'), 'it replicates, with two phases');
$source->safe_psql('postgres', q{BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'x'});
ok($p->ask_until('SELECT count(*) FROM pg_prepared_xacts', '1'), 'a transaction is prepared');

# ---- no lease ----

my $started = $p->logged(qr/apply worker .* has started/);
$lease->fence(term => 2);
my $before = $source->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
$source->safe_psql('postgres', q{COMMIT PREPARED 'x'});
ok(waits(), 'the worker waits for the lease');
is(confirmed(), 'f', 'the end of a prepared transaction is not confirmed');
my $worker = $p->safe_psql('postgres', q{SELECT pid FROM pg_stat_subscription});
$source->safe_psql('postgres', 'INSERT INTO t VALUES (2)');
$p->safe_psql('postgres', "SELECT pg_terminate_backend($worker)");
ok(waits($worker), 'so does the next one');
is(confirmed(), 'f', 'which confirms nothing, either');
is($p->safe_psql('postgres', 'SELECT count(*) FROM t WHERE id = 2'), '0', 'and commits nothing');
is(scalar($p->logged(qr/logical replication waits/)), 1, 'the log says so once');
is(scalar($p->logged(qr/apply worker .* has started/)), $started + 1, 'and no worker starts again and again');

# ---- and again ----

$lease->grant(term => 3, seconds => 600);
ok($p->ask_until('SELECT array_agg(id ORDER BY id) FROM t', '{1,2}'), 'with a lease it goes on where it was');
ok($source->ask_until("SELECT confirmed_flush_lsn > '$before' FROM pg_replication_slots", 't'), 'and confirms');

# A worker that waits does not keep the server from stopping.
$lease->fence(term => 4);
$source->safe_psql('postgres', 'INSERT INTO t VALUES (3)');
ok(waits(), 'fenced again');
ok($p->stop('fast', fail_ok => 1), 'and stopped');
$source->stop;
done_testing();

# Does a worker, another one than that, wait for the lease?  (From 17 on it is called an "apply worker".)
sub waits
{
	my ($other) = @_;

	return $p->ask_until(q{SELECT count(*) FROM pg_stat_activity
		WHERE backend_type LIKE 'logical replication %worker' AND wait_event_type = 'Extension' AND pid <> } . ($other // 0), '1');
}

# Has the source been told that what was committed since then is safe?
sub confirmed
{
	return $source->safe_psql('postgres', "SELECT confirmed_flush_lsn > '$before' FROM pg_replication_slots");
}
