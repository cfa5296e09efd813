# Drill: a firewall refuses connections to servers without the node library, as the
# host of a dead server does.  A refusal alone proves no death: a primary is not
# left behind, nor a candidate that was told to promote.  One that was seen to end
# is replaced at once.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	network => 'proxy',
	conf => "wal_keep_size = 256MB\nwal_receiver_timeout = 5s",
	register => { a => 'priority => 1' },
	settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;
my $net = $t->net;
my $writer = FailoverTest::Writer->start([$p], timeout_ms => 2000);
ok($writer->wait_for_more(20), 'clients of the primary write');

# The primary stays, by itself and when it is asked to be moved.
sub stays_ok
{
	my ($error, $what) = @_;

	my ($status, undef, $stderr) = $t->try_sql(q{SELECT failover_trigger('main')});
	isnt($status, 0, "$what: nor is it moved on request");
	like($stderr, qr/55000: .*$error.*force => true/s, "$what: and the error says why, and what to do");
	is($t->sql('SELECT count(*) FROM failover_history'), '0', "$what: nothing was begun");
	ok($writer->wait_for_more(20), "$what: its clients write on");
	return;
}

# Between the coordinator and the primary.
$net->cut('coordinator', 'p', 'reset');
ok($t->wait_for_verdict('hold', 'refuses connections from the coordinator, but standby .* still receives'),
	'refused from here only: held');
stays_ok('primary "p" does not answer the coordinator, but standby "[ab]" still receives from it', 'refused from here only');
$net->heal;
ok($t->wait_for_state('healthy'), 'refused from here only: healthy again afterwards');

# From everybody but its clients.
my $held = q{SELECT rule = 109 AND reason ~ 'may still take writes.*has not been reachable' FROM failover_evaluate('main')};
$net->cut_off('p', 'reset');
ok($t->wait_for($held), 'refused to everybody: held, because it may still take writes');
$t->no_failover_ok(5, 'refused to everybody: no failover');
stays_ok('primary "p" does not answer and cannot be fenced: it may still take writes', 'refused to everybody');

# A new process of the coordinator never had a session that it could have seen the end of.
ok($t->wait_for(q{SELECT down_since < now() - interval '11 s' FROM failover_peer_state WHERE peer_name = 'p'}), 'this lasts');
my $pid = $t->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'failover coordinator'});
$t->sql("SELECT pg_terminate_backend($pid)");
ok($t->wait_for("SELECT pid <> $pid FROM pg_stat_activity WHERE backend_type = 'failover coordinator'"), 'another process of the coordinator');
ok($t->wait_for($held), 'another process of the coordinator: still held');
$t->no_failover_ok(5, 'another process of the coordinator: no failover');
$net->heal;
ok($t->wait_for_state('healthy'), 'healthy again with the wires back');
is(join(' ', $t->primaries), 'p', 'the primary is the same');
$writer->stop;
is(scalar($writer->lost_rows($p)), 0, 'no acknowledged row is lost');

# It dies, and its candidate is behind a firewall as soon as it was told to promote.
# (Behind a proxy its host does not refuse before the wire does.)  The candidate
# is "a", because the other one receives nothing that it does not.
ok($t->wait_for_following($_, $p), $_->name . ' receives again') foreach $a, $b;
$net->cut('b', 'p', 'reset');
ok($t->wait_for_sql($p, q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'b'}, '0'), 'one standby is cut off');
my $startup = $a->freeze_process('startup');
$p->kill_hard('all');
ok($t->wait_for(q{SELECT error_class = 'reset' FROM failover_health('main', 'p')}), 'the coordinator sees the primary end');
$net->cut_off('p', 'reset');
ok($t->wait_for(q{SELECT count(*) FROM failover_timeline WHERE step = 'promote' AND status = 'running'}, 1),
	'when its host refuses connections, it is replaced');
is($t->sql('SELECT rule FROM failover_history'), '71', 'because it is dead');
$net->cut('coordinator', 'a', 'reset');
ok($t->wait_for(q{SELECT status FROM failover_history}, 'failed'), 'the candidate refuses: the operation has failed');
is($t->status('primary_peer'), 'a', 'it is the primary of record, for it may be promoted yet');
$a->thaw_process($startup);
ok($t->wait_for_sql($a, 'SELECT pg_is_in_recovery()', 'f'), 'and it is promoted');
$writer = FailoverTest::Writer->start([$a], name => 'new', first => 11, timeout_ms => 2000);
ok($writer->wait_for_more(20), 'its clients write');
$t->no_failover_ok(5, 'nobody else is promoted');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'promote'}), '1', 'nor was anybody told to');
$net->heal;
ok($t->wait_for_following($b, $a), 'with the wires back the other standby follows it');
is(join(' ', $t->primaries), 'a', 'one primary');
$writer->stop;
is(scalar($writer->lost_rows($a)), 0, 'no row that it has acknowledged is lost');

done_testing();
