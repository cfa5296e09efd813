# Somebody keeps rows of one group locked: the others are watched, written down
# and failed over all the same, and what had to wait is written in the end.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 2, settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;

$t->sql(q{SELECT failover_create_group('other')});
$t->sql("SELECT failover_register('other', 'x', '" . $b->conninfo . q{')});
ok($t->wait_for(q{SELECT health = 'healthy' FROM failover_health('other', 'x')}), 'a second group is watched');

my $locker = $t->coordinator->background_psql('postgres');
$locker->query_until(qr/locked/, "BEGIN;\nSELECT failover_drop_group('other', true);\n\\echo locked\n");

$b->kill_hard('all');
ok($t->wait_for(q{SELECT health = 'unhealthy' FROM failover_health('other', 'x')}), 'the second group has something to write');
ok($t->wait_for(q{SELECT count(*) = 1 FROM failover_events WHERE group_name = 'main' AND kind = 'peer_down'}),
	'the first group writes');
$p->kill_hard('all');
ok($t->wait_for_failover('p', 15), 'and fails over');

$locker->query_until(qr/unlocked/, "ROLLBACK;\n\\echo unlocked\n");
$locker->quit;
ok($t->wait_for(q{SELECT count(*) = 1 FROM failover_events WHERE group_name = 'other' AND kind = 'peer_down'}),
	'what had to wait is written, once');

done_testing();
