# Somebody keeps rows of one group locked: the others are watched, written down
# and failed over all the same, and what had to wait is written in the end.  Who
# it is is said; one who sits there and keeps a failover waiting is shown the door.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 2, coordinator_conf => 'log_min_messages = warning', settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;

$t->sql(q{SELECT failover_create_group('other')});
$t->sql("SELECT failover_register('other', 'x', '" . $b->conninfo . q{ connect_timeout=9')});
ok($t->wait_for(q{SELECT health = 'healthy' FROM failover_health('other', 'x')}), 'a second group is watched');

ok($t->wait_for(q{SELECT count(*) = 1 FROM failover_group_state WHERE group_name = 'other'}), 'and written down');

my $locker = $t->coordinator->background_psql('postgres');
$locker->query_until(qr/locked/, "BEGIN;\nSELECT failover_drop_group('other', true);\n\\echo locked\n");

$b->kill_hard('all');
ok($t->wait_for(q{SELECT health = 'unhealthy' FROM failover_health('other', 'x')}), 'the second group has something to write');
ok($t->wait_for(q{SELECT count(*) = 1 FROM failover_events WHERE group_name = 'main' AND kind = 'peer_down'}),
	'the first group writes');
ok($t->coordinator->wait_for_log(qr/group "other": nothing about the group can be written: session \d+ of user ".*" \(application ".*", idle in a transaction\) keeps its rows locked/),
	'it is said who keeps the rows locked');

# The rows of the group that is to fail over.
my $hostage = $t->coordinator->background_psql('postgres');
my ($pid) = $hostage->query_until(qr/^\d+$/m, "BEGIN;\nSELECT FROM failover_group_state WHERE group_name = 'main' FOR UPDATE;\nSELECT pg_backend_pid();\n") =~ /^(\d+)$/m;
$p->kill_hard('all');
ok($t->wait_for_failover('p', 30), 'a failover is not kept waiting for ever');
is($t->sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"), '0', 'the session that kept it waiting is gone');
is($t->sql(qq{SELECT count(*) FROM failover_events WHERE kind = 'session_ended' AND message ~ '^ended session $pid of user "[^"]+" \\(application'}), '1', 'the events say which, once');
eval { $hostage->quit };

$locker->query_until(qr/unlocked/, "ROLLBACK;\n\\echo unlocked\n");
$locker->quit;
ok($t->wait_for(q{SELECT count(*) = 1 FROM failover_events WHERE group_name = 'other' AND kind = 'peer_down'}),
	'what had to wait is written, once');

done_testing();
