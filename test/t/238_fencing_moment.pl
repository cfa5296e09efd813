# Drill: the lease ends in the middle of everything that a session may be doing:
# local and asynchronous commits, DDL, sequences, row locks, temporary tables,
# two-phase commit, messages, COPY, procedures.  At the fence of a switchover and
# at the end of a lease nothing of it is acknowledged; the server's log says so
# once, however hard clients try; and what was prepared survives to the next
# primary.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms\nmax_prepared_transactions = 20\nlog_min_messages = warning",
	settings => { lease_time => '1s', check_interval => '500ms', block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;
my $refusal = qr/cannot commit: this server does not hold the lease/;

$p->safe_psql('postgres', <<'EOF');
CREATE TABLE t (kind text, id int);
INSERT INTO t VALUES ('locked', 1);
CREATE SEQUENCE s CACHE 1;
CREATE PROCEDURE committing() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.t VALUES ('procedure', 1); COMMIT; END $$;
EOF

# What a session does before the lease ends, and then.
my %kinds = (
	'a local commit' => [ q{SET synchronous_commit = local; BEGIN; INSERT INTO t VALUES ('local', 1)}, 'COMMIT' ],
	'an asynchronous commit' => [ q{SET synchronous_commit = off; BEGIN; INSERT INTO t VALUES ('off', 1)}, 'COMMIT' ],
	'DDL' => [ 'BEGIN; CREATE TABLE ddl ()', 'COMMIT' ],
	'DDL of its own' => [ '', 'CREATE TABLE ddl ()' ],
	'a sequence that writes' => [ q{SELECT setval('s', 10)}, q{SELECT setval('s', 1000)} ],
	'row locks' => [ 'BEGIN; SELECT FROM t FOR UPDATE', 'COMMIT' ],
	'a temporary table' => [ 'CREATE TEMPORARY TABLE tt (id int)', 'INSERT INTO tt VALUES (1)' ],
	'PREPARE TRANSACTION' => [ q{BEGIN; INSERT INTO t VALUES ('prepare', 1)}, q{PREPARE TRANSACTION 'late'} ],
	'COMMIT PREPARED' => [ q{BEGIN; INSERT INTO t VALUES ('prepared', 1); PREPARE TRANSACTION 'NAME'}, q{COMMIT PREPARED 'NAME'} ],
	'ROLLBACK PREPARED' => [ q{BEGIN; INSERT INTO t VALUES ('rolled back', 1); PREPARE TRANSACTION 'NAME rollback'}, q{ROLLBACK PREPARED 'NAME rollback'} ],
	'a logical message' => [ '', q{SELECT pg_logical_emit_message(true, 'test', 'x')} ],
	'a savepoint' => [ q{BEGIN; SAVEPOINT s1; INSERT INTO t VALUES ('savepoint', 1); RELEASE s1}, 'COMMIT' ],
	'COPY' => [ q{BEGIN; COPY t FROM PROGRAM 'echo copy,1' (FORMAT csv)}, 'COMMIT' ],
	'a COMMIT in a procedure' => [ '', 'CALL committing()' ],
	'a large object' => [ 'BEGIN; SELECT lo_create(4711)', 'COMMIT' ],
);

# One session for each kind, in the middle of what it does.
sub open_sessions
{
	my ($name) = @_;
	my %sessions;

	foreach my $kind (sort keys %kinds)
	{
		my $session = $p->background_psql('postgres', on_error_stop => 0);

		$session->query_safe("$_;") foreach split(/; /, $kinds{$kind}[0] =~ s/NAME/$name/r);
		$sessions{$kind} = $session;
	}
	return \%sessions;
}

# The lease is over: none of them gets an acknowledgement.
sub none_acknowledged_ok
{
	my ($name, $sessions) = @_;

	foreach my $kind (sort keys %$sessions)
	{
		my $session = $sessions->{$kind};

		$session->{stderr} = '';
		$session->query($kinds{$kind}[1] =~ s/NAME/$name/r . ';');
		like($session->{stderr}, $refusal, "$name: $kind is refused");
		$session->quit;
	}
	# It gets a transaction id too late to be refused: the session ends without a word.
	my ($status, $out, $error) = $p->psql('postgres', 'NOTIFY x');
	isnt($status, 0, "$name: a NOTIFY is not acknowledged");
	return;
}

my $logged = sub { scalar(() = $p->logged($refusal)) };

# While the gate stays closed clients try as hard as they can, and the log does not grow.
# (A lease of a second may have been lost and granted again before, on a busy machine:
# each loss has a line of its own.)
sub logged_once_ok
{
	my ($name, $before) = @_;
	my $said = $logged->();

	cmp_ok($said, '>', $before, "$name: the server has said that it refuses");
	$p->psql('postgres', q{INSERT INTO t VALUES ('flood', 1);} x 50, on_error_stop => 0);
	is($logged->(), $said, "$name: once, however hard clients try");
	return;
}

my $rows = q{SELECT coalesce(string_agg(DISTINCT kind, ', '), 'none') FROM t WHERE kind <> 'locked'};

# ---- the fence of a switchover, which is undone in the end ----

my $writer = $t->start_writer(writers => 4, timeout_ms => 20000);
my $sessions = open_sessions('fence');
my $before = $logged->();
# The candidate freezes in the moment of the fence, and lacks WAL from then on.  So does the
# coordinator, which would give up and open the gate while the sessions are still busy.
my $receiver = $a->freeze_process('walreceiver');
$a->thaw_process($receiver);
my $worker = $t->coordinator->freeze_process('failover coordinator');
$t->coordinator->thaw_process($worker);
$p->run_at_fence("kill -STOP $receiver $worker");
$t->sql(q{SELECT failover_switchover('main', 'a', wait => false)});
ok($p->ask_until('SELECT fenced_term = node_term FROM failover_node_status()', 't'), 'the gate is closed');
none_acknowledged_ok('fence', $sessions);
my $acknowledged = $writer->count_acknowledged;
logged_once_ok('fence', $before);
is($p->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 'f', 'fence: the gate was closed all the while');
is($writer->count_acknowledged, $acknowledged, 'fence: no other client gets an acknowledgement');
$t->coordinator->thaw_process($worker);
ok($t->wait_for(q{SELECT current_event IS NULL FROM failover_status('main')}), 'fence: the switchover is over');
$a->thaw_process($receiver);
is($t->status('primary_peer'), 'p', 'fence: it was undone');
ok($writer->wait_for_more(50), 'fence: writes go on');
is($p->safe_psql('postgres', $rows), 'none', 'fence: nothing that was refused is there');
$p->safe_psql('postgres', q{COMMIT PREPARED 'fence'});
$p->safe_psql('postgres', q{ROLLBACK PREPARED 'fence rollback'});
is($p->safe_psql('postgres', $rows), 'prepared', 'fence: what was prepared before can be ended after');
ok($t->wait_for_state('healthy'), 'fence: full redundancy');
$p->run_at_fence('true');

# ---- the end of a lease that nobody renews ----

$sessions = open_sessions('expiry');
$before = $logged->();
$t->coordinator->stop('fast');
$_->freeze('all') foreach $a, $b;
# For longer than a lease time: nothing that a standby said before can revive it.
ok($p->ask_until('SELECT NOT may_commit AND clock_us > lease_until_us + 1000000 FROM failover_node_status()', 't'),
	'without coordinator and standbys the lease ends');
none_acknowledged_ok('expiry', $sessions);
$acknowledged = $writer->count_acknowledged;
logged_once_ok('expiry', $before);
is($writer->count_acknowledged, $acknowledged, 'expiry: no other client gets an acknowledgement');
$_->thaw foreach $a, $b;
$t->coordinator->start;
ok($writer->wait_for_more(50), 'expiry: with a new lease writes go on');
ok($t->wait_for_state('healthy'), 'expiry: full redundancy');
is($t->status('primary_peer'), 'p', 'expiry: nobody was promoted meanwhile');
is($p->safe_psql('postgres', $rows), 'prepared', 'expiry: nothing that was refused is there');

# ---- prepared transactions move with the primary ----

my $is_prepared = q{SELECT string_agg(gid, ', ' ORDER BY gid) FROM pg_prepared_xacts};
is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'a')}), 'completed|a', 'a switchover that works');
is($a->safe_psql('postgres', $is_prepared), 'expiry, expiry rollback', 'what was prepared is on the new primary');
$a->safe_psql('postgres', q{COMMIT PREPARED 'expiry'});
is($a->safe_psql('postgres', q{SELECT count(*) FROM t WHERE kind = 'prepared'}), '2', 'and can be committed there');
ok($t->wait_for_state('healthy'), 'full redundancy');
$a->safe_psql('postgres', q{BEGIN; INSERT INTO t VALUES ('crash', 1); PREPARE TRANSACTION 'crash'});
$a->wait_for_catchup($_) foreach 'p', 'b';
$a->kill_hard('all');
ok($t->wait_for_failover('a'), 'the primary crashes');
my $new = $t->node($t->status('primary_peer'));
is($new->safe_psql('postgres', $is_prepared), 'crash, expiry rollback', 'what was prepared survives that too');
$new->safe_psql('postgres', q{COMMIT PREPARED 'crash'});
is($new->safe_psql('postgres', q{SELECT count(*) FROM t WHERE kind = 'crash'}), '1', 'and can be committed');

$writer->stop;
done_testing();
