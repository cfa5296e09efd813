# Drill: the coordinator's server is put back to an older state of its files, by a
# snapshot of its host.  The servers know a newer term of the same coordinator:
# it takes the group over anew, finds the primary that is, and does its work.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB', settings => { lease_time => '2s', block_period => '0' })->start;
my $coordinator = $t->coordinator;
my $files = $coordinator->data_dir;
my $owner = q{SELECT node_coordinator FROM failover_node_status()};
my $name = $t->node('p')->safe_psql('postgres', $owner);

$coordinator->stop('fast');
PostgreSQL::Test::Utils::system_or_bail('cp', '-a', $files, "$files.old");
$coordinator->start;
ok($t->wait_for_state('healthy'), 'a snapshot of the coordinator is taken');
is($t->sql(q{SELECT status FROM failover_switchover('main', 'a')}), 'completed', 'later the primary is moved');
ok($t->wait_for_state('healthy'), 'with full redundancy');

$coordinator->stop('fast');
PostgreSQL::Test::Utils::system_or_bail('rm', '-rf', $files);
PostgreSQL::Test::Utils::system_or_bail('mv', "$files.old", $files);
$coordinator->start;
ok($t->wait_for(q{SELECT primary_peer = 'a' AND state = 'healthy' FROM failover_status('main')}), 'back in its old state, it finds the primary that is');
is($t->status('fencing'), 'lease', 'and grants it the lease');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'taken_over'}), '1', 'it has taken the group over');
isnt($t->node('a')->safe_psql('postgres', $owner), $name, 'under another name: it is not what it was');

$t->node('a')->kill_hard('all');
ok($t->wait_for_failover('a'), 'a real failure is answered');
$t->one_primary_ok;

done_testing();
