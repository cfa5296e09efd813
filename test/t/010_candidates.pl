# Drill: standbys that must not be promoted: broken long before, behind the
# limit, paused, delayed, fed by an archive only, of another system, of another
# history.  Each is excluded with its reason; who remains is chosen, and where
# nobody remains the coordinator holds.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 4, settings => { max_lag => '1MB', auto_rejoin => 'off' })->start;
my ($p, $a, $b, $c, $d) = $t->nodes;

sub excluded_ok
{
	my ($name, $reason, $what) = @_;

	ok($t->wait_for("SELECT NOT eligible AND reason ~* '$reason' FROM failover_candidates('main') WHERE peer_name = '$name'"),
		"$what is no candidate, and why");
	is($t->sql("SELECT promotion_eligible, ineligible_reason IS NOT NULL FROM failover_health('main', '$name')"), 'f|t',
		"$what: so says its health");
	return;
}

# a: its receiver hangs while the primary goes on.
my $receiver = $a->freeze_process('walreceiver');
$p->safe_psql('postgres', 'CREATE TABLE ballast AS SELECT i, repeat(md5(i::text), 4) FROM generate_series(1, 20000) i');
excluded_ok('a', 'lag|behind', 'a standby behind the limit');

$b->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
excluded_ok('b', 'paus', 'a standby with replay paused');

$c->safe_psql('postgres', q{ALTER SYSTEM SET recovery_min_apply_delay = '1h'});
$c->reload;
excluded_ok('c', 'delay', 'a delayed standby');

# Broken by hand and long before: it is fed by nobody.
$d->safe_psql('postgres', q{ALTER SYSTEM SET primary_conninfo = ''});
$d->reload;
excluded_ok('d', 'receiv|archive', 'a standby that does not receive');

is($t->status('failover_possible, candidate IS NULL'), 'f|t', 'failover is not possible, and the status says so');

# Nobody is left, and d is no witness either.
$p->kill_hard('all');
ok($t->wait_for(q{SELECT health = 'unhealthy' FROM failover_health('main', 'p')}), 'the primary is seen dead');
ok($t->wait_for(q{SELECT verdict = 'hold' AND reason <> '' FROM failover_evaluate('main')}), 'without a candidate the coordinator holds');
$t->no_failover_ok(4, 'nobody unfit is promoted');
is($t->sql(q{SELECT bool_and(reason <> '') FROM failover_candidates('main') WHERE NOT eligible}), 't', 'every exclusion has its reason');
is(join(' ', $t->primaries), '', 'nobody was promoted');

# One of them becomes fit: the failover that was held is done.
$b->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
ok($t->wait_for_failover('p'), 'as soon as one is fit it is promoted');
is($t->one_primary_ok, 'b', 'the one that is fit');
$a->thaw_process($receiver);

done_testing();
