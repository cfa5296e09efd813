# Slots of a former primary that is rewound.  A logical one that was read beyond
# the fork would skip what is written there in the new history, without an error,
# when the server is the primary again: it is gone then.  Physical slots stay.
use strict;
use warnings;

use FailoverTest::Lease;
use Test::More;

my ($p, $lease_p) = FailoverTest::Lease->start_primary('p',
	conf => "wal_level = logical\nwal_log_hints = on\nwal_keep_size = 1GB", sql => 'CREATE TABLE t (id bigint)');
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
$a->append_conf('postgresql.conf', 'wal_level = logical');
$a->restart;
my $slots = q{SELECT string_agg(slot_name, ', ' ORDER BY slot_name) FROM pg_replication_slots};

$lease_p->grant(term => 1, seconds => 600);
$lease_a->hear(term => 1);
$p->safe_psql('postgres', q{SELECT pg_create_physical_replication_slot('backup', true),
	pg_create_logical_replication_slot('sub', 'pgoutput'), pg_create_logical_replication_slot('other', 'pgoutput')});
$p->wait_for_catchup('a');

# Each goes its own way, and the slot is read to the end of its own.
$a->safe_psql('postgres', 'SELECT pg_promote()');
$lease_a->grant(term => 2, seconds => 600);
$p->safe_psql('postgres', 'INSERT INTO t SELECT -i FROM generate_series(1, 1000) i');
$p->safe_psql('postgres', q{SELECT pg_replication_slot_advance('sub', pg_current_wal_flush_lsn())});
$a->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
$lease_p->rejoin($a, term => 2);
ok($p->streams_from($a), 'a former primary is rewound');
like($lease_p->status('rejoin_report'), qr/^rewound in \d+ ms: .*; dropped its logical slots: (sub, other|other, sub)$/, 'the report names the slots that it has lost');
is(scalar($p->logged(qr/failover: dropped the logical replication slots of this server/)), 1, 'so does the log');
is($p->safe_psql('postgres', $slots), 'backup', 'a physical slot stays');
is($a->safe_psql('postgres', $slots), '', 'none of them is on the new primary');

# A clean change of places: nothing was given up, and what a slot has read is a part of the history.
$a->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('sub', 'pgoutput')});
$lease_a->demote($p, term => 3);
ok($a->ask_until('SELECT pg_is_in_recovery()', 't'), 'the new primary is demoted');
$p->safe_psql('postgres', 'SELECT pg_promote()');
$lease_p->grant(term => 3, seconds => 600);
ok($a->streams_from($p), 'and follows the other');
is($a->safe_psql('postgres', $slots), 'sub', 'with its slots');
is($p->safe_psql('postgres', 'SELECT count(*) FROM t'), '1', 'the histories are one');

done_testing();
