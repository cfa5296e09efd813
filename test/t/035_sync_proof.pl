# Drills: what a settled set rests on.  Without the node library it takes a
# checkpoint to know that commits wait; and a standby that is not registered may
# go by the name of one that is, and be the only one that has a commit.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(network => 1);
$t->start_servers;
my ($p, $a, $b) = $t->nodes;
$t->start_coordinator;
$p->safe_psql('postgres', $t->sql('SELECT string_agg(line, E\'\n\') FROM failover_peer_grants(current_setting(\'server_version_num\')::int) AS g(line)'));
$t->sql(q{SELECT failover_create_group('main')});
$t->set('block_period', '0');
# b is a copy of a server that nobody told the coordinator of.
$t->sql("SELECT failover_register('main', '" . $_->name . "', '" . ($_->conninfo =~ s/user=\S+/user=failover/r) . "')") foreach $p, $a;
ok($t->wait_for_state('healthy'), 'the group is healthy');

my $is_settled = q{SELECT sync_names = sync_before FROM failover_group_state};
my $unproven = q{SELECT count(*) FROM failover_events WHERE kind = 'sync_unproven' AND message ~ };

sub switch_off
{
	$t->set('sync_mode', 'off');
	return ok($t->wait_for(q{SELECT sync_names IS NULL FROM failover_group_state}), 'sync_mode is off again');
}

# b calls itself so, upstream.
sub rename_standby
{
	my ($name) = @_;
	my $conninfo = $b->safe_psql('postgres', 'SHOW primary_conninfo') =~ s/application_name=\S+/application_name=$name/r;
	my $n = $name eq 'a' ? 2 : 1;

	$b->safe_psql('postgres', 'ALTER SYSTEM SET primary_conninfo = \'' . ($conninfo =~ s/'/''/gr) . '\'');
	$b->reload;
	return ok($t->wait_for_sql($p, "SELECT count(*) FILTER (WHERE application_name = 'a'), count(*) FROM pg_stat_replication WHERE state = 'streaming'", "$n|2"),
		"$n standbys stream as a");
}

# ---- the checkpointer ----

my $checkpointer = $p->freeze_process('checkpointer');
$t->set('sync_mode', 'quorum');
ok($t->wait_for_sql($p, 'SHOW synchronous_standby_names', 'ANY 1 ("a")'), 'a set is told');
ok($t->wait_for_sql($p, q{SELECT count(*) FROM pg_stat_activity WHERE query = 'CHECKPOINT' AND state = 'active'}, 1), 'a checkpoint is asked for');
$t->wait_for_checks(3);
is($t->sql($is_settled), 'f', 'before its end nothing has settled');
is($p->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE query = 'CHECKPOINT' AND state = 'active'}), '1', 'and it is asked for once');
$p->thaw_process($checkpointer);
$t->sync_set_ok('p', 'a');
switch_off();

$p->safe_psql('postgres', 'REVOKE pg_checkpoint FROM failover');
is($t->sql("$unproven 'may not checkpoint'"), '0', 'nothing was taken on trust');
$t->set('sync_mode', 'quorum');
$t->sync_set_ok('p', 'a');
ok($t->wait_for("$unproven 'may not checkpoint'", 1), 'a role that may not checkpoint takes it on trust, and says so');
$p->safe_psql('postgres', 'GRANT pg_checkpoint TO failover');
switch_off();

# ---- the names ----

rename_standby('a');
$t->set('sync_mode', 'quorum');
ok($t->wait_for_sql($p, 'SHOW synchronous_standby_names', 'ANY 1 ("a")'), 'a set is told whose name two standbys bear');
ok($t->wait_for("$unproven '2 standbys stream under the names of 1'", 1), 'an event says that it proves nothing');
is($t->sql($is_settled), 'f', 'it has not settled');
rename_standby('b');
$t->sync_set_ok('p', 'a');

# It comes when the set has settled, and is the only one that has a row.
rename_standby('a');
$t->wait_for_checks(2);
$t->net->cut('p', 'a');
$p->safe_psql('postgres', 'INSERT INTO failover_test VALUES (77, 1)');
$p->kill_hard('all');
ok($t->wait_for(q{SELECT rule FROM failover_evaluate('main')}, 108), 'what was acknowledged may be on a stranger alone: hold');
$t->wait_for_checks(3);
is($t->count_operations('failover'), '0', 'nobody is promoted');
is($t->sql(q{SELECT status, to_peer FROM failover_trigger('main', force => true)}), 'completed|a', 'but by force');
is($t->sql(q{SELECT lost_bytes IS DISTINCT FROM 0 FROM failover_history WHERE status = 'completed'}), 't', 'and nobody says that nothing is lost');
is($a->safe_psql('postgres', 'SELECT count(*) FROM failover_test WHERE writer = 77'), '0', 'for it is');

done_testing();
