# Drill: the new primary dies at the very moment when the old one has been rewound
# to it, and is not consistent yet.  Whoever is the primary then is followed, with
# no hand on anything.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use Test::More;
use Time::HiRes qw(time);

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms\nfailover.allow_clone = on",
	settings => { block_period => '0', rejoin_backoff => '500ms' })->start;
my $writer = $t->start_writer(timeout_ms => 1000);

sub replaced_ok
{
	my ($old, $what) = @_;
	my $name = $old->name;

	ok($t->wait_for("SELECT primary_peer <> '$name' AND current_event IS NULL FROM failover_status('main')"), "$what is replaced");
	return $t->node($t->status('primary_peer'));
}

my $first = $t->node($t->status('primary_peer'));
my @frozen = map { [ $_, $_->freeze_process('walreceiver') ] } grep { $_ != $first } $t->nodes;
$first->safe_psql('postgres', q{CREATE TABLE own AS SELECT i, repeat('x', 300) t FROM generate_series(1, 40000) i});
$first->kill_hard('all');
$_->[0]->thaw_process($_->[1]) foreach @frozen;
my $second = replaced_ok($first, 'a primary with WAL of its own');

$first->wait_killed;
$first->start;
ok($first->comes_to_log(qr/failover: starting as a standby/), 'it was rewound');
$second->kill_hard('all');
my $third = replaced_ok($second, 'its successor');
isnt($third->name, $first->name, 'by the one that was never away');
ok($t->wait_for_following($first, $third), 'the first follows the third');
note('it was ' . ($first->logged(qr/restarting to look for a primary/) ? 'not consistent' : 'consistent already') . ' when its source died');
is($first->safe_psql('postgres', q{SELECT to_regclass('own') IS NULL}), 't', 'what nobody else has is gone');

$second->wait_killed;
$second->start;
ok($t->wait_for_following($second, $third), 'the second, too, when it is back');
ok($t->wait_for_state('healthy'), 'full redundancy');
$writer->wait_for_more(20);
$writer->stop;
$t->one_primary_ok('one primary');
is($t->count_operations('failover'), 2, 'after two failovers');

done_testing();
