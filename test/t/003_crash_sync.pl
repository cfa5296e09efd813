# Drill: the postmaster alone is killed, its busy backends linger; replication
# is synchronous and uses slots.  No acknowledged commit is lost, also none that
# a lingering backend made.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(sync => 'ANY 1 (p, a, b)', slots => 1)->start;
# Some sessions are in the middle of a long statement between two writes when it happens.
my $writer = $t->start_writer(writers => 2);
my $busy = FailoverTest::Writer->start([ $t->nodes ], name => 'busy', first => 11, timeout_ms => 20000, insert => <<'EOF');
INSERT INTO failover_test (writer, id) SELECT $1, $2 FROM (SELECT count(*) FROM generate_series(1, 1000000)) s
EOF
ok($busy->wait_for_more(5), 'busy sessions write');

$t->node('p')->kill_hard('postmaster');
ok($t->wait_for_failover('p'), 'a server without its postmaster is replaced');
ok($writer->wait_for_more(50), 'clients write again');
my $new = $t->one_primary_ok;
my ($other) = grep { $_ ne 'p' && $_ ne $new } $t->names;
ok($t->wait_for_following($t->node($other), $t->node($new)), 'the other standby follows');
is($t->node($other)->safe_psql('postgres', 'SHOW primary_slot_name'), $other, 'through its slot');
is($t->node($new)->safe_psql('postgres', "SELECT active FROM pg_replication_slots WHERE slot_name = '$other'"), 't',
	'which the new primary has');
is($t->node($new)->safe_psql('postgres', q{SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')}), 't',
	'replication is synchronous again');

$_->stop foreach $writer, $busy;
is(join(' ', map { $_->lost_rows($t->node($new)) } $writer, $busy), '', 'no acknowledged row is lost');

done_testing();
