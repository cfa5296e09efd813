# A promotion that is ordered when the walreceiver has just ended is not slept
# through.  PostgreSQL's startup process notices the order, and goes to sleep for
# wal_retrieve_retry_interval all the same, unless something else wakes it.
use strict;
use warnings;

use FailoverTest::Lease;
use Test::More;

my ($p, $lease_p) = FailoverTest::Lease->start_primary('p');
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
$lease_p->grant(term => 1, seconds => 600);

$a->append_conf('postgresql.conf', "wal_retrieve_retry_interval = '1h'\nlog_min_messages = debug2");
$a->reload;
ok($a->ask_until('SHOW wal_retrieve_retry_interval', '1h'), 'the standby is patient');
my %pid = map { $_ => $a->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = '$_'") } qw(startup walreceiver);
$lease_a->prepare_promotion(term => 2, timeline => 2);

# The next receiver is asked for, and never started: there is none whose end would wake anybody.
$a->freeze('postmaster');
kill('TERM', $pid{walreceiver});
ok($a->comes_to_log(qr/switched WAL source from archive to stream/), 'the receiver has ended');

# As pg_promote() and the postmaster do it.
open(my $order, '>', $a->data_dir . '/promote') or die;
close($order);
chmod(0600, $a->data_dir . '/promote');
kill('USR2', $pid{startup});
ok($a->comes_to_log(qr/received promote request/), 'the promotion is ordered');
ok($a->comes_to_log(qr/archive recovery complete/), 'and ends long before the interval');

$a->thaw;
ok($a->ask_until('SELECT pg_is_in_recovery()', 'f'), 'as the server says, too');

done_testing();
