# The extension is created, servers are registered, and what SQL shows of them
# is true; watching them costs no connections and no WAL.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new->start;
my $coordinator = $t->coordinator;

# What an operator looks at first.
is($t->status('kind, state, primary_peer, peers_total, peers_healthy, standbys_healthy, redundancy, failover_possible'),
	'streaming|healthy|p|3|3|2|multi|t', 'status of a healthy group');
like($t->status('candidate'), qr/^[ab]$/, 'a candidate is named before it is needed');
is($t->status('term >= 0, degraded, blocked_by IS NULL, current_event IS NULL, fencing'),
	't|f|t|t|sql', 'nothing is blocked or running, and the strength of fencing is told');

is($t->sql(q{SELECT string_agg(peer_name || ' ' || role || ' ' || health, ', ' ORDER BY peer_name) FROM failover_health('main')}),
	'a standby healthy, b standby healthy, p primary healthy', 'role and health of every peer');
is($t->sql(q{SELECT bool_and(response_time_ms > 0 AND response_time_ms < 5000 AND success_rate > 0.9 AND success_rate <= 1
	AND last_success_at > now() - interval '1 minute' AND timeline = 1 AND lsn > '0/0' AND error_class IS NULL
	AND NOT node_library AND server_version IS NOT NULL) FROM failover_health('main')}),
	't', 'the figures of every peer are plausible');
is($t->sql(q{SELECT bool_and(promotion_eligible AND replication_state = 'streaming' AND lag_bytes < 16 * 1024 * 1024)
	FROM failover_health('main') WHERE role = 'standby'}),
	't', 'standbys stream and are eligible');
is($t->sql(q{SELECT verdict, candidate IN ('a', 'b') FROM failover_evaluate('main')}), 'none|t',
	'a dry run finds nothing to do');
is($t->sql(q{SELECT count(*) FROM failover_candidates('main') WHERE eligible}), '2', 'both standbys are candidates');
is($t->sql(q{SELECT count(*) FROM failover_history}), '0', 'no operation has run');
is($t->sql(q{SELECT count(*) FROM failover_check_health('main') WHERE health = 'healthy'}), '3',
	'a check on demand answers for every peer');
isnt($t->sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'failover%'}), '0',
	'the worker shows in pg_stat_activity');

# Settings take effect on commit, without a restart.
$t->set('check_interval', '250ms');
is($t->sql(q{SELECT setting, source FROM failover_settings WHERE group_name = 'main' AND name = 'check_interval'}),
	'250|group', 'a setting is shown in its unit');

# A steady state: sessions stay, tables and WAL of the coordinator do not move.
my $sessions = q{SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity
	WHERE application_name LIKE 'failover%' AND application_name <> 'failover test' AND backend_type = 'client backend'};
ok($t->wait_for_checks(40), q{sessions are opened});
my %before = map { $_ => $t->node($_)->safe_psql('postgres', $sessions) } $t->names;
ok($t->wait_for_checks(20), 'twenty checks of every peer');
foreach my $name ($t->names)
{
	my $now = $t->node($name)->safe_psql('postgres', $sessions);
	like($now, $name eq "p" ? qr{^\d+( \d+)?$} : qr{^\d+$}, "one session on $name, and one for the write check on a primary");
	is($now, $before{$name}, "the checks of $name use the same session");
}

# A snapshot record of the server's own may fall between two readings, but not every time.
my $still = 0;
for (1 .. 5)
{
	my $read = q{SELECT pg_current_wal_insert_lsn(), (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables)};
	my $lsn = $coordinator->safe_psql('postgres', $read);
	$t->wait_for_checks(20);
	last if $still = $coordinator->safe_psql('postgres', $read) eq $lsn;
}
ok($still, 'a quiet group writes nothing on the coordinator: no row, no WAL');

# Unregistering ends the session; dropping the extension ends the watching.
$t->sql(q{SELECT failover_unregister('main', 'b')});
ok($t->wait_for_sql($t->node('b'), "SELECT ($sessions) IS NULL"), 'an unregistered peer is left alone');
is($t->status('peers_total'), '2', 'and counted no more');
$coordinator->safe_psql('postgres', 'DROP EXTENSION failover');
ok($t->wait_for_sql($t->node('p'), "SELECT ($sessions) IS NULL"), 'no peer is watched without the extension');
$coordinator->safe_psql('postgres', 'CREATE EXTENSION failover');
$t->register($_) foreach $t->names;
ok($t->wait_for_state('healthy'), 'created again, it takes up its work without a restart');

done_testing();
