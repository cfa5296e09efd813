# Drill: users without the privilege, callers in parallel, odd names, nonsense.
# Refused with the right error and nothing half done, or served.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(standbys => 1)->start;
my $coordinator = $t->coordinator;

# refused_ok(SQLSTATE, query, words of the message, what): as that user, if one is given
sub refused_ok
{
	my ($sqlstate, $query, $words, $what, $user) = @_;
	my ($status, undef, $error) = $t->try_sql($query, $user ? (extra_params => [ '-U', $user ]) : ());

	isnt($status, 0, "$what: refused");
	like($error, qr/ERROR:  $sqlstate: .*$words/s, "$what: $sqlstate, and said clearly");
	return;
}

# Who may do what.
$t->sql(q{CREATE ROLE reader LOGIN IN ROLE pg_monitor; CREATE ROLE nobody LOGIN});
foreach my $query (
	q{SELECT failover_trigger('main')}, q{SELECT failover_register('main', 'x', 'host=127.0.0.1')},
	q{SELECT failover_unregister('main', 'a')}, q{SELECT failover_create_group('x')}, q{SELECT failover_drop_group('main', true)},
	q{SELECT failover_set('main', 'block_period', '1s')}, q{SELECT failover_reset('main', 'block_period')},
	q{SELECT failover_pause('main')}, q{SELECT failover_resume('main')}, q{SELECT failover_acknowledge('main')},
	q{SELECT failover_set_maintenance('main', 'a', true)}, q{SELECT failover_alter_peer('main', 'a', priority => 1)},
	q{DELETE FROM failover_group}, q{DELETE FROM failover_operation})
{
	refused_ok('42501', $query, 'permission denied', "$query by pg_monitor", 'reader');
}
foreach my $query (
	q{SELECT * FROM failover_status()}, q{SELECT * FROM failover_health()}, q{SELECT * FROM failover_events},
	q{SELECT * FROM failover_peers}, q{SELECT * FROM failover_evaluate('main')}, q{SELECT * FROM failover_history})
{
	is($coordinator->psql('postgres', $query, extra_params => [ '-U', 'reader' ], stdout => \my $out), 0, "$query by pg_monitor");
	refused_ok('42501', $query, 'permission denied', "$query by nobody", 'nobody');
}

# Nonsense.
my @nonsense = (
	[ '42704', q{SELECT failover_trigger('no such')}, 'no such', 'unknown group' ],
	[ '42704', q{SELECT failover_trigger('main', 'no such')}, 'no such', 'unknown peer' ],
	[ '42704', q{SELECT failover_unregister('main', 'no such')}, 'no such', 'unknown peer to unregister' ],
	[ '42710', q{SELECT failover_create_group('main')}, 'main', 'duplicate group' ],
	[ '42710', q{SELECT failover_register('main', 'p', 'host=127.0.0.1')}, '"p"', 'duplicate peer' ],
	[ '22023', q{SELECT failover_set('main', 'check_interval', 'soon')}, 'check_interval', 'a setting that is no duration' ],
	[ '22023', q{SELECT failover_set('main', 'check_interval', '-1s')}, 'check_interval', 'a setting out of range' ],
	[ '22023', q{SELECT failover_set('main', 'strategy', 'astrology')}, 'strategy.*HINT.*priority', 'a word that is none, with the allowed ones' ],
	[ '22023', q{SELECT failover_register('main', 'x', 'nonsense')}, '', 'a conninfo that is none' ],
	[ '22023', q{SELECT failover_register('main', 'x', 'host=h options=-cfoo')}, 'options', 'a conninfo keyword that is not allowed' ],
	[ '22023', q{SELECT failover_create_group('')}, '', 'an empty name' ],
	[ '22023', q{SELECT failover_create_group('x', 'sideways')}, 'sideways', 'an unknown kind' ],
	[ '55000', q{SELECT failover_unregister('main', 'p')}, 'primary', 'unregistering the primary' ],
	[ '55000', q{SELECT failover_drop_group('main')}, '', 'dropping a group that has peers' ],
);
refused_ok(@$_) foreach @nonsense;

# Names that are allowed: as long as a name can be, with quotes, in any script.
foreach my $name ('x' x 63, q{it's "quoted"; --}, "gr\x{c3}\x{bc}\x{c3}\x{9f}e \x{e2}\x{98}\x{83}")
{
	my $literal = q{'} . ($name =~ s/'/''/gr) . q{'};
	$t->sql("SELECT failover_register($literal, $literal, 'host=127.0.0.1 port=1 dbname=postgres')");
	ok($t->wait_for("SELECT error_class = 'refused' FROM failover_health($literal, $literal)"), "a peer called $name is checked");
	is($t->sql("SELECT group_name = $literal FROM failover_status($literal)"), 't', 'and shown');
	$t->sql("SELECT failover_drop_group($literal, true)");
}
my $after = $t->sql('SELECT count(*) FROM failover_peers');
is($after, '2', 'nothing half done is left');

# In parallel: everyone is answered, one operation at a time.
my @callers = map { $coordinator->background_psql('postgres', on_error_stop => 0) } 1 .. 8;
$_->query_until(qr/started/, "\\echo started\nSELECT count(*) FROM failover_check_health('main');\nSELECT failover_trigger('main', wait => true);\n\\echo ended\n") foreach @callers;
foreach my $caller (@callers)
{
	IPC::Run::pump($caller->{run}) until $caller->{stdout} =~ /ended/ || !$caller->{run}->pumpable;
}
$_->quit foreach @callers;
is($t->sql(q{SELECT count(*) FROM failover_history WHERE status = 'in_progress'}), '0', 'callers in parallel leave nothing open');
is( $t->sql(q{SELECT count(*) FROM failover_history a JOIN failover_history b
	ON a.event_id < b.event_id AND a.group_name = b.group_name AND b.started_at < a.finished_at}),
	'0', 'operations of one group never overlap');
$t->one_primary_ok;

# Hold on request.
$t->sql(q{SELECT failover_pause('main', reason => 'drill')});
is($t->status('blocked_by, paused_until IS NOT NULL'), 'pause|t', 'a paused group says so');
$t->sql(q{SELECT failover_resume('main', reason => 'drill')});
is($t->status('blocked_by IS DISTINCT FROM \'pause\''), 't', 'a resumed one too');

done_testing();
