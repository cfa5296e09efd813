# Drill: a busy primary on which nobody has set wal_keep_size crashes, or freezes
# and goes on.  Before it can be rewound it makes checkpoints, of which each would
# remove the WAL that the rewind needs.  It rejoins all the same; after a crash
# also where less was set.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, settings => { block_period => '0', rejoin_backoff => '200ms', rejoin_attempts => 2 })->start;
my ($p) = $t->nodes;

# A last common checkpoint, and some segments of WAL since then.
sub write_much
{
	my ($primary) = @_;

	$primary->safe_psql('postgres', 'CHECKPOINT');
	$primary->safe_psql('postgres', q{SELECT pg_logical_emit_message(false, 'filler', repeat('x', 100000)) FROM generate_series(1, 400)});
	$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
	return;
}

# It rejoins, rewound, without another hand on it.
sub rejoins_ok
{
	my ($node, $what) = @_;

	ok($t->wait_for_state('healthy'), "$what rejoins");
	like($t->sql(q{SELECT detail FROM failover_timeline WHERE step = 'rejoin' AND status = 'done' ORDER BY event_id DESC LIMIT 1}),
		qr/rewound in \d+ ms/, 'by a rewind');
	ok($t->wait_for_following($node, $t->node($t->status('primary_peer'))), 'and follows the new primary');
	return;
}

is($p->safe_psql('postgres', q{SELECT pg_size_bytes(current_setting('wal_keep_size')) = pg_size_bytes(current_setting('max_wal_size'))}),
	't', 'the library keeps as much WAL as lies between checkpoints');
write_much($p);
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'a killed primary is replaced');
$p->wait_killed;
$p->start;
rejoins_ok($p, 'it');

my $second = $t->node($t->status('primary_peer'));
write_much($second);
$second->freeze('all');
ok($t->wait_for_failover($second->name), 'a frozen primary is replaced');
$second->thaw;
rejoins_ok($second, 'it');

# What is set is not overruled, but for what a crashed server has already.
my $third = $t->node($t->status('primary_peer'));
$third->safe_psql('postgres', q{ALTER SYSTEM SET wal_keep_size = 0});
$third->reload;
ok($t->wait_for_sql($third, 'SHOW wal_keep_size', '0'), 'wal_keep_size is set by hand');
write_much($third);
my $name = $third->name;
$third->kill_hard('all');
ok($t->wait_for_failover($name), 'a third primary is replaced');
$third->wait_killed;
$third->start;
rejoins_ok($third, 'it');
is($third->safe_psql('postgres', 'SHOW wal_keep_size'), '0', 'it keeps what was set, now that it is a standby');

done_testing();
