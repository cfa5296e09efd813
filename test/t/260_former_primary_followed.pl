# A standby that was away during a failover comes back to the server that it
# used to follow.  That has become a standby meanwhile, so the walreceiver
# streams, and nothing looks wrong from there; the standby is pointed at the
# primary all the same, also by a coordinator that was started since.  A
# standby that was put behind another one on purpose is left there.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 100ms",
	settings => { check_interval => '200ms', block_period => '0' })->start;
my ($p, $a, $b) = map { $t->node($_) } qw(p a b);

ok($t->wait_for(q{SELECT count(*) FROM failover_peer_state WHERE followed = 'p' AND peer_name <> 'p'}, '2'), 'it is remembered who followed the primary');

$a->kill_hard('all');
$a->wait_killed;
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is replaced while a standby is away');
$p->wait_killed;
$p->start;
ok($t->wait_for_following($p, $b), 'the old primary follows the new one');

# While the coordinator is away the standby finds its old upstream.
$t->coordinator->stop('fast');
$a->start;
my $port = $p->port;
ok($t->wait_for_sql($a, "SELECT status = 'streaming' AND sender_port = $port FROM pg_stat_wal_receiver"),
	'the standby that comes back streams from the old primary');
$t->coordinator->start;
ok($t->wait_for_following($a, $b), 'and is pointed at the new one');
ok($t->wait_for_state('healthy'), 'full redundancy');

# A former primary is told to follow, and away before it is seen to; when it has done what it was told,
# the primary has moved on.
$t->set('auto_rejoin', 'off');
$b->kill_hard('all');
ok($t->wait_for_failover('b'), 'another failover');
$b->wait_killed;
$b->start;
my ($old, $new) = $t->status('primary_peer') eq 'a' ? ($a, $p) : ($p, $a);
my $old_name = $old->name;
my $new_name = $new->name;
ok($t->wait_for_following($new, $old), 'the other standby follows');
ok($t->wait_for(q{SELECT error_class IS NULL FROM failover_health('main', 'b')}), 'the former primary answers');
$b->freeze_process('failover node');
$t->sql(q{SELECT failover_rejoin('main', 'b', wait => false)});
ok($t->wait_for_sql($b, 'SELECT rejoin_phase FROM failover_node_status()', 'requested'), 'the former primary is told to become a standby');
is($t->sql(q{SELECT told_to_follow FROM failover_peer_state WHERE peer_name = 'b'}), $old_name, 'and whose is remembered');
$t->coordinator->stop('fast');
$b->kill_hard('all');
$b->wait_killed;
$b->start;
my $old_port = $old->port;
my $streams_from_old = "SELECT status = 'streaming' AND sender_port = $old_port FROM pg_stat_wal_receiver";
ok($t->wait_for_sql($b, $streams_from_old), 'it does as it was told, unseen by the coordinator');
# Stopped before its worker has seen that, it would look for a primary when it is started.
ok($b->comes_to_log(qr/failover: consistent since the rewind/), 'and is consistent');
$b->stop('fast');
$t->coordinator->start;
ok($t->wait_for(q{SELECT h.health = 'unhealthy' AND current_event IS NULL FROM failover_health('main', 'b') h, failover_status('main')}),
	'the coordinator finds it stopped');
is($t->sql("SELECT kind, status, from_peer, to_peer FROM failover_switchover('main', '$new_name')"),
	"switchover|completed|$old_name|$new_name", 'the primary moves on');
ok($t->wait_for_following($old, $new), 'and leaves a standby behind');
$b->start;
ok($t->wait_for_sql($b, $streams_from_old), 'the former primary still streams from there');
$t->set('auto_rejoin', 'on');
ok($t->wait_for_following($b, $new), 'and is pointed at the new primary');
ok($t->wait_for_state('healthy'), 'full redundancy once more');

# A cascade that somebody wanted.
my $user = getpwuid($<);
$old->safe_psql('postgres', q{ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=} . $b->port . qq{ user=$user application_name=$old_name'});
$old->safe_psql('postgres', 'SELECT pg_reload_conf()');
$port = $b->port;
ok($t->wait_for_sql($old, "SELECT status = 'streaming' AND sender_port = $port FROM pg_stat_wal_receiver"),
	'a standby is put behind another one');
my $rejoins = $t->count_operations('rejoin');
ok($t->wait_for_checks(30), 'the coordinator looks at it for longer than it would wait');
is($t->count_operations('rejoin'), $rejoins, 'and leaves it there');
is($old->safe_psql('postgres', 'SELECT sender_port FROM pg_stat_wal_receiver'), $port, 'behind the same server');

done_testing();
