# FailoverTest - a coordinator, a group of servers, and what tests ask of them
#
#	my $t = FailoverTest->new(standbys => 2);		# or network => 1, sync => 'ANY 1 (a, b)', ...
#	$t->start;										# registered, healthy
#	my $writer = $t->start_writer;
#	$t->node('p')->kill_hard('all');
#	ok($t->wait_for_failover('p'), 'the dead primary is replaced');
#
# Servers are called p (the first primary) and a, b, c...  Everything that was
# started is stopped at the end of the test, also when it dies half way.
# Conditions are waited for with a generous limit; nothing here waits for time.
package FailoverTest;

use strict;
use warnings;

use Carp;
use Cwd ();
use File::Basename;
use FailoverTest::Net;
use FailoverTest::Node;
use FailoverTest::Proxy;
use FailoverTest::Writer;
use POSIX ();
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes ();

my $limit = $ENV{FAILOVER_TEST_TIMEOUT} // 90;
my $current;

# Options:
#	standbys	number of them (2)
#	group		name (main)
#	network		wires between the servers can be cut: each on a host of its own, or behind proxies ('proxy': these)
#	sync		synchronous_standby_names of every server
#	slots		standbys use physical slots
#	conf		postgresql.conf lines of every data server
#	conf_of		the same by server: { a => '...' }
#	coordinator_conf	of the coordinator
#	settings	of the group: { block_period => '10s' }
#	register	by server, further arguments of failover_register: { a => 'priority => 10' }
#	clock		the coordinator's clocks can be moved, see move_clock()
#	contained	name of a server that lives in a container, as its process 1
#	library		data servers preload the library with failover.role = node, and have the extension
sub new
{
	my ($class, %options) = @_;
	my $self = bless { standbys => 2, group => 'main', %options, nodes => {} }, $class;

	$current = $self;
	if ($self->{network})
	{
		my $is_private = $self->{network} ne 'proxy' && FailoverTest::Net::available();
		$self->{net} = $is_private ? FailoverTest::Net->new : FailoverTest::Proxy->new;
	}
	$self->{coordinator} = FailoverTest::Node->new('coordinator', net => $self->{net},
		env => $self->{clock} ? $self->_clock_env : undef);
	$self->{names} = [ 'p', map { chr(ord('a') + $_) } 0 .. $self->{standbys} - 1 ];
	return $self;
}

sub coordinator { my ($self) = @_; return $self->{coordinator} }
sub net { my ($self) = @_; return $self->{net} }
sub names { my ($self) = @_; return @{ $self->{names} } }

sub node
{
	my ($self, $name) = @_;
	return $self->{nodes}{$name} // croak "no node \"$name\"";
}

sub nodes { my ($self) = @_; return map { $self->node($_) } $self->names }

# ---- clocks ----

# What makes a server see the clocks of move_clock().
sub _clock_env
{
	my ($self) = @_;

	$self->{clock_file} = PostgreSQL::Test::Utils::tempdir('clock') . '/offsets';
	$self->move_clock(0, 0);
	return { LD_PRELOAD => Cwd::abs_path(dirname(__FILE__)) . '/clock.so', FAILOVER_TEST_CLOCK => $self->{clock_file} };
}

# Let the coordinator's clock of the day, and the clocks that count from boot, be so many seconds off.
sub move_clock
{
	my ($self, $day, $boot) = @_;

	print "### Moving clocks by $day s and $boot s\n";
	# In place: the file is mapped.
	open(my $out, -e $self->{clock_file} ? '+<' : '>', $self->{clock_file}) or croak "could not open clock file: $!";
	syswrite($out, pack('q2', map { int($_ * 1e9) } $day, $boot));
	close($out);
	return;
}

# ---- setting up ----

# The coordinator, with the extension created.
sub start_coordinator
{
	my ($self) = @_;
	my $coordinator = $self->coordinator;

	$coordinator->init;
	$coordinator->use_library('coordinator');
	$coordinator->append_conf('postgresql.conf', $self->{coordinator_conf})
	  if defined $self->{coordinator_conf};
	$coordinator->start;
	$coordinator->safe_psql('postgres', 'CREATE EXTENSION failover');
	return;
}

sub _conf_for
{
	my ($self, $name) = @_;
	return join("\n", grep { defined } $self->{conf}, ($self->{conf_of} // {})->{$name});
}

# The primary and its standbys, streaming.
sub start_servers
{
	my ($self) = @_;
	my ($first, @standbys) = $self->names;
	my $primary = $self->add_node($first);

	$primary->init;
	$primary->use_library($self->{library} ? 'node' : undef);
	$primary->append_conf('postgresql.conf', "synchronous_standby_names = '$self->{sync}'")
	  if defined $self->{sync};
	$primary->append_conf('postgresql.conf', $self->_conf_for($first));
	$primary->start;
	# Local, because no standby confirms anything yet.
	$primary->safe_psql('postgres', <<'EOF');
SET synchronous_commit = local;
CREATE TABLE failover_test (writer int, id bigint, at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (writer, id));
EOF
	$primary->safe_psql('postgres', 'SET synchronous_commit = local; CREATE EXTENSION failover') if $self->{library};
	$self->add_standby($_, $primary) foreach @standbys;
	ok($self->wait_for_streaming($primary, scalar(@standbys)), 'all standbys stream');
	return;
}

sub add_node
{
	my ($self, $name) = @_;
	my $node = FailoverTest::Node->new($name, net => $self->{net}, container => $name eq ($self->{contained} // ''));

	push @{ $self->{names} }, $name unless grep { $_ eq $name } $self->names;
	return $self->{nodes}{$name} = $node;
}

# One more standby of that server, started.
sub add_standby
{
	my ($self, $name, $primary) = @_;
	my $node = $self->add_node($name);

	$primary->backup("for_$name");
	$node->init_standby($primary, "for_$name", slot => $self->{slots} ? $name : undef);
	$node->append_conf('postgresql.conf', $self->_conf_for($name));
	$primary->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('$name')")
	  if $self->{slots};
	$node->start;
	return $node;
}

sub register
{
	my ($self, $name) = @_;
	my $more = ($self->{register} // {})->{$name};

	$self->sql("SELECT failover_register('$self->{group}', '$name', '"
		  . $self->node($name)->conninfo . '\'' . (defined $more ? ", $more" : '') . ')');
	return;
}

# Everything: servers, coordinator, registration; returns when the group is healthy.
sub start
{
	my ($self) = @_;
	my $group = $self->{group};
	my $settings = $self->{settings} // {};

	$self->start_servers;
	$self->start_coordinator;
	$self->sql("SELECT failover_create_group('$group')");
	$self->set($_, $settings->{$_}) foreach sort keys %$settings;
	$self->register($_) foreach $self->names;
	ok($self->wait_for_state('healthy'), 'the group is healthy') or BAIL_OUT('no healthy group to test with');
	return $self;
}

sub set
{
	my ($self, $name, $value) = @_;

	$self->sql("SELECT failover_set('$self->{group}', '$name', '$value')");
	return;
}

# ---- asking the coordinator ----

sub sql
{
	my ($self, $query) = @_;
	return $self->coordinator->safe_psql('postgres', $query);
}

# (exit status, output, standard error) of a query that may fail, with the SQLSTATE in the error.
sub try_sql
{
	my ($self, $query, @more) = @_;
	return $self->coordinator->psql('postgres', "\\set VERBOSITY verbose\n$query", @more);
}

# Columns of the group's row in failover_status.
sub status
{
	my ($self, $columns) = @_;
	return $self->sql("SELECT $columns FROM failover_status('$self->{group}')");
}

# Poll until the query on the node gives the expected answer; false, with the
# last answer in the log, when the limit has passed.
sub wait_for_sql
{
	my ($self, $node, $query, $expected, $timeout) = @_;
	my $begin = Time::HiRes::time();
	my $deadline = $begin + ($timeout // $limit);
	my $answer;

	$expected //= 't';
	for (;;)
	{
		$answer = $node->ask($query);
		return 1 if defined $answer && (ref $expected ? $answer =~ $expected : $answer eq $expected);
		last if Time::HiRes::time() > $deadline;
		FailoverTest::Node::pause_between($begin);
	}
	diag("waited in vain on \"" . $node->name . "\" for: $query\nexpected: $expected\nlast answer: " . ($answer // '(none)'));
	$self->show_state;
	return 0;
}

# The same on the coordinator.
sub wait_for
{
	my ($self, $query, $expected, $timeout) = @_;
	return $self->wait_for_sql($self->coordinator, $query, $expected, $timeout);
}

sub wait_for_state
{
	my ($self, $state, $timeout) = @_;
	return $self->wait_for("SELECT state FROM failover_status('$self->{group}')", $state, $timeout);
}

# Another peer than that one is the group's primary, and the operation that made it so has ended.
sub wait_for_failover
{
	my ($self, $from, $timeout) = @_;
	return $self->wait_for(<<"EOF", 't', $timeout);
SELECT status = 'completed' FROM failover_history
WHERE group_name = '$self->{group}' AND kind = 'failover' AND from_peer = '$from'
ORDER BY event_id DESC LIMIT 1
EOF
}

# So many standbys stream from the server.
sub wait_for_streaming
{
	my ($self, $primary, $n) = @_;
	return $self->wait_for_sql($primary,
		q{SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'}, $n);
}

# The standby streams from that server, on its timeline.
sub wait_for_following
{
	my ($self, $standby, $primary) = @_;
	my (undef, $port) = $primary->endpoint('coordinator');
	my $timeline = $primary->timeline;

	return $self->wait_for_sql($standby, <<"EOF");
SELECT status = 'streaming' AND sender_port = $port AND received_tli = $timeline FROM pg_stat_wal_receiver
EOF
}

# Names of the servers that answer and take writes: out of recovery, and not fenced.
sub primaries
{
	my ($self) = @_;
	my @primaries;

	foreach my $node ($self->nodes)
	{
		next unless defined $node->{_pid} && !$node->{fo_frozen};
		my $answer = $node->ask(q{SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'}) // '';
		push @primaries, $node->name if $answer eq 't';
	}
	return @primaries;
}

# One server takes writes, and it is the one that the coordinator says.
sub one_primary_ok
{
	my ($self, $what) = @_;
	my $primary = $self->status('primary_peer');

	is(join(' ', $self->primaries), $primary, $what // "exactly one primary, the one that failover_status names");
	return $primary;
}

# The coordinator has looked often enough and done nothing.
sub no_failover_ok
{
	my ($self, $checks, $what) = @_;
	my $before = $self->sql("SELECT count(*) FROM failover_history WHERE group_name = '$self->{group}'");

	$self->wait_for_checks($checks) or return fail($what);
	return is($self->sql("SELECT count(*) FROM failover_history WHERE group_name = '$self->{group}'"), $before, $what);
}

# What the dry run says now.
sub verdict
{
	my ($self) = @_;
	return $self->sql("SELECT verdict FROM failover_evaluate('$self->{group}')");
}

# Wait for a verdict whose reason matches (a regular expression of PostgreSQL).
sub wait_for_verdict
{
	my ($self, $verdict, $reason, $timeout) = @_;
	return $self->wait_for(
		"SELECT verdict = '$verdict' AND reason ~* '$reason' FROM failover_evaluate('$self->{group}')", 't', $timeout);
}

# The server waits for one of those standbys, and all that was acknowledged before has been confirmed by them.
sub sync_set_ok
{
	my ($self, $name, @standbys) = @_;
	my $set = 'ANY 1 (' . join(', ', map { qq{"$_"} } sort @standbys) . ')';

	return ok($self->wait_for_sql($self->node($name), 'SHOW synchronous_standby_names', $set), "the set of $name is $set")
	  && ok($self->wait_for(q{SELECT sync_names = sync_before FROM failover_group_state}), 'and settled');
}

# Number of operations of that kind so far.
sub count_operations
{
	my ($self, $kind) = @_;
	return $self->sql("SELECT count(*) FROM failover_history WHERE group_name = '$self->{group}' AND kind = '$kind'");
}

# The coordinator has completed so many more checks of every peer: a length of
# time in the product's own terms, for "nothing happens" tests.
sub wait_for_checks
{
	my ($self, $n) = @_;
	my $query = q{SELECT sum(value) FROM failover_metrics() WHERE name = 'failover_checks_total'};
	my $before = $self->sql($query);
	my $peers = $self->sql("SELECT count(*) FROM failover_peers WHERE group_name = '$self->{group}'");

	return $self->wait_for("SELECT ($query) >= " . ($before + $n * $peers));
}

# For the log of a test that waited in vain.
sub show_state
{
	my ($self) = @_;

	foreach my $query (
		'SELECT * FROM failover_status()',
		'SELECT peer_name, role, health, timeline, lsn, replication_state, promotion_eligible, ineligible_reason, error_class, last_error FROM failover_health()',
		"SELECT * FROM failover_evaluate('$self->{group}')",
		'SELECT event_id, kind, from_peer, to_peer, status, error FROM failover_history LIMIT 5',
		'SELECT * FROM (SELECT event_id, step_no, step, peer_name, status, duration_ms, detail FROM failover_timeline ORDER BY event_id DESC, step_no DESC LIMIT 20) t ORDER BY event_id, step_no',
		'SELECT at, peer_name, kind, severity, message FROM (SELECT * FROM failover_events ORDER BY event_id DESC LIMIT 15) e ORDER BY event_id')
	{
		my ($status, $out, $error) = $self->coordinator->psql('postgres', $query,
			extra_params => [ '-x', '--no-align', '-P', 'tuples_only=off' ], timeout => 20, timed_out => \my $late);
		print "---- $query\n", $out // '', $error // '', "\n";
	}
	return;
}

# ---- clients ----

# Writers on all servers; see FailoverTest::Writer.  Returns when they write.
sub start_writer
{
	my ($self, %options) = @_;
	my $writer = FailoverTest::Writer->start([ $self->nodes ], %options);

	$writer->wait_for_more(20) or croak 'the writers do not write';
	return $writer;
}

# Acknowledged rows that the server lacks are admitted by the history of a failover
# (of whichever coordinator): where replication is asynchronous, what had not left a
# host when it died is gone.
sub losses_admitted_ok
{
	my ($self, $writer, $node, @coordinators) = @_;
	my @lost = $writer->lost_rows($node);
	my $admitted = 0;

	$admitted += $_->safe_psql('postgres', q{SELECT count(*) FROM failover_history WHERE kind = 'failover' AND lost_bytes IS DISTINCT FROM 0})
	  foreach @coordinators ? @coordinators : $self->coordinator;
	return ok(@lost == 0 || $admitted > 0, 'no acknowledged row is lost that is not admitted (' . @lost . ' rows)');
}

# The same, of one old primary that had the library and is a standby by now: it has counted what it gave up.
sub losses_counted_ok
{
	my ($self, $writer, $node) = @_;
	my @lost = $writer->lost_rows($node);

	return ok(@lost == 0 || $self->wait_for(q{SELECT coalesce(bool_or(lost_bytes > 0), false) FROM failover_history WHERE kind = 'failover'}),
		'no acknowledged row is lost that is not counted (' . @lost . ' rows)');
}

# ---- the end ----

# The harness stops the servers; what would keep it from that goes first.
sub clean_up
{
	FailoverTest::Writer::stop_all();
	FailoverTest::Node::thaw_all();
	return unless defined $current;
	foreach my $node ($current->coordinator, values %{ $current->{nodes} })
	{
		$node->find_process;
		next unless defined $node->{_pid};
		# Immediate: a fast stop of a primary may wait for a standby for ever.
		$node->stop('immediate', fail_ok => 1);
	}
	$current->net->stop if defined $current->net;
	return;
}

$SIG{INT} = $SIG{TERM} = sub { die "stopped by a signal\n" };

END
{
	# The exit status of the test, which stopping servers would change.
	my $status = $?;
	eval { clean_up(); 1 } or print "clean-up failed: $@";
	$? = $status;
}

1;
