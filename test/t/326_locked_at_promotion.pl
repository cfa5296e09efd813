# Somebody locks rows of the group between the order to stop the old primary and
# the promotion, and sits there: the promotion was written down before and is not
# kept waiting; what comes after it is, and so he is shown the door.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB')->start;
my ($p, $a, $b) = $t->nodes;
my $psql = $t->coordinator->config_data('--bindir') . "/psql -X -d \"" . $t->coordinator->connstr('postgres') . '"';
my $lock = q{SELECT FROM failover_peer_state WHERE group_name = $a$main$a$ FOR UPDATE};

# What has been learned of the peers is written down by then.
$t->wait_for_checks(15);
# In a session of its own: when the old primary stops, it signals all that its sessions have begun.
my $script = PostgreSQL::Test::Utils::tempdir('locker') . '/lock';
PostgreSQL::Test::Utils::append_to_file($script, <<"EOF");
if [ "\$1" = holder ]
then
	(echo 'BEGIN; $lock;'; exec tail --pid=$$ -f /dev/null) | $psql
	exit
fi
setsid sh \$0 holder >/dev/null 2>&1 &
while $psql -c '$lock NOWAIT' >/dev/null 2>&1; do :; done
EOF
$p->run_at('demote', "sh $script");
is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'a')}), 'completed|a', 'the switchover is carried out');
is( $t->sql(q{SELECT string_agg(kind, ' ' ORDER BY at) FROM failover_events WHERE kind IN ('promoted', 'session_ended')}),
	'promoted session_ended', 'whoever kept rows locked was ended, after the promotion');
is( $t->sql(q{SELECT string_agg(status, ' ') FROM failover_timeline WHERE step IN ('promote', 'repoint', 'follow')}),
	'done done done', 'and everything was written down');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->one_primary_ok, 'a', 'under the new primary');

done_testing();
