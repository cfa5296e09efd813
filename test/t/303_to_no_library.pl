# Whoever hands the primary over to a server without the node library is told
# beforehand that the protection of the lease ends with it.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB', conf_of => { a => "shared_preload_libraries = ''" })->start;
my $warning = q{; it has no node library: no lease will keep it from writing when it is cut off};

like($t->sql(q{SELECT finding FROM failover_preflight('main') WHERE peer_name = 'a' AND severity = 'warning'}), qr/has no node library/, 'preflight says it');
is($t->status('fencing'), 'lease', 'the primary has a lease');
my ($status, undef, $notices) = $t->try_sql(q{SELECT status FROM failover_switchover('main', 'b')});
unlike($notices, qr/\Q$warning\E/, 'a move to a server with the library is no news');
ok($t->wait_for_state('healthy'), 'full redundancy');
($status, undef, $notices) = $t->try_sql(q{SELECT status FROM failover_switchover('main', 'a')});
like($notices, qr/choose: done: "a".*\Q$warning\E.*NOTICE.*fence, peer "b"/s, 'to one without it, that is said before the primary is fenced');
is($t->status('primary_peer'), 'a', 'and done');
is($t->sql(qq{SELECT count(*) FROM failover_timeline WHERE step = 'choose' AND detail LIKE '%$warning'}), '1', 'the timeline keeps it');
isnt($t->status('fencing'), 'lease', 'it has none');

done_testing();
