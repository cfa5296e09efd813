# Drill 6: the postmaster hangs, and the one standby has lost it before it had
# received everything.  Nobody can have the rest any more while it hangs: with
# prefer = consistency the group waits, with prefer = availability the standby is
# promoted, and what it lacks is admitted.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	standbys => 1,
	conf => 'wal_receiver_timeout = 5s',
	settings => { connect_check_interval => '1s', check_timeout => '1s', failure_threshold => 2 })->start;
my ($p, $a) = $t->nodes;

my $writer = $t->start_writer(timeout_ms => 1000);
$p->freeze_process('walsender');
ok($writer->wait_for_more(100), 'asynchronous replication: the writer does not wait for the standby');
$p->freeze('postmaster');

ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_history WHERE kind = 'failover' AND status = 'failed'}, 't'), 'a failover fails');
like($t->sql(q{SELECT error FROM failover_history WHERE kind = 'failover' AND status = 'failed' ORDER BY event_id DESC LIMIT 1}),
	qr/has not received everything/, 'because the standby lacks what the primary had acknowledged');
is($a->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'it is not promoted');

$t->set('prefer', 'availability');
$t->sql(q{SELECT failover_acknowledge('main', 'tried again at once')});
ok($t->wait_for_failover('p'), 'with availability preferred it is');
is($t->status('primary_peer'), 'a', 'it is the primary');
ok($writer->wait_for_more(100), 'clients write on it');
$writer->stop;
cmp_ok(scalar($writer->lost_rows($a)), '>', 0, 'rows are lost');
cmp_ok($t->sql(q{SELECT lost_bytes FROM failover_history WHERE kind = 'failover' AND status = 'completed'}), '>', 0, 'and the history says so');

$p->thaw_all;
ok($t->wait_for_sql($p, 'SHOW default_transaction_read_only', 'on'), 'the old one is fenced when it goes on');

done_testing();
