# Drill: the candidate of a switchover is held up by its disk for some seconds while the
# old primary stops, which takes as long.  It is slow, not silent, and gets all that the
# old primary writes on its way down.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use Test::More;
use Time::HiRes qw(time);

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { block_period => '0', lease_time => '1s', check_interval => '200ms' })->start;
my ($p, $a, $b) = $t->nodes;
my @held_up = ($a->freeze_process('walreceiver'), $p->freeze_process('checkpointer'));

$a->thaw_process($held_up[0]);
$p->thaw_process($held_up[1]);
$p->run_at('demote', "kill -STOP @held_up");
$t->sql(q{SELECT failover_switchover('main', 'a', wait => false)});
ok($t->wait_for(q{SELECT EXISTS (SELECT FROM failover_timeline WHERE step = 'stopped' AND status = 'running')}), 'the old primary stops');
# Longer than it would wait for one that is silent.
FailoverTest::Lease::wait_until(time() + 7);
kill('CONT', @held_up);
ok($t->wait_for(q{SELECT status = 'completed' FROM failover_history WHERE kind = 'switchover'}), 'the primary is moved');
ok($t->wait_for_following($_, $a), $_->name . ' follows') foreach $p, $b;
ok($t->wait_for_state('healthy'), 'full redundancy');
$t->one_primary_ok;
is(join(' ', map { scalar(my @starts = $_->logged(qr/stopping to become a standby/)) } $p, $b), '1 0', 'nobody had to be rewound');

done_testing();
