# Without the write check the coordinator has another session with the primary, in
# which nothing is ever asked: that the primary was killed over an unread question
# shows there.  The server does not end it for its idleness, which would look
# like a death.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(
	conf => 'idle_session_timeout = 1s',
	settings => { check_timeout => '30s', write_check => 'off' })->start;
my $p = $t->node('p');
my $writer = $t->start_writer;
my $listener = q{SELECT pid FROM pg_stat_activity WHERE application_name = 'failover listener'};

ok($t->wait_for_sql($p, "SELECT count(*) = 1 FROM ($listener) l", 't'), 'the coordinator listens for the end of the primary');
my $pid = $p->safe_psql('postgres', $listener);
$t->wait_for_checks(5);
is($p->safe_psql('postgres', $listener), $pid, 'and stays, however quiet it is');
is($t->node($_)->safe_psql('postgres', $listener), '', "not for that of $_, which takes no writes") foreach qw(a b);

# Somebody ends the session: that alone is no death, and it is had again.
$p->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok($t->wait_for_sql($p, "SELECT pid <> $pid FROM ($listener) l", 't', 60), 'one that was ended comes back');
is($t->count_operations('failover'), '0', 'and nothing was done about it');

my $backend = $p->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'failover'});
kill('STOP', $backend);
ok($t->wait_for_checks(2), 'a check of the primary hangs');
$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'a primary that was killed is replaced');
is($t->sql('SELECT rule FROM failover_history'), '71', 'because it is dead');
ok($writer->wait_for_more(20), 'clients write again');
$t->one_primary_ok;

done_testing();
