# The servers of one group are registered in a second one, under other connection
# strings: that is told in both, and the second group leaves them alone.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => "wal_keep_size = 256MB\nlisten_addresses = '127.0.0.1,127.0.0.2'")->start;
my ($p, $a, $b) = $t->nodes;
my $writer = $t->start_writer(timeout_ms => 1000);

sub register_again
{
	my ($name, $node) = @_;
	$t->sql("SELECT failover_register('other', '$name', '" . $node->conninfo =~ s/127\.0\.0\.1/127.0.0.2/r . q{')});
	return;
}

sub rule_ok
{
	my ($group, $rule, $what) = @_;
	return ok($t->wait_for("SELECT rule FROM failover_evaluate('$group')", $rule), $what);
}

register_again('x', $p);
register_again('y', $a);
rule_ok('other', 6, 'the second group sees that its server counts in another');
rule_ok('main', 91, 'and so does the first');
like($t->sql(q{SELECT reason FROM failover_evaluate('other')}), qr/"x" is the same server as one of group "main", and counts there/, 'with its name');
is($t->sql(q{SELECT finding FROM failover_preflight('other') WHERE severity = 'error' AND peer_name = 'x' AND finding ~ 'group'}),
	'is the same server as peer "p" of group "main", and counts there: here it counts for nothing', 'preflight of the second names it');
is($t->sql(q{SELECT string_agg(peer_name, ' ') FROM failover_preflight('main') WHERE severity = 'error' AND finding ~ 'of group "other", and counts here'}),
	'a p', 'and that of the first');
is($t->sql(q{SELECT string_agg(group_name || '.' || peer_name, ' ' ORDER BY group_name, peer_name) FROM failover_events WHERE kind = 'registered_twice'}),
	'main.a main.p other.x other.y', 'each of them has an event');
like($t->status('degraded_reasons'), qr/same server as one of group .*other/, 'the status of the first tells it');
is($t->sql(q{SELECT primary_peer IS NULL AND term = 0 FROM failover_status('other')}), 't', 'the second group has no primary');
my (undef, undef, $error) = $t->try_sql(q{SELECT failover_trigger('other', force => true)});
like($error, qr/ERROR/, 'and moves none');
(undef, undef, $error) = $t->try_sql(q{SELECT failover_rejoin('other', 'x')});
like($error, qr/55000: peer "x" is the same server as peer "p" of group "main"/, 'nor does it bring anybody back');
unlike($t->sql(q{SELECT degraded_reasons FROM failover_status('other')}), qr/failover_rejoin/, 'or say that it could');

$t->coordinator->restart;
rule_ok('other', 6, 'a coordinator that is started again takes the servers over for neither');
rule_ok('main', 91, 'but for the group that had them');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE group_name = 'other' AND kind = 'primary_adopted'}), '0', 'never');
ok($writer->wait_for_more(20), 'clients go on');
$writer->stop;
is(scalar($writer->errors), 0, 'without an error');

# The server restarts: whoever hears of it first must not take it for another one.
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the first group replaces its primary when it dies');
$p->wait_killed;
$p->start;
ok($t->wait_for_following($p, $t->node($t->status('primary_peer'))), 'and brings it back');
is($t->sql(q{SELECT count(*) FROM failover_history WHERE group_name = 'other'}), '0', 'the second has done nothing');
$t->one_primary_ok;

$t->sql(q{SELECT failover_unregister('other', 'y')});
$t->sql(q{SELECT failover_unregister('other', 'x')});
ok($t->wait_for_state('healthy'), 'once unregistered there is nothing to tell');

done_testing();
