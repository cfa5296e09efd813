# Drill: the candidate of a switchover refuses to be promoted.  It is not asked
# again: the next one is promoted in the same switchover.  Where all refuse the
# switchover says so, and the old primary takes writes again.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	library => 1,
	conf => 'wal_keep_size = 256MB',
	register => { a => 'priority => 1' },
	settings => { block_period => '0' })->start;
my ($p, $a, $b) = $t->nodes;

# Here the server would write that it is to be promoted.
chmod 0500, $a->data_dir or die;
$t->sql(q{SELECT failover_switchover('main')});
is($t->sql(q{SELECT status, from_peer, to_peer, attempts, lost_bytes FROM failover_history WHERE kind = 'switchover'}), 'completed|p|b|2|0',
	'the next one is promoted in the same switchover');
is($t->sql(q{SELECT string_agg(peer_name || ' ' || status, ', ' ORDER BY step_no) FROM failover_timeline WHERE step = 'promote'}),
	'a failed, b done', 'the first one is asked once');
chmod 0700, $a->data_dir or die;
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->one_primary_ok('one primary'), 'b', 'it is the next one');
is($t->count_operations('failover'), '0', 'no failover was needed');

# The one that they were to replace has stopped by then, and is a standby.
my $since = $p->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
chmod 0500, $_->data_dir or die foreach $p, $a;
$t->try_sql(q{SELECT failover_switchover('main')});
my $error = $t->sql(q{SELECT error FROM failover_history WHERE kind = 'switchover' AND status = 'failed'});
like($error, qr/no standby can be promoted/, 'where all refuse, the switchover fails');
like($error, qr/"$_": has dropped out: promote: /, "and says what $_ was asked in vain") foreach qw(p a);
chmod 0700, $_->data_dir or die foreach $p, $a;
ok($t->wait_for_state('healthy'), 'full redundancy again');
is($t->one_primary_ok('one primary again'), 'a', 'one of those, asked again');
is($p->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $since, 'the other one follows it without a restart');

done_testing();
