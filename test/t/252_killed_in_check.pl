# Drill: every process of the primary is killed while the question of a check lies
# unread in its host, which then resets that session as a firewall might.  That it
# ended shows in another session, so it is replaced at once, though it needs no
# lease and replication is asynchronous.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(settings => { check_timeout => '30s' })->start;
my $p = $t->node('p');
my $writer = $t->start_writer;

my $backend = $p->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'failover'});
like($backend, qr/^\d+$/, 'the session of the checks is known');
kill('STOP', $backend);
ok($t->wait_for_checks(2), 'a check of the primary hangs');
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is replaced');
is($t->sql('SELECT rule FROM failover_history'), '71', 'because it is dead');
ok($writer->wait_for_more(20), 'clients write again');
$t->one_primary_ok;

done_testing();
