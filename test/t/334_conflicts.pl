# What is asked of a standby may be cancelled, because it is in the way of the replay
# or by somebody: then it is asked again, and the standby is no worse a candidate for it.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB')->start;
my ($p, $a) = $t->nodes;

# Once in a session, as PostgreSQL would; the lock outlives the transaction.
$p->safe_psql('postgres', <<'EOF');
CREATE FUNCTION cancel(key int, state text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF pg_is_in_recovery() AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.objid = key) THEN
		PERFORM pg_advisory_lock(key);
		RAISE 'canceling statement' USING ERRCODE = state;
	END IF;
END $$;
EOF
$p->wrap_node_function('is_shut_down', q{SELECT public.cancel(1, '40001'); SELECT * FROM ITSELF});
$p->wrap_node_function('prepare_promotion', q{SELECT public.cancel(2, '57014'); SELECT * FROM ITSELF});
$p->wait_for_catchup($a);

is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'a')}), 'completed|a', 'the switchover is carried out');
is($a->safe_psql('postgres', q{SELECT string_agg(objid::text, ' ' ORDER BY objid) FROM pg_locks WHERE locktype = 'advisory'}),
	'1 2', 'a look and an order were cancelled on the way');
like($t->sql(q{SELECT string_agg(step || ' ' || status || ' ' || detail, '; ' ORDER BY step_no) FROM failover_timeline WHERE step IN ('stopped', 'promote')}),
	qr/^stopped done received up to \S+; promote done timeline 2 from \S+$/, 'and repeated');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->one_primary_ok, 'a', 'under the new primary');

done_testing();
