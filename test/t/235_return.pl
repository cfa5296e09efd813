# Drill: a former primary comes back: stopped in good order; with WAL that nobody
# has received; with a configuration that does not start, or not any more when it
# is to become a standby; killed while it is being rewound.  It becomes a standby
# by itself as soon as that can be, what is in the way is said, and it never takes
# a write.
use strict;
use warnings;

use FailoverTest;
use FailoverTest::Lease;
use Test::More;
use Time::HiRes qw(time);

my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	settings => { block_period => '0', rejoin_backoff => '500ms' })->start;
my $writer = $t->start_writer(timeout_ms => 1000);

# The primary goes away by that, and is replaced; a client is left that knows no other server.
sub lose_primary
{
	my ($what, $how) = @_;
	my $old = $t->status('primary_peer');
	my $client = FailoverTest::Writer->start([ $t->node($old) ], name => 'faithful', first => 50 + $t->count_operations('failover'), writers => 1);

	$client->wait_for_more(5);
	$how->($t->node($old));
	ok($t->wait_for("SELECT primary_peer <> '$old' AND current_event IS NULL FROM failover_status('main')"), "$what: it is replaced");
	return ($t->node($old), $client, time());
}

sub returns_ok
{
	my ($what, $old, $client, $replaced_at) = @_;
	my $name = $old->name;

	ok($t->wait_for("SELECT role = 'standby' AND replication_state = 'streaming' FROM failover_health('main', '$name')"),
		"$what: it is a standby");
	ok($t->wait_for_following($old, $t->node($t->status('primary_peer'))), "$what: and follows the primary");
	ok($t->wait_for_state('healthy'), "$what: full redundancy");
	$client->stop;
	is($client->count_acknowledged($replaced_at), 0, "$what: it has taken no write meanwhile");
	$t->one_primary_ok("$what: one primary");
	return;
}

# Write what nobody receives, enough for a rewind that can be met, and die.
sub diverge
{
	my ($node) = @_;
	my @frozen = map { [ $_, $_->freeze_process('walreceiver') ] } grep { $_ != $node } $t->nodes;

	$node->safe_psql('postgres', q{CREATE TABLE own AS SELECT i, repeat('x', 300) t FROM generate_series(1, 40000) i});
	$node->kill_hard('all');
	$_->[0]->thaw_process($_->[1]) foreach @frozen;
	return;
}

# Kill it when its data are out of place, or else when the rewind is over.
sub kill_rewinding
{
	my ($node) = @_;
	my $deadline = time() + 60;
	my $is_rewound = "SELECT count(*) > 0 FROM failover_timeline WHERE step = 'rejoin' AND peer_name = '" . $node->name . "'
		AND detail ~ 'rewound' AND event_id > (SELECT max(event_id) FROM failover_history WHERE kind = 'failover')";

	until (time() > $deadline || $t->sql($is_rewound) eq 't')
	{
		# Asking takes far longer than looking.
		my $ask_at = time() + 0.5;
		FailoverTest::Lease::wait_until(time() + 0.002) until !-e $node->data_dir . '/base' || time() > $ask_at;
		last unless -e $node->data_dir . '/base';
	}
	$node->kill_hard('all');
	$node->wait_killed;
	return;
}

# ---- in good order ----

my @lost = lose_primary('clean', sub { $_[0]->stop('fast') });
$lost[0]->start;
returns_ok('clean', @lost);

# ---- with WAL of its own, killed in the middle of the rewind ----

# A rewind takes but a moment, and a kill may come too late: then once more.
my ($old, $is_met);
for (my $try = 1; !$is_met && $try <= 20; $try++)
{
	@lost = lose_primary('diverged', \&diverge);
	$old = $lost[0];
	$old->wait_killed;
	$old->start;
	kill_rewinding($old);
	$is_met = !-e $old->data_dir . '/base';
	note("try $try: killed " . ($is_met ? 'in the middle of' : 'after') . ' the rewind');
	# As a service manager does.
	$old->start;
	returns_ok('diverged', @lost);
}
ok($is_met, 'diverged: killed in the middle of the rewind');
like($old->safe_psql('postgres', 'SELECT rejoin_report FROM failover_node_status()'),
	qr/^rewound in \d+ ms: timeline \d+ forked off at \S+, \d+ bytes here are beyond that/, 'diverged: where histories part, and what is dropped, is told');
is($old->safe_psql('postgres', q{SELECT to_regclass('own') IS NULL}), 't', 'diverged: what nobody else has is gone');

# ---- with a configuration that does not start ----

@lost = lose_primary('does not start', sub { $_[0]->kill_hard('all') });
$old = $lost[0];
$old->wait_killed;
my $good = PostgreSQL::Test::Utils::slurp_file($old->data_dir . '/postgresql.conf');
$old->append_conf('postgresql.conf', "shared_buffers = 'nonsense'");
is($old->start(fail_ok => 1), 0, 'does not start: it does not');
my $named = $old->name;
ok($t->wait_for("SELECT degraded AND array_to_string(degraded_reasons, '; ') ~ '\"$named\" does not answer [(]refused' FROM failover_status('main')"),
	'does not start: the status names it for as long as that lasts');
restore($old, $good);
$old->start;
returns_ok('does not start', @lost);

# ---- with one that does not start any more when it is to become a standby ----

@lost = lose_primary('does not start again', sub { $_[0]->kill_hard('all') });
$old = $lost[0];
$old->wait_killed;
$t->sql(q{SELECT failover_pause('main')});
$good = PostgreSQL::Test::Utils::slurp_file($old->data_dir . '/postgresql.conf');
$old->start;
is($old->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 'f', 'does not start again: it comes up without a lease');
my $pid = $old->{_pid};
$old->append_conf('postgresql.conf', "shared_buffers = 'nonsense'");
$t->sql(q{SELECT failover_resume('main')});
$old->wait_gone($pid);
$old->{_pid} = undef;
$named = $old->name;
ok($t->wait_for("SELECT array_to_string(degraded_reasons, '; ') ~ '\"$named\" does not answer [(]refused' FROM failover_status('main')"),
	'does not start again: the status names it');
$t->no_failover_ok(2, 'does not start again: the group goes on');
restore($old, $good);
$old->start;
returns_ok('does not start again', @lost);

ok($writer->wait_for_more(20), 'clients write');
$writer->stop;
is($t->sql(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}), '0', 'no operation is left half done');

done_testing();

sub restore
{
	my ($node, $text) = @_;

	open(my $out, '>', $node->data_dir . '/postgresql.conf') or die "postgresql.conf: $!";
	print $out $text;
	close($out);
	return;
}
