# A standby is promoted by hand beside the primary, another one goes with it; then
# both the primary and that one die, and the group fails over to a third.  Its
# timeline does not come from the one of the orphan, and forks off in the same
# segment: the orphan is told from the WAL of both to have diverged.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	standbys => 3,
	conf => "wal_keep_size = 512MB\nwal_retrieve_retry_interval = 500ms",
	settings => { block_period => '0', rejoin_backoff => '500ms', rejoin_attempts => 1 })->start;
my ($p, $a, $b, $c) = $t->nodes;
my ($host, $port) = $a->endpoint('b');
my $user = getpwuid($<);

# A segment before the one in which all of it happens.
$p->safe_psql('postgres', 'SELECT pg_switch_wal()');
$p->safe_psql('postgres', 'INSERT INTO failover_test VALUES (1, 1)');
$p->wait_for_catchup($_) foreach qw(a b c);
$b->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = 'host=$host port=$port user=$user application_name=b'");
$b->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($t->wait_for_sql($a, q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'b' AND state = 'streaming'}, '1'),
	'one standby streams from the other');

$t->sql(q{SELECT failover_pause('main')});
$a->safe_psql('postgres', 'SELECT pg_promote()');
ok($t->wait_for_sql($b, q{SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming'}, '2'), 'it goes along with a promotion by hand');
# Something of its own has to be there that was written on that timeline.
$a->safe_psql('postgres', q{SELECT pg_create_restore_point('beside')});
$a->safe_psql('postgres', 'CHECKPOINT');
$a->wait_for_catchup('b');
ok($t->wait_for(q{SELECT timeline FROM failover_health('main') WHERE peer_name = 'b'}, '2'), 'which the coordinator sees');
my $segment = $b->safe_psql('postgres', q{SELECT min(substr(name, 9)) FROM pg_ls_waldir() WHERE name ~ '^00000002[0-9A-F]{16}$'});
$a->kill_hard('all');
$p->kill_hard('all');
$t->sql(q{SELECT failover_resume('main')});
ok($t->wait_for_failover('p'), 'the primary is replaced');
is($t->status('primary_peer'), 'c', 'by the standby that has its history');
is($c->timeline, 3, 'on a timeline of its own');
is($c->safe_psql('postgres', q{SELECT min(substr(name, 9)) FROM pg_ls_waldir() WHERE name ~ '^00000003[0-9A-F]{16}$'}),
	$segment, 'which begins in the segment in which the orphan stands');
ok($t->wait_for(q{SELECT detail FROM failover_timeline WHERE step = 'repoint' AND peer_name = 'b' ORDER BY event_id LIMIT 1},
	'its history has diverged: it is on timeline 2, and the primary on 3, which does not come from there'), 'the timeline says why the orphan cannot follow');
ok($t->wait_for_following($b, $c), 'it is rewound, and follows');
ok($t->wait_for(q{SELECT detail FROM failover_timeline WHERE step = 'rejoin' AND peer_name = 'b' AND status = 'done'},
	qr/rewound in \d+ ms: timeline 2 is not in the history of timeline 3/), 'once it was compared by itself');

done_testing();
