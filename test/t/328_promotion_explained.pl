# A promotion that takes long says what it waits for, while it does: a command of
# the server's own configuration, here.
use strict;
use warnings;

use FailoverTest;
use POSIX ();
use Test::More;

my $blocked = PostgreSQL::Test::Utils::tempdir('end') . '/blocked';
POSIX::mkfifo($blocked, 0600) or die "could not create $blocked: $!";
my $t = FailoverTest->new(
	standbys => 1,
	conf_of => { a => "recovery_end_command = 'cat $blocked'" },
	settings => { promote_timeout => '5min' })->start;
my ($p, $a) = $t->nodes;

$p->kill_hard('all');
ok($t->wait_for(q{SELECT string_agg(detail, '; ') FROM failover_timeline WHERE step = 'promote' AND status = 'running'},
		'still in recovery, which waits for RecoveryEndCommand'), 'a promotion that hangs tells why');
PostgreSQL::Test::Utils::append_to_file($blocked, "go\n");
ok($t->wait_for_failover('p'), 'it is waited for');
like($t->sql(q{SELECT detail FROM failover_timeline WHERE step = 'promote'}), qr/^timeline 2 from /, 'and what it came to remains');
$t->one_primary_ok;

done_testing();
