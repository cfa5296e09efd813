# A failover that is given up lifts the fence of the old primary, also where that
# is read-only by its own configuration file: what was there before is there again.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 1)->start;
my ($p, $a) = $t->nodes;

$p->append_conf('postgresql.conf', 'default_transaction_read_only = on');
$p->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok($t->wait_for_sql($p, 'SHOW default_transaction_read_only', 'on'), 'the primary is read-only by its configuration file');

# The standby will not receive what the primary writes now.
my $receiver = $a->freeze_process('walreceiver');
$p->safe_psql('postgres', 'SET default_transaction_read_only = off; INSERT INTO failover_test VALUES (1, 1)');
my $answer = $t->sql(q{SELECT status, error <> '' FROM failover_trigger('main', 'a')});
$a->thaw_process($receiver);
is($answer, 'failed|t', 'a failover that would lose an acknowledged row is given up');
is($t->sql(q{SELECT string_agg(step || ' ' || status, ', ' ORDER BY step_no) FROM failover_timeline WHERE peer_name = 'p' AND step IN ('fence', 'undo')}),
	'fence done, undo done', 'the primary was fenced, and its fence lifted');
is($p->safe_psql('postgres', q{SELECT setting, sourcefile ~ '/postgresql.conf$' FROM pg_settings WHERE name = 'default_transaction_read_only'}), 'on|t',
	'it is read-only by its configuration file again');
is($p->safe_psql('postgres', 'SHOW synchronous_standby_names'), '', 'and waits for nobody');
is($t->sql(q{SELECT fenced_at IS NULL AND fence_saved IS NULL FROM failover_peer_state WHERE peer_name = 'p'}), 't', 'the coordinator has nothing left to put back');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'unfence_failed'}), '0', 'and says nothing else');
$p->safe_psql('postgres', 'SET default_transaction_read_only = off; INSERT INTO failover_test VALUES (1, 2)');
ok($t->wait_for_sql($a, 'SELECT count(*) FROM failover_test', '2'), 'the standby follows');

done_testing();
