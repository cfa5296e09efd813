# Drill: a primary crashes under asynchronous replication.  What it had committed
# that its successor has not nobody can know, until it rejoins: then it has
# counted its own commits beyond the fork, and the history says how much was lost,
# or that nothing was.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'autovacuum = off',
	settings => { block_period => '0', rejoin_backoff => '200ms', max_lag => '1GB' })->start;
my ($p, $a, $b) = $t->nodes;
my $lost = q{SELECT coalesce(lost_bytes::text, 'unknown') FROM failover_history WHERE kind = 'failover' ORDER BY event_id DESC LIMIT 1};

sub position
{
	return $p->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
}

# Nobody receives what it acknowledges last, more than a connection holds, in hundreds of kilobytes.  What it writes after its last commit is no loss.
my $held = 1;
$held += int((split(/\s+/, PostgreSQL::Test::Utils::slurp_file("/proc/sys/net/ipv4/$_")))[2] / 100000) foreach 'tcp_rmem', 'tcp_wmem';
my @frozen = map { [ $_, $_->freeze_process('walreceiver') ] } ($a, $b);
$p->safe_psql('postgres', "CREATE TABLE own AS SELECT 1 AS i, pg_logical_emit_message(false, 'filler', repeat('x', 100000)) FROM generate_series(1, $held)");
$p->safe_psql('postgres', "INSERT INTO own VALUES ($_)") foreach 2 .. 5;
my $before = position();
$p->safe_psql('postgres', 'INSERT INTO own VALUES (6)');
my $after = position();
$p->safe_psql('postgres', q{SELECT pg_logical_emit_message(false, 'filler', repeat('x', 100000)), pg_switch_wal()});
$p->kill_hard('all');
$_->[0]->thaw_process($_->[1]) foreach @frozen;
ok($t->wait_for_failover('p'), 'the primary is replaced');
isnt($t->sql($lost), '0', 'the history does not claim that nothing is lost');

$p->wait_killed;
$p->start;
ok($t->wait_for_state('healthy'), 'the former primary has rejoined');
my ($fork) = $t->sql(q{SELECT detail FROM failover_timeline WHERE step = 'rejoin' AND status = 'done' ORDER BY event_id DESC LIMIT 1})
  =~ m{forked off at ([0-9A-F]+/[0-9A-F]+), \d+ bytes here are beyond that, with 6 commits};
ok(defined $fork, 'its rejoin tells how many commits were lost') or $fork = '0/0';
ok($t->wait_for("SELECT lost_bytes > pg_wal_lsn_diff('$before', '$fork') AND lost_bytes <= pg_wal_lsn_diff('$after', '$fork')
	FROM failover_history WHERE kind = 'failover'"), 'and the history how far the last of them lay beyond the fork')
  or diag($t->sql($lost) . " bytes lost, $before to $after, fork $fork");

# Replaced again, while everybody has everything.
my $new = $t->node($t->status('primary_peer'));
$new->safe_psql('postgres', 'CREATE TABLE kept AS SELECT 1 AS i');
$t->wait_for_following($_, $new) foreach grep { $_ != $new } ($p, $a, $b);
my $position = $new->safe_psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
ok($t->wait_for_sql($_, "SELECT pg_last_wal_receive_lsn() >= '$position'"), $_->name . ' has received everything')
  foreach grep { $_ != $new } ($p, $a, $b);
my $name = $new->name;
$new->kill_hard('all');
ok($t->wait_for_failover($name), 'the second is replaced');
$new->wait_killed;
$new->start;
ok($t->wait_for_state('healthy'), 'it has rejoined');
ok($t->wait_for($lost, '0'), 'its failover is certain to have lost nothing') or diag($t->sql($lost));
is($t->sql(q{SELECT lost_bytes > 0 FROM failover_history WHERE kind = 'failover' ORDER BY event_id LIMIT 1}), 't',
	'which says nothing about the one before');
my $last = $t->node($t->status('primary_peer'));
is($last->safe_psql('postgres', q{SELECT to_regclass('own') IS NULL, count(*) FROM kept}), 't|1', 'as the new primary shows');

done_testing();
