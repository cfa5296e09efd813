# Drill: what a lease means for people.  A primary that answers and gets none
# refuses every commit, and the status says so and why; one that is frozen can be
# moved on request, because the end of its lease is waited for.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	network => 'proxy',
	library => 1,
	clock => 1,
	conf => "wal_keep_size = 256MB\nwal_log_hints = on\nwal_receiver_timeout = 3s\nwal_sender_timeout = 5s",
	settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;
my $insert = 'INSERT INTO failover_test (writer, id) SELECT 99, count(*) FROM failover_test';

# A coordinator of which there may be a copy is started again and sees no standby; nor does the primary.
$t->sql('UPDATE failover_identity SET copied = true');
$t->net->cut('coordinator', $_) foreach 'a', 'b';
$t->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'failover coordinator'});
$t->net->cut('p', $_) foreach 'a', 'b';
$p->restart;
# By the clock of the day the word of a person comes before the coordinator began.
$t->move_clock(-3600, 0);
ok($t->wait_for(q{SELECT verdict = 'alert' AND rule = 37 AND reason ~ 'failover_acknowledge' FROM failover_evaluate('main')}),
	'a primary that gets no lease is an alert, which names the way out');
is($t->status(q{degraded, array_to_string(degraded_reasons, '; ') ~ 'primary "p" holds no lease and refuses commits: .*failover_acknowledge'}),
	't|t', 'and a reason for being degraded');
is($t->sql(q{SELECT count(*) > 0 FROM failover_events WHERE kind = 'verdict' AND severity = 'warning' AND message ~ 'rule 37'}),
	't', 'and an event');
my ($status, undef, $error) = $p->psql('postgres', $insert);
isnt($status, 0, 'it refuses commits');
like($error, qr/does not hold the lease/, 'as the status says');
ok($t->wait_for(q{SELECT blocked_by FROM failover_status('main')}, 'unconfirmed'), 'that is what blocks a failover');
$t->sql(q{SELECT failover_acknowledge('main', 'there is no other one')});
ok($t->wait_for(q{SELECT rule NOT IN (37, 38) FROM failover_evaluate('main')}), 'acknowledged, the alert is over');
$p->safe_psql('postgres', $insert);
$t->net->heal;
ok($t->wait_for_state('healthy'), 'healthy with the wires back');

# Nothing is done unasked; a request needs no force.
$t->set('auto_failover', 'off');
$p->freeze('all');
ok($t->wait_for_verdict('hold', 'auto_failover is off.*has not been reachable'), 'a frozen primary is noticed');
is($t->sql(q{SELECT kind, status, from_peer FROM failover_trigger('main')}), 'failover|completed|p',
	'it is moved on request, without force');
is($t->sql(q{SELECT status FROM failover_timeline WHERE step = 'lease' AND peer_name = 'p'}), 'done', 'when its lease had ended');
my $new = $t->status('primary_peer');
$p->thaw;
ok($t->wait_for_following($p, $t->node($new)), 'let go, it becomes a standby');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->one_primary_ok('one primary'), $new, 'the new one');

done_testing();
