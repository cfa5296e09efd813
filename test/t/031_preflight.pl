# failover_preflight: what would make a failover fail is found before it does,
# from what the peers say at this moment; no secret is in it.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	settings => { sync_mode => 'quorum' },
	slots => 1,
	conf => "fsync = on\nwal_receiver_timeout = 5s\nwal_retrieve_retry_interval = 100ms\nmax_slot_wal_keep_size = 1GB",
	conf_of => { p => 'wal_level = logical' })->start;

# Findings as "peer severity: text", without those on the node library, which these servers do not have.
sub findings
{
	my ($like) = @_;

	return $t->sql(<<"EOF");
SELECT concat_ws(' ', peer_name, severity || ':', finding) FROM failover_preflight('main')
WHERE finding !~ 'node library' AND finding ~ '$like' ORDER BY 1
EOF
}

ok($t->wait_for_sql($t->node('p'), 'SHOW synchronous_standby_names', 'ANY 1 ("a", "b")'), 'the set is both standbys');
ok($t->wait_for(q{SELECT primary_peer = 'p' FROM failover_group_state}), 'and the primary is known');
is($t->sql(q{SELECT count(*), min(severity) FROM failover_preflight('main') WHERE finding ~ 'node library'}), '3|warning',
	'servers without the node library are found');
is($t->sql(q{SELECT count(*) FROM failover_preflight('main') WHERE hint IS NULL OR hint = ''}), '0', 'every finding comes with a hint');
is(findings('.'), '', 'nothing else is found in a group in order');

# What is changed is found by the next call, without waiting for anything.
$t->node('a')->safe_psql('postgres', q{ALTER SYSTEM SET wal_receiver_timeout = '1min'});
$t->node('a')->safe_psql('postgres', q{ALTER SYSTEM SET restore_command = 'secret_tool --password=hunter2 %f %p'});
$t->node('a')->reload;
ok($t->wait_for_sql($t->node('a'), q{SELECT current_setting('wal_receiver_timeout')}, '1min'), 'settings changed');
is(findings('wal_receiver_timeout|restore_command'), join("\n",
		'a info: restore_command is run several times in a promotion',
		'a warning: wal_receiver_timeout is 60.0 s: it notices the silence of a primary late'),
	'and are found');
is($t->sql(q{SELECT count(*) FROM failover_preflight('main') f WHERE f::text ~ 'hunter2'}), '0', 'no secret is shown');

$t->node('p')->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('sub', 'pgoutput')});
is(findings('logical'), 'p warning: logical slots do not follow a failover by themselves: sub', 'a logical slot is found');
$t->node('p')->safe_psql('postgres', q{SELECT pg_drop_replication_slot('sub')});
is(findings('logical'), '', 'until it is gone');
$t->node('b')->append_conf('postgresql.conf', "max_wal_senders = 12\nrestart_after_crash = off\nmax_replication_slots = 0\nrecovery_target_time = '2100-01-01'");
$t->node('b')->restart;
ok($t->wait_for_state('healthy'), 'a standby was restarted');
is(findings('max_replication_slots|restart_after_crash|slots have room|max_wal_senders|recovery target'), join("\n",
		'b error: a recovery target is set: as a standby it stops there, or promotes itself: recovery_target_time',
		'b error: its replication slots have room for 0 more, and the others would need 1',
		'b info: restart_after_crash is off: the crash of one backend becomes a failover',
		'b warning: max_wal_senders is 12, and 10 on the primary: that one could not follow it after a switchover'),
	'settings that need a restart are found');

SKIP: {
	skip 'ALTER SYSTEM cannot be forbidden before 17', 3 if $t->node('a')->safe_psql('postgres', 'SHOW server_version_num') < 170000;
	$t->node('a')->append_conf('postgresql.conf', 'allow_alter_system = off');
	$t->node('a')->reload;
	ok($t->wait_for(q{SELECT NOT eligible FROM failover_candidates('main') WHERE peer_name = 'a'}), 'where ALTER SYSTEM is forbidden nobody can be promoted');
	is(findings('allow_alter_system'), 'a error: allow_alter_system is off: the coordinator cannot have it follow another server, or fence it', 'and why is found');
	$t->node('a')->append_conf('postgresql.conf', 'allow_alter_system = on');
	$t->node('a')->reload;
	ok($t->wait_for(q{SELECT eligible FROM failover_candidates('main') WHERE peer_name = 'a'}), 'until it is allowed');
}

# A role that may do little.
$t->node('p')->safe_psql('postgres', 'CREATE ROLE small LOGIN; GRANT pg_monitor TO small');
my $conninfo = $t->node('b')->conninfo;
$conninfo =~ s/user=\S+//;
$t->sql("SELECT failover_alter_peer('main', 'b', conninfo => '$conninfo user=small')");
ok($t->wait_for(q{SELECT health = 'healthy' FROM failover_health('main', 'b')}), 'it is reached as another role');
like(findings('privileges|replicate'), qr/b error: .* lacks privileges: .*pg_promote.*primary_conninfo/s, 'missing privileges are named');
like(findings('replicate'), qr/b warning: .*may not replicate/, 'so is that it may not replicate');

# The group against its settings, and peers that are away.
$t->set('sync_standbys', 2);
is(findings('every standby must confirm'), 'info: every standby must confirm commits: with one of them lost there is no spare',
	'the settings of the group are held against what it has');
$t->node('a')->kill_hard('all');
ok($t->wait_for(q{SELECT health = 'unhealthy' FROM failover_health('main', 'a')}), 'a standby dies');
is(findings('does not answer'), 'a error: does not answer (refused): nothing else is known of it', 'a dead peer is a finding');
$t->node('b')->freeze('all');
my $started = time();
like(findings('answer'), qr/^b (error: does not answer|warning: did not answer)/m, 'so is one that hangs');
cmp_ok(time() - $started, '<', 10, 'and is not waited for for ever');
$t->node('b')->thaw;

# Misuse.
my (undef, undef, $error) = $t->try_sql(q{SELECT * FROM failover_preflight('nowhere')});
like($error, qr/42704/, 'an unknown group is 42704');
(undef, undef, $error) = $t->try_sql(q{SELECT * FROM failover_preflight(NULL)});
like($error, qr/22004/, 'NULL is 22004');
$t->coordinator->safe_psql('postgres', 'CREATE ROLE nobody');
(undef, undef, $error) = $t->try_sql(q{SET ROLE nobody; SELECT * FROM failover_preflight('main')});
like($error, qr/42501/, 'it takes pg_monitor');

done_testing();
