# Drill: the primary is cut off from its standbys, the coordinator sees all of
# them.  Nobody is promoted, which is said; commits go on alone in mode quorum,
# and wait in mode strict, which is said too.  When the wires are back so is
# everything else.
use strict;
use warnings;

use FailoverTest;
use Test::More;

plan(skip_all => 'no private network on this machine') unless FailoverTest::Net::available();

my $t = FailoverTest->new(
	network => 1,
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_sender_timeout = 2s\nwal_receiver_timeout = 2s\nwal_retrieve_retry_interval = 500ms",
	settings => { sync_mode => 'quorum' })->start;
my $net = $t->net;
my $p = $t->node('p');
my $set = 'ANY 1 ("a", "b")';

sub set_is
{
	my ($expected, $what) = @_;
	return ok($t->wait_for_sql($p, 'SHOW synchronous_standby_names', $expected), $what);
}

sub settled { return $t->wait_for(q{SELECT sync_names = sync_before FROM failover_group_state}) }

sub cut_from_standbys
{
	$net->cut('p', $_) foreach qw(a b);
	return;
}

set_is($set, 'the set is both standbys');
ok(settled(), 'and settled');
my $writer = $t->start_writer(timeout_ms => 30000);

cut_from_standbys();
set_is('', 'quorum: commits wait for nobody any more');
ok($writer->wait_for_more(100), 'quorum: writes go on');
cmp_ok($writer->outage, '<', 6, 'quorum: after a pause that has a bound');
ok($t->wait_for_verdict('alert', 'no standby receives'), 'the verdict is that nobody receives');
is($t->sql(q{SELECT rule FROM failover_evaluate('main')}), '81', 'by a rule of its own');
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_events WHERE kind = 'verdict' AND severity <> 'info' AND message ~* 'receives'}),
	'there is an event');
ok($t->wait_for(q{SELECT NOT failover_possible AND degraded_reasons::text ~ 'no standby confirms commits' FROM failover_status('main')}),
	'and the status says what that means');
$t->no_failover_ok(3, 'nobody is promoted');
is($p->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't', 'the lease goes on');

$net->heal;
set_is($set, 'the wires are back, and so is the set');
ok(settled(), 'which vouches for what was acknowledged without it');
ok($t->wait_for_state('healthy'), 'full redundancy');

$t->set('sync_mode', 'strict');
set_is($set, 'strict: the same set');
ok(settled(), 'and settled');
cut_from_standbys();
ok($t->wait_for(q{SELECT count(*) FROM failover_events WHERE kind = 'sync_blocked'}, 1), 'strict: an event says that commits wait');
ok($t->wait_for(q{SELECT degraded_reasons::text ~ 'commits may hang' FROM failover_status('main')}), 'strict: the status says so');
my $acknowledged = $writer->count_acknowledged;
$t->no_failover_ok(3, 'strict: nobody is promoted');
is($writer->count_acknowledged, $acknowledged, 'strict: no commit is acknowledged');
is($p->safe_psql('postgres', 'SHOW synchronous_standby_names'), $set, 'strict: the set stays');
$net->heal;
ok($writer->wait_for_more(100), 'with the wires back commits go on');
ok($t->wait_for(q{SELECT count(*) FROM failover_events WHERE kind = 'sync_unblocked'}, 1), 'and that is told');
ok($t->wait_for_state('healthy'), 'full redundancy');
$writer->stop;
is(scalar($writer->errors), 0, 'no client has seen an error');
is(scalar($writer->lost_rows($p)), 0, 'no acknowledged row is lost');
$t->one_primary_ok;
is($t->count_operations('failover'), '0', 'no failover in all of this');

done_testing();
