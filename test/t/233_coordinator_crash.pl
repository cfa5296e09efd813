# Drill: the coordinator is killed before and after every step of a failover, a
# switchover and a rejoin of servers with the node library.  What it began is
# resumed or rolled back from what the servers say: one primary, complete
# history, no acknowledged row lost, full redundancy.
#
# All that a coordinator knows after a crash is what it had committed, so its
# commits are the moments that count: the intent of a step before a server is
# touched, its outcome after.  A trigger holds the n-th transaction that writes
# of an operation, and there the coordinator is killed.  FAILOVER_TEST_COMMITS
# chooses some of the commits ("1 4 7") or "all" of them; by default it is
# every other one, of each kind of operation those with odd or with even numbers
# as it happens, so that several runs meet them all.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	sync => 'ANY 1 (*)',
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms\nwal_receiver_timeout = 5s",
	coordinator_conf => 'max_prepared_transactions = 1',
	settings => { block_period => '0', rejoin_backoff => '500ms' })->start;
my $coordinator = $t->coordinator;
my $commits = $ENV{FAILOVER_TEST_COMMITS} // '';
my %wanted = map { $_ => 1 } grep { /^\d+$/ } split(' ', $commits);
my %first = map { $_ => 1 + int(rand(2)) } qw(failover switchover rejoin);

sub is_wanted
{
	my ($kind, $n) = @_;

	return $commits eq 'all' || $wanted{$n} || (!%wanted && $n % 2 == $first{$kind} % 2);
}

note(%wanted || $commits eq 'all' ? "commits: $commits" : 'every other commit, from ' . join(', ', map { "$first{$_} of a $_" } sort keys %first));

# A prepared transaction keeps table "barrier" locked, also after a crash.  Only
# the server that runs when hold_commit() is called is held up by it.
$t->sql(<<'EOF');
CREATE TABLE public.barrier ();
BEGIN;
LOCK TABLE public.barrier;
PREPARE TRANSACTION 'barrier';
CREATE SEQUENCE public.commits;
CREATE TABLE public.hold AS SELECT ''::text AS kind, 0 AS nth, NULL::timestamptz AS started, NULL::timestamptz AS since,
	0::bigint AS counted;
CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
DECLARE
	h public.hold;
BEGIN
	SELECT * INTO h FROM public.hold;
	PERFORM FROM public.failover_operation o WHERE o.event_id = NEW.event_id AND o.kind = h.kind;
	IF NOT FOUND OR h.started IS DISTINCT FROM pg_postmaster_start_time()
		OR h.counted = txid_current() THEN
		RETURN NULL;
	END IF;
	UPDATE public.hold SET counted = txid_current();
	IF nextval('public.commits') = h.nth THEN
		PERFORM FROM public.barrier;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER hold AFTER INSERT OR UPDATE ON public.failover_operation FOR EACH ROW EXECUTE FUNCTION public.hold();
CREATE TRIGGER hold AFTER INSERT OR UPDATE ON public.failover_step FOR EACH ROW EXECUTE FUNCTION public.hold();
EOF

my $is_held = q{EXISTS (SELECT FROM pg_locks WHERE relation = 'public.barrier'::regclass AND NOT granted)};

sub hold_commit
{
	my ($kind, $nth) = @_;

	$t->sql("SELECT setval('public.commits', 1, false)");
	$t->sql("UPDATE public.hold SET kind = '$kind', nth = $nth, started = pg_postmaster_start_time(), since = clock_timestamp()");
	return;
}

# Kill the coordinator at the commit; false if the operation has ended without so many.
sub kill_held
{
	my ($kind) = @_;

	$t->wait_for(<<"EOF") or return 0;
SELECT $is_held OR (SELECT bool_and(status <> 'in_progress') FROM failover_history
		WHERE kind = '$kind' AND started_at > (SELECT since FROM public.hold))
	AND NOT EXISTS (SELECT FROM failover_timeline WHERE status IN ('pending', 'running'))
EOF
	return 0 if $t->sql("SELECT $is_held") eq 'f';
	$coordinator->kill_hard('all');
	$coordinator->wait_killed;
	$coordinator->start;
	return 1;
}

# Whatever happened: one primary, nothing left half done, everybody follows.
sub settled_ok
{
	my ($what, $writer) = @_;

	ok($t->wait_for(q{SELECT state = 'healthy' AND current_event IS NULL FROM failover_status('main')}), "$what: full redundancy")
	  or return;
	my $primary = $t->one_primary_ok("$what: exactly one primary");
	is($t->sql(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress' OR finished_at IS NULL}), '0',
		"$what: no operation is left half done");
	ok($t->wait_for(q{SELECT count(*) FROM failover_timeline WHERE status IN ('pending', 'running')}, '0'),
		"$what: no step is left open");
	ok($writer->wait_for_more(20), "$what: clients write");
	$writer->stop;
	is(scalar($writer->lost_rows($t->node($primary))), 0, "$what: no acknowledged row is lost");
	$t->node($primary)->safe_psql('postgres', 'TRUNCATE failover_test');
	return $primary;
}

# At each commit of an operation: begin it, be killed, see what becomes of it.
sub at_each_commit
{
	my ($kind, $begin, $then) = @_;
	my $kills = 0;

	for (my $n = 1;; $n++)
	{
		return $kills if %wanted && !grep { $_ >= $n } keys %wanted;
		next if !is_wanted($kind, $n);
		my $what = "$kind, killed at commit $n";
		my $writer = $t->start_writer(timeout_ms => 1000);
		my $old = $t->status('primary_peer');

		$begin->($old, $n);
		my $is_killed = kill_held($kind);
		$then->($old, $what);
		settled_ok($what, $writer) or return 0;
		return $kills unless $is_killed;
		$kills++;
	}
}

# A coordinator that has just started may not have taken up what is in progress.
my $is_ended = "current_event IS NULL AND NOT EXISTS (SELECT FROM failover_history WHERE status = 'in_progress')";
my (%commits, $asking);
$commits{failover} = at_each_commit('failover',
	sub {
		my ($old, $n) = @_;
		hold_commit('failover', $n);
		$t->node($old)->kill_hard('all');
	},
	sub {
		my ($old, $what) = @_;
		ok($t->wait_for("SELECT primary_peer <> '$old' AND $is_ended FROM failover_status('main')"),
			"$what: the primary is replaced");
		is($t->sql("SELECT count(*) FROM failover_history WHERE kind = 'failover' AND status = 'completed' AND from_peer = '$old'
			AND started_at > (SELECT since FROM public.hold)"), '1', "$what: the history has it, once");
		$t->node($old)->wait_killed;
		$t->node($old)->start;
	});

$commits{switchover} = at_each_commit('switchover',
	sub {
		my ($old, $n) = @_;
		hold_commit('switchover', $n);
		# Answered when its row is written, which the first of them is not.
		$asking = $coordinator->background_psql('postgres', on_error_stop => 0);
		$asking->query_until(qr/asking/, "\\echo asking\nSELECT failover_switchover('main', wait => false);\n");
	},
	sub {
		my ($old, $what) = @_;
		eval { $asking->quit };	# its server may have been killed
		ok($t->wait_for("SELECT $is_ended FROM failover_status('main')"), "$what: it ends");
		is($t->sql("SELECT primary_peer = coalesce((SELECT to_peer FROM failover_history WHERE kind = 'switchover' AND status = 'completed'
			AND started_at > (SELECT since FROM public.hold)), '$old') FROM failover_status('main')"), 't', "$what: as the history says");
	});

$commits{rejoin} = at_each_commit('rejoin',
	sub {
		my ($old, $n) = @_;
		$t->node($old)->kill_hard('all');
		$t->wait_for("SELECT primary_peer <> '$old' AND current_event IS NULL FROM failover_status('main')");
		$t->node($old)->wait_killed;
		hold_commit('rejoin', $n);
		$t->node($old)->start;
	},
	sub {
		my ($old, $what) = @_;
		ok($t->wait_for("SELECT role = 'standby' AND replication_state = 'streaming' FROM failover_health('main', '$old')"),
			"$what: the old primary is a standby");
	});

note(join(', ', map { "$_: killed at $commits{$_} commits" } sort keys %commits));
# Fewer would mean that not each of them was met.
foreach ([ failover => 5 ], [ switchover => 8 ], [ rejoin => 3 ])
{
	my ($kind, $least) = @$_;
	cmp_ok($commits{$kind}, '>=', scalar(grep { is_wanted($kind, $_) } 1 .. $least), "the coordinator was killed at the commits of a $kind");
}

done_testing();
