# Drill: sync_mode = quorum, and a standby falls silent to the coordinator, but
# not to the primary.  As long as commits need its confirmation, and the primary
# says that it gives it, it stays in the set; it leaves when it is lost to the
# primary too, or when the others are enough.
use strict;
use warnings;

use FailoverTest;
use Test::More;

plan(skip_all => 'no private network on this machine') unless FailoverTest::Net::available();

my $t = FailoverTest->new(
	network => 1,
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_sender_timeout = 2s\nwal_receiver_timeout = 2s\nwal_retrieve_retry_interval = 500ms",
	settings => { sync_mode => 'quorum', sync_standbys => 2, check_timeout => '1s' })->start;
my $net = $t->net;
my $p = $t->node('p');

sub set_is
{
	my ($expected, $what) = @_;
	return ok($t->wait_for_sql($p, 'SHOW synchronous_standby_names', $expected), $what);
}

sub a_is_silent
{
	return ok($t->wait_for(q{SELECT error_class = 'timeout' AND health = 'unhealthy' FROM failover_health('main', 'a')}),
		'the coordinator does not hear the standby');
}

set_is('ANY 2 ("a", "b")', 'both standbys must confirm');
ok($t->wait_for(q{SELECT sync_names = sync_before FROM failover_group_state}), 'and the set has settled');
my $writer = $t->start_writer(timeout_ms => 30000);
my $events = $t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'sync_names'});

$net->cut('coordinator', 'a');
a_is_silent();
# The primary was asked, and vouched, many times over.
$t->wait_for_checks(5);
is($p->safe_psql('postgres', 'SHOW synchronous_standby_names'), 'ANY 2 ("a", "b")', 'the primary vouches for it: it stays');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'sync_names'}), $events, 'the set was not touched meanwhile');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'sync_names_failed'}), '0', 'and nothing is said to have failed');
ok($writer->wait_for_more(50), 'commits go on');

$net->cut('p', 'a');
set_is('ANY 1 ("b")', 'lost to the primary as well, it leaves');
ok($writer->wait_for_more(50), 'commits go on with the other');
$net->heal;
set_is('ANY 2 ("a", "b")', 'it comes back');

# Where the others are enough nobody's word is needed.
$t->set('sync_standbys', 1);
set_is('ANY 1 ("a", "b")', 'one of both is enough');
$net->cut('coordinator', 'a');
set_is('ANY 1 ("b")', 'who could not be read after a failover has no place in the set that is not needed');
$net->heal;
set_is('ANY 1 ("a", "b")', 'it comes back');
ok($t->wait_for_state('healthy'), 'all is well again');

$writer->stop;
is(scalar($writer->errors), 0, 'no client has seen an error');
cmp_ok($writer->outage, '<', 6, 'nor waited for long');
is($t->count_operations('failover'), '0', 'no failover in all of this');

done_testing();
