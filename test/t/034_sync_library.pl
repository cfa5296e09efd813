# Drills: sync_mode = quorum where servers have the node library.  A switchover
# hands the set over; a primary that freezes, and wakes up again, has lost
# nothing; and its successor takes it into the set when it is a standby.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_receiver_timeout = 5s",
	settings => { sync_mode => 'quorum', block_period => '0' })->start;

sub settled_with
{
	my ($node, @names) = @_;
	my $set = 'ANY 1 (' . join(', ', map { qq{"$_"} } sort @names) . ')';

	return ok($t->wait_for_sql($t->node($node), 'SHOW synchronous_standby_names', $set), "the set of $node is $set")
	  && ok($t->wait_for(q{SELECT sync_names = sync_before FROM failover_group_state}), 'and settled');
}

settled_with('p', qw(a b));
my $writer = $t->start_writer(timeout_ms => 5000);
is($t->sql(q{SELECT kind, status, to_peer, error FROM failover_switchover('main', 'a')}), 'switchover|completed|a|', 'a switchover');
ok($writer->wait_for_more(100), 'clients go on writing');
settled_with('a', qw(b p));

$t->node('a')->freeze('all');
ok($t->wait_for_failover('a'), 'a frozen primary is replaced');
my $new = $t->status('primary_peer');
ok($writer->wait_for_more(100), 'clients write again');
$t->node('a')->thaw;
settled_with($new, grep { $_ ne $new } $t->names);
$writer->stop;
is(scalar($writer->lost_rows($t->node($new))), 0, 'no acknowledged row is lost');
is(join(' ', $t->primaries), $new, 'there is one primary');

done_testing();
