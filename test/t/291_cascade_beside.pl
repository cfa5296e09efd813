# A standby from which another one cascades is promoted by mistake.  Both have to
# come back to the primary: the one that was promoted, and the one that went with
# it to a timeline that the primary does not have.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 512MB\nwal_retrieve_retry_interval = 500ms",
	settings => { block_period => '0', rejoin_backoff => '500ms', rejoin_attempts => 1 })->start;
my ($p, $a, $b) = $t->nodes;
my ($host, $port) = $a->endpoint('b');
my $user = getpwuid($<);

$b->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = 'host=$host port=$port user=$user application_name=b'");
$b->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($t->wait_for_sql($a, q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'b' AND state = 'streaming'}, '1'),
	'one standby streams from the other');
ok($t->wait_for_state('healthy'), 'all is well');

$a->safe_psql('postgres', 'SELECT pg_promote()');
ok($t->wait_for(q{SELECT ineligible_reason FROM failover_health('main') WHERE peer_name = 'b'},
	qr/^is on timeline 2, newer than timeline 1 of the primary$/), 'the status says what is wrong with the one that went along');
ok($t->wait_for_following($a, $p), 'who was promoted by mistake follows again');
ok($t->wait_for_following($b, $p), 'so does who followed it');
ok($t->wait_for(q{SELECT detail FROM failover_timeline WHERE step = 'rejoin' AND peer_name = 'b' AND status = 'done'},
	qr/rewound in \d+ ms: timeline 2 is not in the history of timeline 1/), 'it was rewound');
$p->safe_psql('postgres', 'INSERT INTO failover_test VALUES (1, 1)');
ok($t->wait_for_sql($b, 'SELECT count(*) FROM failover_test', '1'), 'it has what the primary has');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->status('primary_peer'), 'p', 'the primary has not changed');
$t->one_primary_ok;

done_testing();
