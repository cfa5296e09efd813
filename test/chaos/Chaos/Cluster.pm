# Chaos::Cluster - real servers, a service manager for them, and what can be done to them
#
# Drives a FailoverTest: time passes in tick(), which starts servers that are
# down (as a service manager would: knowing nothing but that the process is
# gone), and runs what was put off.  Nothing in here waits, but for
# run_until().  The service manager is the parent of what it starts.
#
# Servers are called by name; the coordinator is one of them.
package Chaos::Cluster;

use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(time);

# Seconds after which a server that ended by itself is started again.
use constant MANAGER_DELAY => 0.5;

# Seconds after which a stop is given up: one that comes while a server restarts in place to become a standby is lost.
use constant STOP_LIMIT => 15;

sub new
{
	my ($class, $t, %options) = @_;
	my $self = bless {
		t => $t,
		tell => $options{tell},
		started_at => time(),
		servers => { map { $_->name => $_ } $t->coordinator, $t->nodes },
		pid => {},			# of each postmaster that runs
		copies => {},		# who was let to copy the primary
		due => {},			# when a server that is down is to be started
		queue => [],		# what was put off: { when, unless, then }
		cuts => {},			# by fault: { "from to" => how }
		requests => {},		# psql by pid
		exits => 0,			# servers that ended by themselves
	}, $class;

	$self->{pid}{$_} = $self->{servers}{$_}{_pid} foreach keys %{ $self->{servers} };
	return $self;
}

sub server { my ($self, $name) = @_; return $self->{servers}{$name} }
sub data_servers { my ($self) = @_; return grep { $_ ne 'coordinator' } sort keys %{ $self->{servers} } }
sub tell { my ($self, @words) = @_; return $self->{tell}->(join('', @words)) }

# ---- time ----

sub after
{
	my ($self, $seconds, $then) = @_;

	push @{ $self->{queue} }, { at => time() + $seconds, then => $then };
	return;
}

# As soon as the condition holds, or (with the argument 0) after so many seconds.
sub when
{
	my ($self, $condition, $seconds, $then) = @_;

	push @{ $self->{queue} }, { at => time() + $seconds, condition => $condition, then => $then };
	return;
}

sub _run_queue
{
	my ($self) = @_;
	my @queue = @{ $self->{queue} };
	my @later;

	$self->{queue} = [];
	foreach my $entry (@queue)
	{
		my $is_so = defined $entry->{condition} && $entry->{condition}->();
		if ($is_so || time() >= $entry->{at}) { $entry->{then}->($is_so ? 1 : 0) }
		else { push @later, $entry }
	}
	unshift @{ $self->{queue} }, @later;
	return;
}

sub tick
{
	my ($self) = @_;

	$self->_reap;
	$self->_start_due;
	$self->_run_queue;
	return;
}

# Let time pass until the condition holds: true; false after so many seconds.
sub run_until
{
	my ($self, $condition, $seconds) = @_;
	my $deadline = time() + $seconds;

	for (;;)
	{
		$self->tick;
		return 1 if $condition->();
		return 0 if time() > $deadline;
		Time::HiRes::sleep(0.01);
	}
}

# ---- the service manager ----

# Has that process ended?  Not before the kernel has forgotten it.
sub _has_ended
{
	my ($pid) = @_;

	waitpid($pid, POSIX::WNOHANG());
	return !-e "/proc/$pid";
}

sub _reap
{
	my ($self) = @_;

	foreach my $name (sort keys %{ $self->{pid} })
	{
		next unless _has_ended($self->{pid}{$name});
		delete $self->{pid}{$name};
		$self->server($name)->{_pid} = undef;
		next if defined $self->{due}{$name};
		$self->{exits}++;
		$self->tell("$name has ended by itself");
		$self->{due}{$name} = time() + MANAGER_DELAY;
		$self->_let_copy($name);
	}
	foreach my $pid (keys %{ $self->{requests} })
	{
		next if waitpid($pid, POSIX::WNOHANG()) == 0;
		push @{ $self->{answers} }, delete $self->{requests}{$pid};
		$self->_tell_answer($self->{answers}[-1]);
	}
	return;
}

# A server whose rewind was cut off by the loss of its source may have data that no other primary can
# complete.  It says what to do, and a DBA would do it.
sub _let_copy
{
	my ($self, $name) = @_;
	my @asked = $self->server($name)->logged(qr/set failover[.]allow_clone = on there/);

	return if !@asked || $self->{copies}{$name};
	$self->{copies}{$name} = 1;
	$self->tell("$name is let to copy the primary: $asked[-1]");
	$self->server($name)->append_conf('postgresql.conf', 'failover.allow_clone = on');
	return;
}

sub _start_due
{
	my ($self) = @_;

	foreach my $name (sort keys %{ $self->{due} })
	{
		next if time() < $self->{due}{$name};
		if (defined $self->{pid}{$name})
		{
			next if time() < $self->{due}{$name} + STOP_LIMIT;
			$self->tell("$name has not stopped: it goes on");
			delete $self->{due}{$name};
			next;
		}
		delete $self->{due}{$name};
		$self->tell("$name is started");
		$self->_start($name);
	}
	return;
}

sub _start
{
	my ($self, $name) = @_;
	my $node = $self->server($name);
	my @enter = defined $node->{fo_net} ? $node->{fo_net}->enter($name) : ();
	my $pid = fork() // die "could not fork: $!\n";

	if ($pid == 0)
	{
		# PGAPPNAME would become the walreceiver's name.
		%ENV = $node->_get_env(PGAPPNAME => undef);
		POSIX::setsid();
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', $node->logfile);
		open(STDERR, '>&', \*STDOUT);
		exec(@enter, 'postgres', '-D', $node->data_dir, "--cluster-name=$name") or POSIX::_exit(127);
	}
	$self->{pid}{$name} = $node->{_pid} = $pid;
	return;
}

sub is_running
{
	my ($self, $name) = @_;
	return defined $self->{pid}{$name} && !defined $self->{due}{$name};
}

sub is_frozen
{
	my ($self, $name) = @_;
	return defined $self->server($name)->{fo_frozen};
}

# ---- who is who ----

# The server that acknowledged last, as its clients know it.
sub primary
{
	my ($self) = @_;

	foreach my $record (@{ $self->{records} })
	{
		open(my $in, '<', $record) or next;
		seek($in, -8192, 2);
		foreach my $line (reverse <$in>)
		{
			next unless $line =~ /^a \d+ \d+ (\d+) \d+ (\w+) \d+ /;
			return $self->{primary} = $2;
		}
	}
	return $self->{primary};
}

# The others, beginning with the one picked (0 to 1).
sub standbys
{
	my ($self, $pick) = @_;
	my $primary = $self->primary;
	my @standbys = grep { $_ ne $primary } $self->data_servers;

	push @standbys, shift @standbys foreach 1 .. int($pick * @standbys);
	return @standbys;
}

# ---- blows ----

# SIGKILL to the 'postmaster' or to 'all'; started again after so many seconds.
sub kill
{
	my ($self, $name, $which, $seconds) = @_;

	return 0 unless $self->is_running($name);
	$self->server($name)->kill_hard($which);
	$self->{due}{$name} = time() + $seconds;
	return 1;
}

# A stop as pg_ctl asks for it, by signal.
sub stop
{
	my ($self, $name, $signal, $seconds) = @_;

	return 0 unless $self->is_running($name);
	CORE::kill($signal, $self->{pid}{$name});
	$self->{due}{$name} = time() + $seconds;
	return 1;
}

sub freeze
{
	my ($self, $name, $which) = @_;

	return 0 if !$self->is_running($name) || $self->is_frozen($name);
	$self->server($name)->freeze($which);
	return 1;
}

sub thaw
{
	my ($self, $name) = @_;

	$self->server($name)->thaw if $self->is_frozen($name);
	return;
}

# Wires from and to the server; way: both, in or out.  A fault is the key by which they are mended.
sub cut
{
	my ($self, $fault, $name, $others, $way, $how) = @_;
	my %cut;

	foreach my $other (@$others)
	{
		$cut{"$other $name"} = $how if $way ne 'out';
		$cut{"$name $other"} = $how if $way ne 'in';
	}
	$self->{cuts}{$fault} = \%cut;
	return $self->_apply_cuts;
}

sub mend
{
	my ($self, $fault) = @_;

	delete $self->{cuts}{$fault};
	return $self->_apply_cuts;
}

sub _apply_cuts
{
	my ($self) = @_;
	my $net = $self->{t}->net;
	my %wanted = map { %$_ } values %{ $self->{cuts} };

	foreach my $wire (grep { !$wanted{$_} } sort keys %{ $self->{is_cut} })
	{
		$net->mend_one_way(split(/ /, $wire));
		delete $self->{is_cut}{$wire};
	}
	foreach my $wire (grep { !$self->{is_cut}{$_} } sort keys %wanted)
	{
		$net->cut_one_way(split(/ /, $wire), $wanted{$wire});
		$self->{is_cut}{$wire} = 1;
	}
	return;
}

# ---- asking the coordinator ----

# How long its log is now.
sub log_position
{
	my ($self) = @_;
	return -s $self->server('coordinator')->logfile;
}

# What it has logged since.
sub logged_since
{
	my ($self, $position) = @_;

	return PostgreSQL::Test::Utils::slurp_file($self->server('coordinator')->logfile, $position);
}

# Post a request in a session of its own; its answer is told when it comes.
sub request
{
	my ($self, $query) = @_;
	my $request = { query => $query, file => PostgreSQL::Test::Utils::tempdir('request') . '/answer' };
	my $pid = fork() // die "could not fork: $!\n";

	if ($pid == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>', $request->{file});
		open(STDERR, '>&', \*STDOUT);
		exec('psql', '-XqAt', '-v', 'VERBOSITY=verbose', '-d', $self->server('coordinator')->connstr('postgres'), '-c', $query)
		  or POSIX::_exit(127);
	}
	$self->{requests}{$pid} = $request;
	return;
}

sub _tell_answer
{
	my ($self, $request) = @_;
	my @lines = split(/\n/, PostgreSQL::Test::Utils::slurp_file($request->{file}));
	my ($answer) = grep { /ERROR|FATAL|could not|^\d+\|/ } @lines;

	$request->{answer} = $answer // $lines[-1] // 'no answer';
	print "### answer to $request->{query}:\n", map { "$_\n" } @lines;
	$self->tell('answer: ', $request->{answer});
	return;
}

# One query, answered now; undef if nobody answers.
sub ask
{
	my ($self, $query) = @_;

	return undef unless $self->is_running('coordinator');
	return eval { $self->server('coordinator')->ask($query) };
}

sub is_healthy
{
	my ($self) = @_;

	return ($self->ask(<<'EOF') // '') eq 't';
SELECT state = 'healthy' AND peers_healthy = peers_total AND current_event IS NULL FROM failover_status('main')
EOF
}

# Undo whatever was done.  Servers that are down are started at the next tick.
sub heal
{
	my ($self) = @_;

	$self->{queue} = [];
	$self->{cuts} = {};
	$self->_apply_cuts;
	$self->thaw($_) foreach sort keys %{ $self->{servers} };
	$_ = 0 foreach values %{ $self->{due} };
	return;
}

1;
