# sync_mode is switched off while the primary is dead: nobody can take the set out
# of it, and its successor has one of its own, from a time when it was the primary.
# Every server is rid of it as it answers, also for a coordinator that was started since.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { sync_mode => 'quorum', block_period => '0' },
	register => { p => 'priority => 1' })->start;
my ($p, $a, $b) = $t->nodes;
my $leftovers = q{SELECT count(*) FROM pg_file_settings WHERE name = 'synchronous_standby_names' AND sourcefile ~ 'auto[.]conf$'};

$t->sync_set_ok('p', qw(a b));
is($t->sql(q{SELECT kind, status, to_peer, error FROM failover_switchover('main', 'a')}), 'switchover|completed|a|', 'a switchover');
$t->sync_set_ok('a', qw(b p));
ok($t->wait_for_state('healthy'), 'all is well');
is($p->safe_psql('postgres', $leftovers), '1', 'a former primary has its set yet');

$t->sql(q{SELECT failover_pause('main')});
$a->kill_hard('all');
$t->set('sync_mode', 'off');
$t->sql(q{SELECT failover_resume('main')});
ok($t->wait_for_failover('a'), 'sync_mode is off when the dead primary is replaced');
is($t->one_primary_ok, 'p', 'by the former primary');
ok($t->wait_for_sql($p, $leftovers, '0'), 'which is rid of the set');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'sync_names' AND peer_name = 'p' AND message ~ 'sync_mode is off'}), '1', 'and it is told');
is($t->sql(q{SELECT sync_reset_due FROM failover_peer_state WHERE peer_name = 'a'}), 't', 'the dead one is to let go of it yet');

$t->coordinator->kill_hard('all');
$t->coordinator->wait_killed;
$t->coordinator->start;
$a->wait_killed;
$a->start;
ok($t->wait_for_sql($a, $leftovers, '0'), 'and does when it comes back, whichever coordinator sees it');
ok($t->wait_for(q{SELECT bool_and(NOT sync_reset_due) FROM failover_peer_state}), 'nobody is left to be asked');
ok($t->wait_for_state('healthy'), 'all is well again');

# What it is all about.
$_->kill_hard('all') foreach $a, $b;
ok($t->wait_for(q{SELECT bool_and(health = 'unhealthy') FROM failover_health() WHERE peer_name <> 'p'}), 'both standbys are dead');
is($p->ask('INSERT INTO failover_test VALUES (99, 1) RETURNING id'), '1', 'commits wait for nobody');

done_testing();
