# Drill: one backend of the primary crashes and the server goes through crash
# recovery.  That is a living host: nothing fails over, and replication is back
# at once.  Only a start that does not end is a reason, past its own limit.
use strict;
use warnings;

use FailoverTest;
use POSIX ();
use Test::More;

my $t = FailoverTest->new(settings => { startup_timeout => '4s', restart_grace => '30s' })->start;
my $p = $t->node('p');
my $writer = $t->start_writer;

for my $n (1 .. 3)
{
	my $pid = $p->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'});
	kill('KILL', $pid);
	ok($writer->wait_for_more(100), "clients write again after crash $n");
	ok($t->wait_for_streaming($p, 2), "standbys stream again after crash $n");
	ok($t->wait_for_state('healthy'), "the group is healthy again after crash $n");
}
is($t->count_operations('failover'), '0', 'a crashed backend is no reason to fail over');
$t->one_primary_ok;
$writer->stop;
is(scalar($writer->lost_rows($p)), 0, 'no acknowledged row is lost');

# What starts up is not asked only when its turn comes: it may take a second, or an hour.
my $a = $t->node('a');
my $held = $a->data_dir . '/held';
POSIX::mkfifo($held, 0600) or die "mkfifo: $!";
$a->stop('fast');
$a->append_conf('postgresql.conf', qq{restore_command = 'test -e "$held.not" || { cat "$held"; touch "$held.not"; }; false'});
$t->set('check_interval', '1h');
$t->coordinator->stop('fast');
$a->start_in_background;
$t->coordinator->start;
ok($t->wait_for(q{SELECT error_class = 'starting_up' FROM failover_health('main', 'a')}), 'a standby that starts is seen as one');
open(my $release, '>', $held) or die "$held: $!";
close($release);
ok($t->wait_for(q{SELECT error_class IS NULL FROM failover_health('main', 'a')}), 'and when it has, whatever the interval');
$t->set('check_interval', '200ms');
ok($t->wait_for_state('healthy'), 'the group is healthy again');

# A server that says "starting up" without an end: archive recovery from an archive that hangs.
$p->stop('fast');
$p->append_conf('postgresql.conf', "restore_command = 'tail -f /dev/null'\nhot_standby = off");
$p->append_conf('recovery.signal', '');
PostgreSQL::Test::Utils::system_log('pg_ctl', '-W', '-D', $p->data_dir, '-l', $p->logfile, 'start');
ok($t->wait_for(q{SELECT error_class = 'starting_up' FROM failover_health('main', 'p')}), 'a starting server is seen as one');
ok($t->wait_for_failover('p'), 'a start that does not end is failed over past its limit');
cmp_ok($t->sql(q{SELECT extract(epoch FROM h.started_at - e.at) FROM failover_history h,
	LATERAL (SELECT max(last_success_at) AS at FROM failover_health('main', 'p')) e}), '>=', 4, 'and not before');
$t->one_primary_ok;

done_testing();
