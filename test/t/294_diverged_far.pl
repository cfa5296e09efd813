# A standby has received more than the one that is promoted, by more than a
# segment: the new primary refuses what its walreceiver asks for, over and over.
# It is told from the WAL on both that it has diverged, and it is rewound.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	# The frozen walreceiver must not be disconnected.
	conf => "wal_keep_size = 512MB\nwal_receiver_timeout = 60s\nwal_sender_timeout = 120s",
	settings => { block_period => '0', max_lag => '4GB', rejoin_backoff => '500ms' },
	register => { b => 'promotable => false' })->start;
my ($p, $a, $b) = $t->nodes;

$p->safe_psql('postgres', 'CREATE TABLE big (v text)');
$p->wait_for_catchup('a');
my $receiver = $a->freeze_process('walreceiver');
$p->safe_psql('postgres', q{INSERT INTO big SELECT repeat(md5(i::text), 60) FROM generate_series(1, 30000) i});
$p->safe_psql('postgres', 'SELECT pg_switch_wal()');
$p->safe_psql('postgres', 'INSERT INTO failover_test VALUES (1, 1)');
$p->wait_for_catchup('b');
$p->kill_hard('all');
$a->thaw_process($receiver);
ok($t->wait_for_failover('p'), 'the primary is replaced');
is($t->status('primary_peer'), 'a', 'by the one that may be promoted, which has less');
like($t->sql(q{SELECT detail FROM failover_timeline WHERE step = 'repoint' AND peer_name = 'b' ORDER BY event_id LIMIT 1}),
	qr{^its history has diverged: it has timeline 1 up to [0-9A-F]+/[0-9A-F]+, which timeline 2 of the primary has not$},
	'the timeline says why the other standby cannot follow');
ok($t->wait_for_following($b, $a), 'it is rewound, and follows');
ok($t->wait_for(q{SELECT detail FROM failover_timeline WHERE step = 'rejoin' AND peer_name = 'b' AND status = 'done'},
	qr/rewound in \d+ ms: timeline 2 forked off/), 'once it was compared by itself');
is($b->safe_psql('postgres', 'SELECT count(*) FROM failover_test'), '0', 'with the history of the new primary');

$p->wait_killed;
$p->start;
ok($t->wait_for_following($p, $a), 'the former primary follows, too');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->sql(q{SELECT count(*) FROM failover_history WHERE kind = 'rejoin' AND to_peer = 'a' AND status <> 'completed'}), '0',
	'no attempt was in vain');
$t->one_primary_ok;

done_testing();
