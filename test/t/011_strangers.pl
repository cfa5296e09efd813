# Drill: a standby of another system, and one on a timeline of its own, are
# registered as if they belonged to the group.  They are never promoted, and it
# is said why.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new->start;
my ($p) = $t->nodes;

# y is a standby of x, which is another cluster altogether.
my $x = $t->add_node('x');
$x->init;
$x->start;
$t->add_standby('y', $x);
$t->register('y');
ok($t->wait_for(q{SELECT NOT eligible AND reason ~* 'system' FROM failover_candidates('main') WHERE peer_name = 'y'}),
	'a standby of another system is no candidate, and why');

# d follows c, which was a standby of p and was promoted behind everybody's back.
my $c = $t->add_standby('c', $p);
$c->promote;
ok($t->wait_for_sql($c, 'SELECT NOT pg_is_in_recovery()'), 'c went its own way');
$c->safe_psql('postgres', 'CREATE TABLE of_its_own (i int)');
$t->add_standby('d', $c);
$t->register('d');
ok($t->wait_for(q{SELECT NOT eligible AND reason ~* 'timeline|history' FROM failover_candidates('main') WHERE peer_name = 'd'}),
	'a standby on a newer timeline is no candidate, and why');
$t->no_failover_ok(3, 'strangers are no reason to act');

$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the dead primary is replaced');
like($t->status('primary_peer'), qr/^[ab]$/, 'by a standby of its own');
is($t->node('y')->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the standby of another system was left alone');
is($t->node('d')->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the standby of another history was left alone');

done_testing();
