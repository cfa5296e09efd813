# What an operation waits for goes away: the session under a call, the peer
# itself, the group.  No operation stays in progress for ever.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 1, settings => { promote_timeout => '60s', block_period => '0' })->start;
my ($p, $a) = $t->nodes;

sub promote_begins_ok
{
	my ($what) = @_;
	ok($t->wait_for(q{SELECT EXISTS (SELECT FROM failover_timeline WHERE step = 'promote' AND status = 'running')}), $what);
	return;
}

# A new conninfo, of a transaction that began before the operation, replaces the
# session in which the promotion is being asked about.
my $admin = $t->coordinator->background_psql('postgres');
$admin->query_until(qr/altered/, "BEGIN;\nSELECT failover_alter_peer('main', 'a', '" . $a->conninfo . " connect_timeout=7');\n\\echo altered\n");
my $startup = $a->freeze_process('startup');
$p->kill_hard('all');
promote_begins_ok('a promotion is under way');
$a->freeze;
$admin->query_until(qr/committed/, "COMMIT;\n\\echo committed\n");
$admin->quit;
$a->thaw;
$a->thaw_process($startup);
ok($t->wait_for(q{SELECT status = 'completed' FROM failover_history ORDER BY event_id DESC LIMIT 1}, 't', 30),
	'an operation whose session was replaced goes on');
$t->one_primary_ok;

# The only peer of the running step goes, by a hand that does not ask.
my $b = $t->add_standby('b', $a);
$t->register('b');
$t->sql("SELECT failover_unregister('main', 'p')");
ok($t->wait_for_state('healthy'), 'full redundancy again');
$startup = $b->freeze_process('startup');
$a->kill_hard('all');
promote_begins_ok('another promotion is under way');
isnt(($t->try_sql("SELECT failover_unregister('main', 'b', true)"))[0], 0, 'a peer is not unregistered meanwhile');
$t->sql(q{DELETE FROM failover_peer WHERE peer_name = 'b'});
$t->sql(q{SELECT failover_set('main', 'check_interval', '900ms')});
ok($t->wait_for(q{SELECT current_event IS NULL FROM failover_status('main')}, 't', 20), 'an operation whose peer is gone ends');
is($t->sql(q{SELECT status FROM failover_history ORDER BY event_id DESC LIMIT 1}), 'failed', 'as failed');
$b->thaw_process($startup);

# The group was dropped while no worker was there to end its operation.
$t->sql(q{INSERT INTO failover_operation (event_id, group_name, kind, trigger, status, initiated_by, started_at)
	VALUES (nextval('failover_event_id'), 'gone', 'failover', 'manual', 'in_progress', 'failover', now())});
$t->coordinator->restart;
ok($t->wait_for(q{SELECT status = 'cancelled' AND finished_at IS NOT NULL FROM failover_operation WHERE group_name = 'gone'}),
	'an operation of a group that is gone is closed');

done_testing();
