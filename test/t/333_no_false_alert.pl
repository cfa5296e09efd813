# When a switchover and a failover have ended, their standbys follow the new
# primary: no event says for a moment that nobody does.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB', settings => { block_period => '0' })->start;

sub count_alerts { return $t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'verdict' AND message LIKE 'alert (rule 81)%'}) }

foreach my $target ('a', 'b', 'p')
{
	my $from = $t->sql("SELECT from_peer FROM failover_switchover('main', '$target')");
	is($t->sql("SELECT health FROM failover_health('main', '$from')"), 'healthy', 'when it has ended the old primary is known to be well');
	ok($t->wait_for_state('healthy'), "switched over to $target");
}
is(count_alerts(), '0', 'after a switchover nobody is said to be without standbys');
is($t->sql(q{SELECT count(*) FROM failover_events WHERE kind = 'peer_down' AND severity <> 'info' OR kind = 'verdict' AND message LIKE 'alert (rule 87)%'}),
	'0', 'and that a server was restarted for it alarms nobody');

$t->node('p')->kill_hard('all');
ok($t->wait_for_failover('p'), 'the primary is killed and replaced');
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_events WHERE kind = 'verdict' AND message LIKE 'alert (rule 87)%'
	AND event_id > (SELECT max(event_id) FROM failover_history)}), 'that it is away is told');
is(count_alerts(), '0', 'and nothing else');

# The real thing is told.
my $new = $t->status('primary_peer');
foreach my $node (grep { $_->name !~ /^(?:p|$new)$/ } $t->nodes)
{
	$node->safe_psql('postgres', q{ALTER SYSTEM SET primary_conninfo = ''});
	$node->reload;
}
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_events WHERE kind = 'verdict' AND message LIKE 'alert (rule 81)%'}), 'a primary without standbys still is');

done_testing();
