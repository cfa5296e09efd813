# Drill: the postmaster alone is killed on a server with the node library, while
# its sessions are busy between a write and its commit.  They outlive it, and
# none of them acknowledges anything, in synchronous or asynchronous mode.  The
# server, started again, rejoins by itself.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $refusal = qr/the postmaster of this server has died/;
my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_receiver_timeout = 5s",
	settings => { sync_mode => 'quorum', block_period => '0' })->start;

# Clients whose sessions are at work for a second between the write and the commit.
sub start_busy
{
	my ($first) = @_;
	my $busy = FailoverTest::Writer->start([ $t->nodes ],
		name => 'busy', first => $first, writers => 4, timeout_ms => 20000, insert => <<'EOS');
INSERT INTO failover_test (writer, id) SELECT $1, $2 FROM (SELECT count(*) FROM generate_series(1, 2000000)) s
EOS
	ok($busy->wait_for_more(4), 'busy sessions write');
	return $busy;
}

# Kill the postmaster of that primary under load; returns the new primary and the rows that it lacks.
sub crash
{
	my ($old, $first, $what) = @_;
	my $node = $t->node($old);
	my $writer = $t->start_writer(first => $first, timeout_ms => 1000);
	my $busy = start_busy($first + 10);
	my $before = $node->logged($refusal);

	my $killed_at = $node->kill_hard('postmaster');
	ok($t->wait_for_failover($old), "$what: a server without its postmaster is replaced");
	ok($writer->wait_for_more(50), "$what: clients write again");
	my $new = $t->status('primary_peer');
	# All of them are gone now: whatever they had to say has been said.
	$node->wait_killed;
	$_->stop foreach $writer, $busy;
	cmp_ok(scalar($node->logged($refusal)), '>', $before, "$what: sessions that outlived it wanted to commit, and were refused");

	my %lost = map { $_ => 1 } map { $_->lost_rows($t->node($new)) } $writer, $busy;
	my @late = grep { $lost{"$_->[1]/$_->[2]"} && $_->[3] > $killed_at + 0.1 } map { $_->rows('a') } $writer, $busy;
	is(scalar(@late), 0, "$what: nothing acknowledged after the kill is missing");
	is($t->sql("SELECT count(*) FROM failover_history WHERE kind = 'failover' AND status = 'completed' AND from_peer = '$old'"),
		'1', "$what: one failover");

	$node->start;
	ok($t->wait_for("SELECT role = 'standby' AND replication_state = 'streaming' FROM failover_health('main', '$old')"),
		"$what: started again, it rejoins by itself");
	ok($t->wait_for_following($node, $t->node($new)), "$what: and follows the new primary");
	ok($t->wait_for_state('healthy'), "$what: full redundancy");
	$t->one_primary_ok("$what: one primary");
	return ($new, scalar(keys %lost));
}

$t->sync_set_ok('p', qw(a b));
my ($new, $lost) = crash('p', 1, 'synchronous');
is($lost, 0, 'synchronous: no acknowledged row is lost');
$t->sync_set_ok($new, grep { $_ ne $new } $t->names);

$t->set('sync_mode', 'off');
ok($t->wait_for(q{SELECT sync_names IS NULL FROM failover_group_state}), 'asynchronous from now on');
crash($new, 101, 'asynchronous');

done_testing();
