# Drill: the candidate of a switchover loses its connection while the old primary stops,
# and so lacks the last that this one writes, which the other standby has.  Nothing that was
# acknowledged is missing; whoever is ahead of the new primary is rewound soon.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { block_period => '0', lease_time => '1s', check_interval => '200ms' })->start;
my ($p, $a, $b) = $t->nodes;
my $receiver = $a->freeze_process('walreceiver');
my $writer = $t->start_writer(timeout_ms => 5000);

$a->thaw_process($receiver);
$p->run_at('demote', "kill -STOP $receiver");
$t->sql(q{SELECT failover_switchover('main', 'a', wait => false)});
ok($b->ask_until('SELECT count(*) FROM pg_stat_wal_receiver', '0'), 'the other standby has the last words of the old primary');
# What lies in its socket is not read any more.
kill('TERM', $receiver);
$a->thaw_process($receiver);
ok($t->wait_for(q{SELECT status = 'completed' FROM failover_history WHERE kind = 'switchover'}), 'the primary is moved');
cmp_ok($t->sql(q{SELECT duration_ms FROM failover_timeline WHERE step = 'follow'}), '<', 25000, 'the old primary has not stood in vain for long');
ok($t->wait_for_following($_, $a), $_->name . ' follows') foreach $p, $b;
is(scalar(my @starts = $p->logged(qr/stopping to become a standby/)), 2, 'after it has compared histories');
ok($t->wait_for_state('healthy'), 'full redundancy');
$t->one_primary_ok;
$writer->stop;
is(join(' ', $writer->lost_rows($a)), '', 'no acknowledged row is lost');

done_testing();
