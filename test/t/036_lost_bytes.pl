# Drills: what lost_bytes says after moves away from a living primary that SQL
# alone has to fence: zero where everything has reached the new one, asynchronous
# commits included; nothing where a session could not be ended; and to the byte
# what did not get through.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 3, network => 1);
$t->start_servers;
$t->start_coordinator;
$t->node('p')->safe_psql('postgres', $t->sql('SELECT string_agg(line, E\'\n\') FROM failover_peer_grants(current_setting(\'server_version_num\')::int) AS g(line)'));
$t->sql(q{SELECT failover_create_group('main')});
$t->set('block_period', '0');
$t->set('write_check', 'off');
$t->sql("SELECT failover_register('main', '" . $_->name . "', '" . ($_->conninfo =~ s/user=\S+/user=failover/r) . "')") foreach $t->nodes;
ok($t->wait_for_state('healthy'), 'the group is healthy');

# Move away from that primary: new primary and lost_bytes.
sub move
{
	my ($old, $arguments) = @_;
	my $event = $t->sql("SELECT event_id FROM failover_trigger('main'$arguments)");
	my ($status, $new, $lost) = split(/\|/, $t->sql("SELECT status, to_peer, coalesce(lost_bytes, -1) FROM failover_history WHERE event_id = $event"));

	is($status, 'completed', $old->name . ' is replaced');
	return ($t->node($new), $lost, $event);
}

# The position in what the step said of the peer.
sub position
{
	my ($event, $step, $name) = @_;
	return $t->sql("SELECT substring(detail FROM '[0-9A-F]+/[0-9A-F]+') FROM failover_timeline WHERE event_id = $event AND step = '$step' AND peer_name = '$name' ORDER BY step_no DESC LIMIT 1");
}

# Nothing flushes what nobody waits for.
my $p = $t->node('p');
my $walwriter = $p->freeze_process('walwriter');
$p->safe_psql('postgres', 'SELECT pg_switch_wal()');
$p->safe_psql('postgres', 'SET synchronous_commit = off; INSERT INTO failover_test SELECT 88, g FROM generate_series(1, 10) g');
my ($first, $lost) = move($p, '');
$p->thaw_process($walwriter);
is($first->safe_psql('postgres', 'SELECT count(*) FROM failover_test WHERE writer = 88'), '10', 'acknowledged before they were flushed, the rows are there');
is($lost, '0', 'nothing is lost, says the history');

my @standbys = grep { $_ != $p && $_ != $first } $t->nodes;
ok($t->wait_for_following($_, $first), $_->name . ' follows') foreach @standbys;
my $session = $first->background_psql('postgres');
$session->query_safe('SELECT 1');
(my $second, $lost, my $event) = move($first, '');
like($t->sql("SELECT detail FROM failover_timeline WHERE event_id = $event AND step = 'fence'"), qr/, 1 earlier sessions left, superusers'/, 'a session could not be ended');
is($lost, '-1', 'what it may have done nobody knows');
$session->quit;

my ($third) = grep { $_ != $second } @standbys;
ok($t->wait_for_following($third, $second), $third->name . ' follows');
$t->net->cut($second->name, $third->name);
$second->safe_psql('postgres', 'INSERT INTO failover_test SELECT 99, g FROM generate_series(1, 10) g');
(my $new, $lost, $event) = move($second, ', force => true');
is($new->safe_psql('postgres', 'SELECT count(*) FROM failover_test WHERE writer = 99'), '0', 'rows that did not get through are lost');
cmp_ok($lost, '>', 0, 'the history admits it');
my ($fenced, $received) = (position($event, 'fence', $second->name), position($event, 'freeze', $new->name));
is($lost, $t->sql("SELECT '$fenced'::pg_lsn - '$received'::pg_lsn"), 'to the byte');

done_testing();
