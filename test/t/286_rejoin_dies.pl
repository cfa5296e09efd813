# A former primary dies for good while it rejoins.  Nobody can know that it is
# not being rewound, so it is not asked again; but the others are helped: a
# standby that was away meanwhile is told whom to follow, with no hand on it and
# before the minute is over that is waited otherwise, and what an administrator
# asks for is done at once.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { block_period => '0' },
	register => { a => 'priority => 1' })->start;
my ($p, $a, $b) = $t->nodes;

# Killed when it is asked to become a standby; before that can be, what would do it is stopped.
sub dies_ok
{
	my ($node, $what) = @_;
	my $name = $node->name;
	my $coordinator = $t->coordinator->freeze_process('failover coordinator');

	$node->start;
	$node->freeze_process('failover node');
	$t->coordinator->thaw_process($coordinator);
	ok($t->wait_for("SELECT count(*) FROM failover_timeline WHERE step = 'rejoin' AND peer_name = '$name' AND status = 'running'", '1'),
		"$what: the former primary rejoins");
	$node->kill_hard('all');
	$node->wait_killed;
	is(rejoin_of($node), 'in_progress|', "$what: and that is in progress");
	return;
}

# How the last one stands.
sub rejoin_of
{
	my ($node) = @_;
	my $name = $node->name;

	return $t->sql("SELECT status, error FROM failover_history WHERE kind = 'rejoin' AND from_peer = '$name' ORDER BY event_id DESC LIMIT 1");
}

$b->stop('fast');
ok($t->wait_for(q{SELECT health FROM failover_health() WHERE peer_name = 'b'}, 'unhealthy'), 'a standby is away');
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is replaced');
is($t->status('primary_peer'), 'a', 'by the other standby');
$p->wait_killed;

# ---- with another one in need ----

dies_ok($p, 'another in need');
$b->start;
ok($t->wait_for_sql($b, q{SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'}, '1'), 'the standby follows');
ok($t->wait_for_following($b, $a), 'the new primary');
is(rejoin_of($p), 'cancelled|another peer needs help meanwhile', 'the rejoin that was waited for has made way');
my $asked = $t->sql(q{SELECT count(*) FROM failover_history WHERE kind = 'rejoin' AND from_peer = 'p'});

# ---- it was not dead after all ----

$p->start;
ok($t->wait_for_following($p, $a), 'started again, it goes on and follows');
is($t->sql(q{SELECT count(*) FROM failover_history WHERE kind = 'rejoin' AND from_peer = 'p'}), $asked, 'with no further request');
ok($t->wait_for(q{SELECT count(*) FROM failover_events WHERE kind = 'rejoined' AND peer_name = 'p'}, '1'), 'an event tells that it is back');
ok($t->wait_for_state('healthy'), 'full redundancy');

# ---- with nobody in need ----

$a->kill_hard('all');
ok($t->wait_for_failover('a'), 'the next primary is replaced, too');
my $new = $t->node($t->status('primary_peer'));
$a->wait_killed;
dies_ok($a, 'alone');
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}, '0'), 'it is waited for no longer than a minute');
like(rejoin_of($a), qr/^cancelled\|no longer waited for: the server has taken the request and goes on by itself; it has not answered for \d+ s$/,
	'the history says that nobody knows how the rejoin ends');
$a->start;
ok($t->wait_for_following($a, $new), 'started again, it goes on and follows');
ok($t->wait_for_state('healthy'), 'full redundancy');

# ---- with an administrator who has no time ----

my $old = $new;
$old->kill_hard('all');
ok($t->wait_for_failover($old->name), 'and the next one, too');
$new = $t->node($t->status('primary_peer'));
$old->wait_killed;
my ($name) = map { $_->name } grep { $_ != $old && $_ != $new } $t->nodes;

dies_ok($old, 'another peer');
is($t->sql("SELECT status FROM failover_rejoin('main', '$name')"), 'completed', 'another peer: it can be brought back meanwhile');
is(rejoin_of($old), 'cancelled|another rejoin was asked for', 'another peer: the history says why the first was cancelled');

$old->start;
ok($t->wait_for_following($old, $new), 'another peer: the first goes on when it is started');
ok($t->wait_for_state('healthy'), 'another peer: full redundancy');

$new->kill_hard('all');
ok($t->wait_for_failover($new->name), 'and one more');
$new->wait_killed;
$name = $new->name;
dies_ok($new, 'unregistered');
$t->sql("SELECT failover_unregister('main', '$name')");
ok($t->wait_for("SELECT status, error FROM failover_history WHERE kind = 'rejoin' AND from_peer = '$name' ORDER BY event_id DESC LIMIT 1",
		'cancelled|the target was unregistered'), 'unregistered: its rejoin is cancelled');
ok($t->wait_for_state('healthy'), 'unregistered: the others are well');
$t->one_primary_ok('unregistered: one primary');

done_testing();
