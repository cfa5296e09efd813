# A standby that was away for too long copies the primary, and nobody waits for
# that any more when it comes back: what it lacked before the copy is forgotten.
# When it then loses its primary for another reason, it is not restarted for the old one.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 0\nmin_wal_size = 32MB\nmax_wal_size = 64MB\nwal_retrieve_retry_interval = 500ms",
	conf_of => { b => 'failover.allow_clone = on' },
	settings => { rejoin_backoff => '500ms' })->start;
my ($p, $a, $b) = $t->nodes;

# Base backups begin with a checkpoint: it is not to remove what a has yet to be sent.
$p->safe_psql('postgres', q{SELECT pg_create_physical_replication_slot('a')});
$a->safe_psql('postgres', q{ALTER SYSTEM SET primary_slot_name = 'a'});
$a->reload;
ok($t->wait_for_sql($p, q{SELECT active FROM pg_replication_slots}), 'the other standby keeps the WAL that it needs');
$p->wait_for_catchup($_) foreach qw(a b);
my $needed = $p->data_dir . '/pg_wal/' . $p->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
$b->stop('fast');
FailoverTest::Node::until_true(
	sub {
		$p->safe_psql('postgres', 'CREATE TABLE segment (); DROP TABLE segment; SELECT pg_switch_wal()');
		$p->wait_for_catchup('a');	# who is not to be the one that needs it
		$p->safe_psql('postgres', 'CHECKPOINT');
		return !-e $needed;
	})
  or die "$needed is not removed";

# ---- left to itself ----

# Something to copy, so that it takes a while.
PostgreSQL::Test::Utils::append_to_file($p->data_dir . '/ballast', 'x' x (256 * 1024 * 1024));
$b->start;
ok($b->comes_to_log(qr/failover: copying the new primary/), 'it copies the primary');
$b->kill_hard('all');
$b->wait_killed;
$t->set('auto_rejoin', 'off');	# once the administrator is helped, the coordinator would ask again
is($t->sql(q{SELECT status FROM failover_rejoin('main', 'a')}), 'completed', 'an administrator helps another one');
is($t->sql(q{SELECT status, error FROM failover_history WHERE kind = 'rejoin' AND from_peer = 'b' ORDER BY event_id DESC LIMIT 1}),
	'cancelled|another rejoin was asked for', 'nobody waits for it any more');
$b->start;
ok($t->wait_for(q{SELECT count(*) FROM failover_events WHERE kind = 'rejoined' AND peer_name = 'b'}, '1'), 'it goes on by itself, and follows');
$t->set('auto_rejoin', 'on');

# ---- and cut off again, within seconds ----

my $last = $t->sql('SELECT max(event_id) FROM failover_history');
my $started = $b->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $rules = PostgreSQL::Test::Utils::slurp_file($p->data_dir . '/pg_hba.conf');
$p->set_hba("host replication all all reject\n$rules");
kill('TERM', $b->safe_psql('postgres', 'SELECT pid FROM pg_stat_wal_receiver'));
ok($t->wait_for("SELECT step FROM failover_timeline WHERE event_id > $last AND peer_name = 'b' ORDER BY event_id, step_no LIMIT 1", 'repoint'),
	'it is pointed at its primary');
ok($t->wait_for("SELECT status FROM failover_history WHERE event_id > $last ORDER BY event_id LIMIT 1", 'failed'), 'which does not let it in');
is($t->sql(q{SELECT array_to_string(degraded_reasons, '; ') FROM failover_status('main')}), 'standby "b" is not receiving from the primary',
	'the status says no more than that');
is($b->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'it is not restarted');

$p->set_hba($rules);
ok($t->wait_for_following($b, $p), 'let in, it follows');
ok($t->wait_for_state('healthy'), 'full redundancy');

done_testing();
