# Drill 23: while there is no coordinator a DBA moves the primary by hand, of
# servers with the node library: stops it, promotes another, starts it as a standby
# of the one that still follows it.  No server has a lease, and the recorded primary is a
# standby.  Who is out of recovery, with all that anybody has, becomes the primary.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB', settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;

$p->safe_psql('postgres', 'CREATE TABLE by_hand (id int); INSERT INTO by_hand SELECT generate_series(1, 1000)');
$t->coordinator->stop('fast');
$p->wait_for_catchup($_) foreach $a, $b;
$p->stop('fast');
$a->safe_psql('postgres', 'SELECT pg_promote()');
is($a->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 'f', 'who is promoted by hand has no lease');
$p->append_conf('postgresql.auto.conf', "primary_conninfo = '" . $b->conninfo . " application_name=p'");
$p->append_conf('standby.signal', '');
$p->start;

$t->coordinator->start;
ok($t->wait_for(q{SELECT primary_peer = 'a' FROM failover_status('main')}), 'it becomes the primary');
is($t->sql(q{SELECT message FROM failover_events WHERE kind = 'primary_adopted' AND peer_name = 'a'}),
	'is to be the primary: nobody is, and it has all that the others have', 'because nobody else can be');
ok($t->wait_for(q{SELECT promotion_eligible FROM failover_health('main', 'b')}), 'the other standby follows it, and could take over');
ok($t->wait_for(q{SELECT replication_state FROM failover_health('main', 'p')}, 'streaming'), 'the former primary follows as the DBA wanted it');
is($t->one_primary_ok, 'a', 'it is the only one');
is($t->count_operations('failover'), '0', 'nobody was promoted for that');
is($a->safe_psql('postgres', 'INSERT INTO by_hand VALUES (0); SELECT count(*) FROM by_hand'), '1001', 'it takes writes, and has every row');

done_testing();
