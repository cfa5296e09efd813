# A server is registered under a second name: the primary, or a standby.  It
# counts once, and the healthy primary is not taken for its own rival.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use Test::More;
use Time::HiRes qw(time);

my $two_names = "wal_keep_size = 256MB\nlisten_addresses = '127.0.0.1,127.0.0.2'";

sub second_name
{
	my ($node) = @_;
	return $node->conninfo =~ s/127\.0\.0\.1/127.0.0.2/r;
}

# The shorter the pause, the sooner a wrong rejoin.
my $t = FailoverTest->new(library => 1, conf => $two_names, settings => { rejoin_backoff => '0' })->start;
my ($p, $a, $b) = $t->nodes;
my $writer = $t->start_writer(timeout_ms => 1000);

$t->sql(q{SELECT failover_register('main', 'x', '} . second_name($p) . q{')});
$t->sql(q{SELECT failover_register('main', 'y', '} . second_name($a) . q{')});
ok($t->wait_for(q{SELECT reason = 'is the same server as "p"' FROM failover_candidates('main') WHERE peer_name = 'x'}), 'it is seen that two names are one server');
ok($t->wait_for(q{SELECT reason = 'is the same server as "a"' FROM failover_candidates('main') WHERE peer_name = 'y'}), 'a standby as well');
ok($t->wait_for(q{SELECT rule FROM failover_evaluate('main')}, '90'), 'which is an alert');
$t->wait_for_checks(10);
is($t->sql('SELECT count(*) FROM failover_history'), '0', 'nothing was done');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'fenced'}), '0', 'nobody was fenced');
is($t->status('primary_peer'), 'p', 'the primary is who it was');
ok($writer->wait_for_more(20), 'clients go on');
$writer->stop;
is(scalar($writer->errors), 0, 'without an error');

# Nor does a second name count for the lease.
$t->coordinator->stop('fast');
FailoverTest::Lease::wait_until(time() + 5);
is($p->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't', 'without the coordinator the standbys renew the lease');
$t->coordinator->start;

ok($t->wait_for(q{SELECT rule FROM failover_evaluate('main')}, '90'), 'the coordinator is back, and sees it again');
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is replaced when it dies');
like($t->status('primary_peer'), qr/^[ab]$/, 'by a server under its own name');
$t->one_primary_ok;

done_testing();
