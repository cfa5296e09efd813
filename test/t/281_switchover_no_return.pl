# A switchover past its point of no return: the coordinator dies after it has
# ordered the promotion, and the old primary does not come back; the candidate
# dies in the middle of its promotion; the coordinator dies when it has ordered a
# promotion of which nothing is written down yet.  It is completed all the same.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	settings => { switchover_timeout => '3s', promote_timeout => '60s', block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;
my $last = q{SELECT kind, status, from_peer, to_peer, attempts, lost_bytes, error FROM failover_history
	WHERE kind = 'switchover' ORDER BY event_id DESC LIMIT 1};

# What is ordered is not carried out while that process stands still.
sub begin_promotion
{
	my ($to) = @_;
	my $startup = $t->node($to)->freeze_process('startup');

	$t->sql(qq{SELECT failover_switchover('main', '$to', wait => false)});
	ok($t->wait_for(q{SELECT EXISTS (SELECT FROM failover_timeline WHERE step = 'promote' AND status = 'running')}),
		"the promotion of $to is ordered");
	return $startup;
}

$p->append_conf('postgresql.conf', q{shared_buffers = 'nonsense'});
my $startup = begin_promotion('a');
# Who is to renew its lease while the coordinator is away.
ok($t->wait_for_sql($b, q{SELECT current_setting('primary_conninfo') ~ 'port=} . $a->port . q{( |$)'}, 't'),
	'the other standby is told, although the promotion takes its time');
$t->coordinator->kill_hard('all');
$t->coordinator->wait_killed;
$a->thaw_process($startup);
$t->coordinator->start;
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}, 0), 'the next coordinator ends the switchover');
is($t->sql($last), 'switchover|completed|p|a|1|0|', 'as completed, as it is');
is($t->status('primary_peer'), 'a', 'the candidate is the primary');
ok($t->wait_for_following($b, $a), 'and the other standby follows it');
is($t->sql(q{SELECT status, detail FROM failover_timeline WHERE step = 'demote' ORDER BY step_no DESC LIMIT 1}),
	'skipped|it was told to stop before', 'the old primary is not waited for to stop it again');

# It goes when it has tried to come back, or found that nobody was promoted in time.
$p->wait_gone($p->pids('postmaster'));
$p->append_conf('postgresql.conf', q{shared_buffers = 8MB});
$p->find_process;
$p->start;
ok($t->wait_for_following($p, $a), 'it comes back as a standby');
ok($t->wait_for_state('healthy'), 'full redundancy');

my $writer = $t->start_writer(timeout_ms => 1000);
$startup = begin_promotion('b');
$b->kill_hard('all');
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}, 0), 'a candidate that dies');
is($t->sql($last), 'switchover|completed|a|p|2||', 'the next one is promoted in the same switchover, whoever was named');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'repoint' AND status <> 'skipped' AND step_no <
	(SELECT max(step_no) FROM failover_timeline WHERE step = 'raise_term' AND event_id = (SELECT max(event_id) FROM failover_history WHERE kind = 'switchover'))
	AND event_id = (SELECT max(event_id) FROM failover_history WHERE kind = 'switchover')}), '0',
	'nobody is waited for to follow the dead one');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'lease' AND peer_name = 'b' AND status IN ('done', 'skipped')}), '1',
	'the end of its lease is made sure of');
ok($t->wait_for_following($a, $p), 'the old primary follows the new one');
ok($writer->wait_for_more(50), 'clients write again');
$writer->stop;
# (Nobody can know it of the candidate that died: lost_bytes is not known.)
is(scalar($writer->lost_rows($p)), 0, 'no acknowledged row is lost');

# The promotion is announced with the order to stop: that it was ordered need not be on disk.
$b->wait_killed;
$b->start;
ok($t->wait_for_state('healthy'), 'full redundancy again');
$t->sql(<<'EOF');
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the promotion cannot be written down'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON public.failover_step FOR EACH ROW WHEN (NEW.step = 'promote') EXECUTE FUNCTION public.refuse();
EOF
$startup = $a->freeze_process('startup');
$t->sql(q{SELECT failover_switchover('main', 'a', wait => false)});
ok(FailoverTest::Node::until_true(sub { -e $a->data_dir . '/promote' }), 'a is ordered to be promoted');
$t->coordinator->kill_hard('all');
$t->coordinator->wait_killed;
$a->thaw_process($startup);
ok($a->ask_until('SELECT pg_is_in_recovery()', 'f'), 'and is, with no coordinator');
$t->coordinator->start;
$t->sql('DROP TRIGGER refuse ON public.failover_step');
is($t->sql(q{SELECT count(*) FROM failover_timeline WHERE step = 'promote' AND event_id = (SELECT max(event_id) FROM failover_history)
	AND detail LIKE 'interrupted%'}), '0', 'nothing of it was written down');
ok($t->wait_for(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}, 0), 'the next coordinator ends the switchover');
is($t->sql($last), 'switchover|completed|p|a|1|0|', 'as completed');
ok($t->wait_for_state('healthy'), 'with full redundancy');
is($t->one_primary_ok('one primary'), 'a', 'it is the one that was ordered');
is($t->count_operations('failover'), '0', 'no failover was needed');

done_testing();
