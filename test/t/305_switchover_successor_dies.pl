# Drill: the candidate of a switchover is promoted without the coordinator's seeing
# it, serves, and dies.  What it acknowledged, one standby alone has confirmed:
# nobody is promoted who may lack it; and who has it is, whoever was ahead before.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	standbys => 3,
	conf => 'wal_keep_size = 256MB',
	settings => { sync_mode => 'quorum', lease_time => '20s', promote_timeout => '60s', block_period => '0' })->start;
my ($p, $a, $b, $c) = $t->nodes;
my $last = q{SELECT status, to_peer, attempts FROM failover_history WHERE kind = 'switchover' ORDER BY event_id DESC LIMIT 1};

$t->sync_set_ok('p', 'a', 'b', 'c');

# A is ordered to promote, and does so while the coordinator looks at nothing; c alone confirms its commit.
my $startup = $a->freeze_process('startup');
$t->sql(q{SELECT failover_switchover('main', 'a', wait => false)});
ok($t->wait_for(q{SELECT EXISTS (SELECT FROM failover_timeline WHERE step = 'promote' AND status = 'running')}), 'the promotion is ordered');
ok($t->wait_for_sql($_, q{SELECT current_setting('primary_conninfo') ~ 'port=} . $a->port . q{( |$)'}), $_->name . ' is told to follow') foreach $b, $c;
ok($t->wait_for_sql($a, q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'failover listener'}, '1'),
	'the coordinator listens for the end of the candidate');
my $worker = $t->coordinator->freeze_process('failover coordinator');
$a->thaw_process($startup);
ok($a->ask_until('SELECT may_commit FROM failover_node_status()', 't'), 'it is promoted, and serves');
ok($t->wait_for_following($_, $a), $_->name . ' follows it') foreach $b, $c;
my $receiver = $b->freeze_process('walreceiver');
is($a->ask(q{INSERT INTO failover_test (writer, id) VALUES (1, 1)}) // 'refused', '', 'a commit is acknowledged, which one standby has confirmed');
$a->kill_hard('all');
$c->kill_hard('all');
# What lies in its socket is not read any more.
kill('TERM', $receiver);
$b->thaw_process($receiver);
$t->coordinator->thaw_process($worker);

ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}, 0), 'the switchover ends');
is($t->sql($last), 'failed|a|2', 'without another primary');
is($b->ask('SELECT pg_is_in_recovery()'), 't', 'the one that lacks the commit is not promoted');

$a->wait_killed;
$c->wait_killed;
$_->start foreach $a, $c;
ok($t->wait_for_state('healthy'), 'full redundancy when they are back');
is($t->node($t->status('primary_peer'))->safe_psql('postgres', 'SELECT count(*) FROM failover_test WHERE writer = 1'), '1',
	'the acknowledged commit is there');
$t->one_primary_ok('one primary');

done_testing();
