# Servers whose own defaults no session of ours could work with: serializable,
# which a standby refuses, a join method disabled, short timeouts, a dialect of old.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => <<'EOF',
wal_keep_size = 256MB
default_transaction_isolation = 'serializable'
default_transaction_deferrable = on
EOF
	settings => { block_period => '0', write_check => 'on' });
my $slowest = q{SELECT max(response_time_ms) < 150 FROM failover_health()};

# What a standby can be asked under serializable is nothing: here the coordinator answers for it.
sub follows_ok
{
	my ($name) = @_;
	return ok($t->wait_for("SELECT role = 'standby' AND replication_state = 'streaming' AND health = 'healthy' FROM failover_health('main', '$name')"),
		"$name is a standby");
}

$t->start_servers;
$t->node('p')->safe_psql('postgres', <<'EOF');
ALTER DATABASE postgres SET enable_nestloop = off;
ALTER DATABASE postgres SET lock_timeout = '1ms';
ALTER DATABASE postgres SET idle_session_timeout = '1s';
ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '1s';
ALTER DATABASE postgres SET standard_conforming_strings = off;
ALTER DATABASE postgres SET DateStyle = 'German, DMY';
ALTER DATABASE postgres SET IntervalStyle = 'sql_standard';
ALTER DATABASE postgres SET bytea_output = 'escape';
ALTER DATABASE postgres SET quote_all_identifiers = on;
EOF
$t->start_coordinator;
$t->sql(q{SELECT failover_create_group('main')});
$t->set($_, $t->{settings}{$_}) foreach sort keys %{ $t->{settings} };
$t->register($_) foreach $t->names;
ok($t->wait_for_state('healthy'), 'the group is healthy');
ok($t->wait_for_checks(10), 'it is checked');
ok($t->wait_for($slowest), 'and checks are as quick as ever');
is($t->sql(q{SELECT sum(failures) FROM (SELECT consecutive_failures AS failures FROM failover_health()) h}), '0', 'without a failure');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE severity IN ('warning', 'error')}), '0', 'and no alarm');

is($t->sql(q{SELECT kind, status, error FROM failover_switchover('main', 'a')}), 'switchover|completed|', 'a switchover');
follows_ok($_) foreach qw(p b);
ok($t->wait_for_state('healthy'), 'all is well');

$t->node('a')->kill_hard('all');
ok($t->wait_for_failover('a'), 'a dead primary is replaced');
my $new = $t->one_primary_ok;
$t->node('a')->wait_killed;
$t->node('a')->start;
follows_ok($_) foreach grep { $_ ne $new } $t->names;
ok($t->wait_for_state('healthy'), 'its former primary returns');
is(scalar($t->node($new)->logged(qr/FATAL:  terminating connection due to idle-session timeout/)), 0, 'no session of ours was ended for idling');
is($t->sql(q{SELECT string_agg(concat_ws(' ', peer_name, finding), '; ') FROM failover_preflight('main') WHERE severity = 'error' AND finding !~ 'fsync'}), '', 'the preflight finds nothing to refuse');

done_testing();
