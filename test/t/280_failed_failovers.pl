# A failover that must fail before its promotion, for the same reason each time,
# is not begun again every second: the pauses double, the status says so, and
# they are over as soon as something is different.
use strict;
use warnings;

use FailoverTest;
use Test::More;

# Of three standbys two fall silent with the primary: nobody can say that they do not renew its lease.
my $t = FailoverTest->new(
	standbys => 3,
	library => 1,
	conf => 'wal_receiver_timeout = 3s',
	settings => { block_period => '1min' })->start;
my ($p, $a, $b, $c) = $t->nodes;

$_->freeze('all') foreach $p, $b, $c;
ok($t->wait_for(q{SELECT peers_healthy = 1 FROM failover_status('main')}), 'the primary and two of three standbys are silent');

my $failed = q{SELECT count(*) FROM failover_history WHERE kind = 'failover' AND status = 'failed'};
ok($t->wait_for("SELECT ($failed) >= 4"), 'failovers fail');
is($t->sql(q{SELECT DISTINCT error ~ 'too few standbys are cut off' FROM failover_history}), 't', 'because the lease may be renewed');
is( $t->sql(q{SELECT bool_and(pause >= 0.99 * 2 ^ (n - 1)) FROM (SELECT row_number() OVER w AS n,
	extract(epoch FROM lead(started_at) OVER w - finished_at) AS pause FROM failover_history WINDOW w AS (ORDER BY event_id)) t}),
	't', 'each pause is twice as long as the one before');
is($t->status('blocked_by'), 'retry', 'the status says that the next one waits');
is($t->sql(q{SELECT rule, reason ~ 'last attempt has failed: .*too few standbys are cut off' FROM failover_evaluate('main')}), '111|t',
	'the dry run says why');

# Somebody looks at it.
my $n = $t->sql($failed);
$t->sql(q{SELECT failover_acknowledge('main')});
ok($t->wait_for("SELECT ($failed) > $n"), 'acknowledging tries again');
is( $t->sql(q{SELECT extract(epoch FROM f.started_at - a.at) < 4 FROM failover_events a, failover_history f
	WHERE a.kind = 'acknowledged' ORDER BY f.event_id DESC LIMIT 1}), 't', 'at once');

# A peer comes back.
$b->thaw;
ok($t->wait_for_failover('p'), 'with one more standby it succeeds');
like($t->one_primary_ok, qr/^[ab]$/, 'one primary');
is($t->sql(q{SELECT blocked_by FROM failover_status('main')}), 'block_period', 'nothing is left of the pauses');

done_testing();
