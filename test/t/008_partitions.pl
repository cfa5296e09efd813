# Drill: wires are cut around the coordinator.  Standbys that still receive from
# the primary witness that it lives; a coordinator that hears nobody is alone.
# Nothing moves, nothing stops writing.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	network => 1,
	conf => "wal_sender_timeout = 5s\nwal_receiver_timeout = 5s",
	settings => { check_timeout => '1s', failure_threshold => 2, connect_check_interval => '1s' })->start;
my $net = $t->net;
my $writer = $t->start_writer;

sub holds_ok
{
	my ($reason, $what) = @_;

	ok($t->wait_for_verdict('hold', $reason), "$what: holds and says why");
	$t->no_failover_ok(4, "$what: no failover");
	ok($writer->wait_for_more(100), "$what: writes go on");
	is(join(' ', $t->primaries), 'p', "$what: the primary stays");
	$net->heal;
	ok($t->wait_for_state('healthy'), "$what: healthy again afterwards");
	return;
}

$net->cut('coordinator', 'p');
holds_ok('receiv|reconnect', 'coordinator cut off from the primary');

$net->cut_off('coordinator');
holds_ok('isolated', 'coordinator cut off from everything');

$net->cut_one_way('p', 'coordinator');
holds_ok('receiv|reconnect', 'answers of the primary are lost');

$net->cut_one_way('coordinator', 'p');
holds_ok('receiv|reconnect', 'questions to the primary are lost');

if ($net->can_reject)
{
	$net->cut('coordinator', 'p', 'reject');
	holds_ok('receiv|reconnect', 'the network refuses the way to the primary');
}

# One standby silent to us, the other a witness.
$net->cut('coordinator', 'p');
$net->cut('coordinator', 'a');
holds_ok('receiv|reconnect', 'coordinator cut off from the primary and a standby');

# The opposite: we see everyone, nobody receives.
$net->cut('p', 'a');
$net->cut('p', 'b');
ok($t->wait_for_sql($t->node('p'), q{SELECT count(*) = 0 FROM pg_stat_replication}), 'the standbys are cut off');
$t->no_failover_ok(4, 'primary cut off from its standbys: no failover while it answers');
ok($t->wait_for(q{SELECT NOT failover_possible FROM failover_status('main')}), 'primary cut off from its standbys: and none would be lossless');
$net->heal;
ok($t->wait_for_state('healthy'), 'primary cut off from its standbys: healthy again afterwards');

is($t->count_operations('failover'), '0', 'no failover in all of this');
$writer->stop;
is(scalar($writer->lost_rows($t->node('p'))), 0, 'no acknowledged row is lost');

done_testing();
