# Drill: one peer hangs while many others are healthy.  The checks of the others
# stay on schedule.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $many = 150;
my $t = FailoverTest->new(
	standbys => 2,
	conf => 'max_connections = 250',
	coordinator_conf => 'failover.max_peers = 256')->start;

# Peers by the dozen that are one server: each is checked all the same.
my $b = $t->node('b');
$t->sql("SELECT failover_register('many', 'peer' || i, '" . $b->conninfo . " connect_timeout=9') FROM generate_series(1, $many) i");
$t->sql("SELECT failover_register('many', 'hung', '" . $t->node('a')->conninfo . " connect_timeout=9')");
my $checked = q{SELECT count(*) FROM failover_health('many') WHERE peer_name <> 'hung' AND now() - last_check_at < interval '2 s' AND health = 'healthy'};
ok($t->wait_for($checked, $many), "$many peers are checked every second");

$t->node('a')->freeze('all');
ok($t->wait_for(q{SELECT error_class = 'timeout' FROM failover_health('many', 'hung')}), 'one of them hangs');
my $late = 0;
for (1 .. 20)
{
	$late += $many - $t->sql($checked);
	$t->wait_for_checks(1);
}
is($late, 0, 'the checks of the others stay on schedule');
# A machine that is busy may cost one of thousands its time; a peer that hangs would cost every one.
is($t->sql(q{SELECT string_agg(format('%s: %s, %s', peer_name, success_rate, last_error), '; ') FROM failover_health('many')
	WHERE peer_name <> 'hung' AND success_rate < 0.8}), '', 'and succeed');
is($t->count_operations('failover'), '0', 'a hung standby is no reason to fail over');

# Others are also served when it counts.
$t->node('p')->kill_hard('all');
ok($t->wait_for_failover('p'), 'a failover is done while a peer hangs');
is($t->one_primary_ok, 'b', 'to the one that answers');
$t->node('a')->thaw;

done_testing();
