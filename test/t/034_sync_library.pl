# Drills: sync_mode = quorum where servers have the node library.  A switchover
# hands the set over; a primary that freezes, and wakes up again, has lost
# nothing; and its successor takes it into the set when it is a standby.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_receiver_timeout = 5s",
	settings => { sync_mode => 'quorum', block_period => '0' })->start;

$t->sync_set_ok('p', qw(a b));
my $writer = $t->start_writer(timeout_ms => 5000);
is($t->sql(q{SELECT kind, status, to_peer, error FROM failover_switchover('main', 'a')}), 'switchover|completed|a|', 'a switchover');
ok($writer->wait_for_more(100), 'clients go on writing');
$t->sync_set_ok('a', qw(b p));

$t->node('a')->freeze('all');
ok($t->wait_for_failover('a'), 'a frozen primary is replaced');
my $new = $t->status('primary_peer');
ok($writer->wait_for_more(100), 'clients write again');
$t->node('a')->thaw;
$t->sync_set_ok($new, grep { $_ ne $new } $t->names);
$writer->stop;
is(scalar($writer->lost_rows($t->node($new))), 0, 'no acknowledged row is lost');
is(join(' ', $t->primaries), $new, 'there is one primary');

# Switched off: every server that was a primary is rid of its set, also one that is away at first.
my $leftovers = q{SELECT count(*) FROM pg_file_settings WHERE name = 'synchronous_standby_names' AND sourcefile ~ 'auto[.]conf$'};
my ($away, $other) = grep { $_ ne $new } $t->names;
$t->node($other)->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'of_the_dba'});
$t->node($other)->reload;
ok($t->wait_for_sql($t->node($other), 'SHOW synchronous_standby_names', 'of_the_dba'), 'another one has a setting of somebody else');
is($t->node($away)->safe_psql('postgres', $leftovers), '1', 'a former primary has its set yet');
ok($t->wait_for_state('healthy'), 'all is well');
$t->node($away)->stop('fast');
$t->set('sync_mode', 'off');
ok($t->wait_for_sql($t->node($new), $leftovers, '0'), 'the primary is rid of it');
ok($t->wait_for(q{SELECT sync_names IS NULL FROM failover_group_state}), 'and the group lets go');
$t->node($away)->start;
ok($t->wait_for_sql($t->node($away), $leftovers, '0'), 'so is one that comes back later');
ok($t->wait_for(q{SELECT bool_and(NOT sync_reset_due) FROM failover_peer_state}), 'nobody is left to be asked');
is($t->node($other)->safe_psql('postgres', $leftovers), '1', 'what somebody else has set stays');

# No commit waits before the checkpointer has reloaded, whatever sessions and walsenders say.
ok($t->wait_for_state('healthy'), 'all is well');
my $in_force = 'SELECT sync_in_force FROM failover_node_status()';
my $is_settled = q{SELECT sync_names = sync_before FROM failover_group_state};
is($t->node($new)->safe_psql('postgres', $in_force), 'f', 'no commit waits');
my $checkpointer = $t->node($new)->freeze_process('checkpointer');
$t->set('sync_mode', 'quorum');
ok($t->wait_for_sql($t->node($new), 'SHOW synchronous_standby_names', qr/^ANY 1/), 'a set is told');
ok($t->wait_for_sql($t->node($new), q{SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'}, qr/^[12]$/), 'the walsenders have it');
$t->wait_for_checks(3);
is($t->node($new)->safe_psql('postgres', $in_force), 'f', 'but the checkpointer has not');
is($t->sql($is_settled), 'f', 'so it has not settled');
$t->node($new)->thaw_process($checkpointer);
ok($t->wait_for($is_settled), 'it settles when the checkpointer has reloaded');
is($t->node($new)->safe_psql('postgres', $in_force), 't', 'and commits wait');

done_testing();
