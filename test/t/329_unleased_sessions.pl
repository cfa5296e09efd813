# A primary that has lost its lease, and that clients still reach: who looks for a
# server that takes writes goes on to the next one, who reads is let in, and nobody
# stays read-only once it takes writes again.
use strict;
use warnings;

use FailoverTest::Lease;
use Test::More;

my ($p) = FailoverTest::Lease->start_primary('p', conf => 'log_min_messages = warning', sql => 'CREATE TABLE t (id int); CREATE ROLE writer LOGIN SUPERUSER; ALTER ROLE writer SET default_transaction_read_only = off');
my ($a, $lease_a) = FailoverTest::Lease->start_standby('a', $p);
my $lease = FailoverTest::Lease->new($p);
# Somebody who has nothing to do with it, to go on to.
my ($next) = FailoverTest::Lease->start_primary('next');

# psql of a client: what it says, on either channel.
sub ask
{
	my ($server, $query, $more) = @_;
	local $ENV{PGAPPNAME} = 'client';

	IPC::Run::run([ 'psql', '-XAt', '-d', $server->connstr('postgres') . ' ' . ($more // ''), '-c', $query ], '>', \my $stdout, '2>', \my $stderr);
	return ($stdout =~ s/\n$//r, $stderr);
}

# Which of the two a client finds that looks for a server to write to, this one first.
sub found
{
	my ($first) = @_;
	my $either = sprintf('host=%s,%s port=%d,%d dbname=postgres user=writer target_session_attrs=read-write', $first->host, $next->host, $first->port, $next->port);
	local $ENV{PGAPPNAME} = 'client';

	IPC::Run::run([ 'psql', '-XAt', '-d', $either, '-c', 'SHOW port' ], '>', \my $stdout, '2>', \my $stderr);
	return $stdout eq $first->port . "\n" ? 'this one' : $stdout eq $next->port . "\n" ? 'the next one' : $stderr;
}

$next->safe_psql('postgres', 'CREATE ROLE writer LOGIN SUPERUSER');
is(found($p), 'this one', 'a primary that nobody coordinates');
$lease->grant(term => 2, seconds => 600);
is(found($p), 'this one', 'one with a lease');
my $early = $p->background_psql('postgres', extra_params => [ '-d', "application_name=early dbname=postgres host=" . $p->host . ' port=' . $p->port ]);

# ---- without it ----

$lease->grant(term => 3, seconds => 0.2, holder => 'x');
ok($p->ask_until('SELECT may_commit FROM failover_node_status()', 'f'), 'it loses its lease');
is(found($p), 'the next one', 'who looks for a server to write to goes on to the next');
is((ask($p, 'SHOW default_transaction_read_only', 'user=writer'))[0], 'on', 'whatever the role has set');
is((ask($p, 'SHOW default_transaction_read_only', q{options='-c default_transaction_read_only=off'}))[0], 'on', 'or the client');
is((ask($p, 'SELECT count(*) FROM t'))[0], '0', 'who reads is let in');
my ($answer, $error) = ask($p, 'INSERT INTO t VALUES (1)');
like($error, qr/ERROR:  cannot execute INSERT in a read-only transaction\s+HINT:  This server does not hold the lease of its group.*Peer "x" is the primary.*failover_node_release\(\)/,
	'who writes is told why not, who can, and the way out');
is(scalar($p->logged(qr/ERROR:  cannot execute INSERT/)), 1, 'the log tells of it');
ask($p, join(';', map { "INSERT INTO t VALUES ($_)" } 1 .. 20)) foreach 1 .. 5;
ask($p, 'SELECT 1 FROM nowhere');
is(scalar($p->logged(qr/ERROR:  cannot execute INSERT/)), 1, 'once, however hard clients try');
is(scalar($p->logged(qr/ERROR:  relation "nowhere" does not exist/)), 1, 'other errors as ever');
($answer, $error) = ask($p, 'BEGIN READ WRITE; INSERT INTO t VALUES (1); COMMIT');
like($error, qr/ERROR:  cannot commit: this server does not hold the lease/, 'and meets the gate if he will not hear');
is($p->safe_psql('postgres', 'SHOW default_transaction_read_only'), 'off', 'the coordinator is not concerned');
is($early->query_safe('SHOW default_transaction_read_only'), 'off', 'nor is a session that was there already');
my $late = do {
	local $ENV{PGAPPNAME} = 'client';
	$p->background_psql('postgres', on_error_stop => 0);
};
is($late->query_safe('BEGIN; SELECT count(*) FROM t'), '0', 'a session that begins now, and stays');

# ---- with it again ----

$lease->grant(term => 4, seconds => 600);
is(found($p), 'this one', 'with a lease it is a primary for clients again');
is($late->query_safe('SELECT count(*) FROM t'), '0', 'the session that began without goes on reading in its transaction');
$late->query_safe('COMMIT');
eval { $late->query('SELECT 1') };
like(($p->logged(qr/FATAL/))[-1], qr/terminating connection because this server takes writes again/, 'and is ended by its next one');
is((ask($p, 'INSERT INTO t VALUES (2)'))[0], 'INSERT 0 1', 'others write');
is($early->query_safe('INSERT INTO t VALUES (3) RETURNING id'), '3', 'so does the session that was there all the time');
eval { $_->quit } foreach $early, $late;

# ---- promoted by hand ----

$p->stop('fast');
$lease_a->hear(term => 5);
$a->safe_psql('postgres', 'SELECT pg_promote()');
($answer, $error) = ask($a, 'SELECT failover_node_release()');
is($error, '', 'a standby that somebody has promoted lets him in at once, to release it');
is((ask($a, 'INSERT INTO t VALUES (4)'))[0], 'INSERT 0 1', 'and takes writes then');

# ---- the extension is gone, and nobody grants anything ----

$lease_a->grant(term => 6, seconds => 600);
$a->safe_psql('postgres', 'DROP EXTENSION failover');
$a->restart;
ok(FailoverTest::Node::until_true(sub { (ask($a, 'SELECT 1'))[0] eq '1' }), 'it starts without a lease, and lets readers in after a while');
($answer, $error) = ask($a, 'BEGIN READ WRITE; CREATE EXTENSION failover; SELECT failover_node_release(); COMMIT');
is($error, '', 'the way out of the documentation');
is((ask($a, 'INSERT INTO t VALUES (5)'))[0], 'INSERT 0 1', 'leads to a server that takes writes');

done_testing();
