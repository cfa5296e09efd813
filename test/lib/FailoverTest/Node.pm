# FailoverTest::Node - a server that can be mistreated
#
# A PostgreSQL::Test::Cluster that also listens on TCP (the failures of TCP are
# what this extension is about), may live on a host of its own
# (FailoverTest::Net), and can be killed and frozen, its postmaster alone or
# every process of it.  SQL from the test goes through the unix socket, which no
# cut wire concerns.  With container => 1 its postmaster is process 1 of a process
# namespace, as in a container.
package FailoverTest::Node;

use strict;
use warnings;

use parent 'PostgreSQL::Test::Cluster';

use Carp;
use POSIX ();
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes ();

# SQL of the test itself is no client's, whom a server may send on (src/node/clients.c).
$ENV{PGAPPNAME} = 'failover test';

# Processes that were stopped and must run again before anything can be shut down.
my %frozen;

sub new
{
	my ($class, $name, %params) = @_;
	my $net = delete $params{net};
	my $env = delete $params{env};
	my $container = delete $params{container};
	my $self = $class->SUPER::new($name, %params);

	$self->{fo_net} = $net;
	$self->{fo_is_contained} = $container;
	$self->{fo_env} = $env // {};
	$self->{fo_address} = defined $net ? $net->add_host($name) : '127.0.0.1';
	return $self;
}

sub address { my ($self) = @_; return $self->{fo_address} }

# Host and port at which it is reached by the server called from, or by clients.
sub endpoint
{
	my ($self, $from) = @_;

	return ($self->address, $self->port) unless defined $from && defined $self->{fo_net};
	return $self->{fo_net}->wire($from, $self->name, $self->port);
}

# How the coordinator reaches it.
sub conninfo
{
	my ($self) = @_;
	my ($host, $port) = $self->endpoint('coordinator');
	my $user = getpwuid($<);

	return "host=$host port=$port user=$user dbname=postgres";
}

# As every server here is set up; defaults of PostgreSQL where the harness has
# others that would make life easier for the coordinator.
sub common_conf
{
	my ($self) = @_;
	my $listen = defined $self->{fo_net} ? $self->{fo_net}->listen_addresses : '127.0.0.1';

	return <<"EOF";
listen_addresses = '$listen'
port = @{[ $self->port ]}
wal_level = replica
max_wal_senders = 10
max_replication_slots = 10
wal_log_hints = on
shared_buffers = 8MB
max_wal_size = 256MB
max_connections = 60
restart_after_crash = on
wal_retrieve_retry_interval = 5s
log_statement = ddl
log_min_messages = log
EOF
}

sub init
{
	my ($self, %params) = @_;

	$self->SUPER::init(%params,
		extra => [ '-E', 'UTF8', '--no-locale', @{ $params{extra} // [] } ]);
	$self->append_conf('postgresql.conf', $self->common_conf);
	$self->append_conf('pg_hba.conf',
		"host all all 10.77.0.0/16 trust\nhost replication all 10.77.0.0/16 trust");
	return;
}

# Other rules in the place of the ones in its pg_hba.conf, in force with this.
sub set_hba
{
	my ($self, $rules) = @_;

	unlink($self->data_dir . '/pg_hba.conf');
	$self->append_conf('pg_hba.conf', $rules);
	$self->reload;
	return;
}

# The library and the extension's scripts, from the stage if there is one.
sub use_library
{
	my ($self, $role) = @_;
	my $conf = $ENV{FAILOVER_STAGE_CONF};

	$self->append_conf('postgresql.conf', PostgreSQL::Test::Utils::slurp_file($conf)) if $conf;
	$self->append_conf('postgresql.conf', "shared_preload_libraries = 'failover'\nfailover.role = $role")
	  if defined $role;
	return;
}

# Become a standby of that server (not started yet).
sub init_standby
{
	my ($self, $primary, $backup, %params) = @_;
	my ($host, $port) = $primary->endpoint($self->name);
	my $user = getpwuid($<);

	$self->init_from_backup($primary, $backup);
	$self->append_conf('postgresql.conf', $self->common_conf);
	# Where pg_basebackup -R writes it: the backup has what the coordinator has set there on its source.
	$self->append_conf('postgresql.auto.conf',
		"primary_conninfo = 'host=$host port=$port user=$user application_name=" . $self->name . "'");
	$self->append_conf('postgresql.auto.conf', "primary_slot_name = '" . ($params{slot} // '') . "'");
	$self->append_conf('standby.signal', '');
	return;
}

# Run pg_ctl on the server's own host.
sub _pg_ctl
{
	my ($self, @words) = @_;
	my @enter = defined $self->{fo_net} ? $self->{fo_net}->enter($self->name) : ();

	# PGAPPNAME would become the walreceiver's name.
	local %ENV = $self->_get_env(PGAPPNAME => undef, %{ $self->{fo_env} });
	return PostgreSQL::Test::Utils::system_log(@enter, 'pg_ctl', '-D', $self->data_dir, @words);
}

# As the parent's, but on the server's own host.  fail_ok: return false instead of giving up.
sub start
{
	my ($self, %params) = @_;
	my $name = $self->name;

	BAIL_OUT("node \"$name\" is already running") if defined $self->{_pid};
	return $self->_start_container if $self->{fo_is_contained};
	print "### Starting node \"$name\"\n";
	if ($self->_pg_ctl('-w', '-l', $self->logfile, '-o', "--cluster-name=$name", 'start') != 0)
	{
		$self->_update_pid(-1);
		return 0 if $params{fail_ok};
		print PostgreSQL::Test::Utils::slurp_file($self->logfile);
		BAIL_OUT("could not start node \"$name\"");
	}
	$self->_update_pid(1);
	return 1;
}

sub restart
{
	my ($self) = @_;

	$self->stop('fast');
	return $self->start;
}

sub stop
{
	my ($self, $mode, %params) = @_;

	return $self->SUPER::stop($mode, %params) unless $self->{fo_is_contained};
	return 1 unless defined $self->{_pid};
	print '### Stopping the container of node "' . $self->name . "\"\n";
	kill(($mode // 'fast') eq 'immediate' ? 'QUIT' : 'INT', $self->{_pid});
	return $self->wait_container == 0;
}

# ---- containers ----

# Can process namespaces be had here?
sub can_contain
{
	return system('unshare --pid --fork --mount-proc true 2>/dev/null') == 0;
}

# The postmaster as process 1 of a process namespace.  It ends with the test, however that happens.
sub _start_container
{
	my ($self) = @_;
	my $name = $self->name;
	my @enter = defined $self->{fo_net} ? $self->{fo_net}->enter($name) : ();
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;
	my ($runtime, $pid);

	print "### Starting node \"$name\" in a container\n";
	$runtime = fork() // croak "could not fork: $!";
	if ($runtime == 0)
	{
		local %ENV = $self->_get_env(PGAPPNAME => undef, %{ $self->{fo_env} });
		open(STDERR, '>>', $self->logfile);
		open(STDOUT, '>&', \*STDERR);
		open(STDIN, '<', '/dev/null');
		exec(@enter, qw(setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount-proc),
			'postgres', '-D', $self->data_dir, "--cluster-name=$name") or POSIX::_exit(127);
	}
	$self->{fo_container} = $runtime;
	until (defined $pid && defined $self->ask('SELECT 1'))
	{
		BAIL_OUT("could not start node \"$name\" in a container")
		  if waitpid($runtime, POSIX::WNOHANG()) != 0 || Time::HiRes::time() > $deadline;
		($pid) = _children($runtime);
		Time::HiRes::sleep(0.02);
	}
	$self->{_pid} = $pid;
	return 1;
}

# Wait until the container has ended; its exit status.
sub wait_container
{
	my ($self) = @_;

	waitpid(delete $self->{fo_container}, 0);
	$self->{_pid} = undef;
	return $? >> 8;
}

# Which process it is, beyond its number: the time at which the kernel started it.
sub process_identity
{
	my ($self) = @_;
	my ($pid) = $self->pids('postmaster');
	my $stat = PostgreSQL::Test::Utils::slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr;

	return "$pid, started at " . (split(/ /, $stat))[19];
}

# ---- processes ----

# The processes whose parent is pid, as the kernel has them now.
sub _children
{
	my ($pid) = @_;
	my @children;

	foreach my $stat (glob('/proc/[0-9]*/stat'))
	{
		open(my $in, '<', $stat) or next;
		my $line = <$in> // next;
		# The second field, the command, may hold anything, blanks and parentheses too.
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S (\d+)/s && $2 == $pid;
	}
	return @children;
}

# The postmaster first, then (for 'all') every other process of the server.
sub pids
{
	my ($self, $which) = @_;
	my $pid = $self->{_pid} // croak 'node "' . $self->name . '" is not running';

	return $which eq 'all' ? ($pid, _children($pid)) : ($pid);
}

# Wait until none of the processes is left, not even as a zombie: a new
# postmaster refuses to start while the kernel still knows the old one's pid.
sub wait_gone
{
	my ($self, @pids) = @_;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;

	while (grep { defined $_ && -e "/proc/$_" } @pids)
	{
		croak "processes @pids do not go away" if Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.01);
	}
	return;
}

# SIGKILL, without a word to anybody: the 'postmaster' alone, or 'all' processes
# at one moment.  Returns the time at which it was done.
sub kill_hard
{
	my ($self, $which) = @_;
	my ($postmaster) = $self->pids('postmaster');
	my ($at, @pids);

	# A stopped postmaster cannot fork what would be missing from the list.
	kill('STOP', $postmaster);
	@pids = $self->pids('all');
	print '### Killing ' . $self->name . " ($which)\n";
	$at = Time::HiRes::time();
	kill('KILL', $which eq 'all' ? @pids : $postmaster);
	# Children that were frozen outlive their postmaster until they are thawed.
	if ($which eq 'all')
	{
		delete $frozen{$_} foreach @pids;
		delete $self->{fo_frozen};
	}
	$self->{_pid} = undef;
	$self->{fo_killed} = \@pids;
	return $at;
}

# After kill_hard(): all of it is gone, and it may be started again.
sub wait_killed
{
	my ($self) = @_;

	$self->wait_container if defined $self->{fo_container};
	$self->wait_gone(@{ delete $self->{fo_killed} // [] });
	return;
}

# SIGSTOP and SIGCONT of the 'postmaster' or of 'all'.
sub freeze
{
	my ($self, $which) = @_;
	my @pids;

	print '### Freezing ' . $self->name . " ($which)\n";
	kill('STOP', $self->pids('postmaster'));
	@pids = $self->pids($which);
	kill('STOP', @pids);
	$frozen{$_} = 1 foreach @pids;
	$self->{fo_frozen} = \@pids;
	return Time::HiRes::time();
}

sub thaw
{
	my ($self) = @_;
	my @pids = @{ delete $self->{fo_frozen} // [] };

	print '### Thawing ' . $self->name . "\n";
	# The postmaster last: it must not see its children in disorder.
	kill('CONT', reverse @pids);
	delete $frozen{$_} foreach @pids;
	return;
}

# The title that a process shows, without "postgres: <cluster_name>: ".
sub _title
{
	my ($self, $pid) = @_;
	my $name = $self->name;

	open(my $in, '<', "/proc/$pid/cmdline") or return '';
	return join('', <$in>) =~ s/^postgres: (?:$name: )?//r;
}

# SIGSTOP one process, by the beginning of its title ('startup', 'walreceiver', 'failover node'...).
sub freeze_process
{
	my ($self, $type) = @_;
	my ($pid, @more) = grep { $self->_title($_) =~ /^\Q$type\E\b/ } _children($self->pids('postmaster'));

	croak defined $pid ? "more than one $type process" : "no $type process" if !defined $pid || @more;
	print '### Freezing the ' . $type . ' process of ' . $self->name . "\n";
	kill('STOP', $pid);
	$frozen{$pid} = 1;
	return $pid;
}

sub thaw_process
{
	my ($self, $pid) = @_;

	kill('CONT', $pid);
	delete $frozen{$pid};
	return;
}

# Find the server's process anew, whatever became of the one that was started:
# at the end of a test it may be gone, or have been started by somebody else.
sub find_process
{
	my ($self) = @_;
	my ($pid, $command);

	if ($self->{fo_is_contained})
	{
		$self->{_pid} = undef unless defined $self->{fo_container};
		return;
	}
	$self->{_pid} = undef;
	if (open(my $in, '<', $self->data_dir . '/postmaster.pid'))
	{
		($pid) = (<$in> // '') =~ /^(\d+)$/;
	}
	return unless defined $pid && open(my $in, '<', "/proc/$pid/cmdline");
	# A pid file may be older than the process that has the number now.
	$command = join('', <$in>);
	$self->{_pid} = $pid if index($command, $self->data_dir) >= 0;
	return;
}

sub thaw_all
{
	kill('CONT', keys %frozen) if %frozen;
	%frozen = ();
	return;
}

# ---- SQL ----

# The answer, or undef if the server cannot be asked.
sub ask
{
	my ($self, $query) = @_;

	# psql may end before it was told everything.
	local $SIG{PIPE} = 'IGNORE';
	my ($status, $out) = eval { $self->psql('postgres', $query, timeout => 20, timed_out => \my $late) };

	return defined $status && $status == 0 ? $out : undef;
}

# Between two questions in a row that began then: what takes long need not be asked for as often, each time is a client and a session.
sub pause_between
{
	my ($begin) = @_;
	my $waited = Time::HiRes::time() - $begin;

	Time::HiRes::sleep($waited < 2 ? 0.05 : $waited < 10 ? 0.15 : 0.4);
	return;
}

# Call until it returns true; false when the limit has passed.
sub until_true
{
	my ($condition) = @_;
	my $begin = Time::HiRes::time();

	until ($condition->())
	{
		return 0 if Time::HiRes::time() > $begin + $PostgreSQL::Test::Utils::timeout_default;
		pause_between($begin);
	}
	return 1;
}

# Ask until the answer is that one; the server may be away meanwhile.
sub ask_until
{
	my ($self, $query, $wanted) = @_;
	return until_true(sub { ($self->ask($query) // '') eq $wanted });
}

# A command of the shell that the server runs in the moment before its gate closes; WAL is written then that nobody had before.
sub run_at_fence
{
	my ($self, $command) = @_;
	return $self->run_at('fence', $command);
}

# The same in the moment before failover_node_<what>() does what the coordinator calls it for.
sub run_at
{
	my ($self, $what, $command) = @_;

	$self->safe_psql('postgres', <<"EOF");
CREATE OR REPLACE FUNCTION before_$what() RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; $command'; PERFORM pg_switch_wal(); END \$\$;
EOF
	return $self->wrap_node_function($what, "SELECT public.before_$what(); SELECT * FROM ITSELF");
}

# Put SQL in the place of failover_node_<what>(), where ITSELF is a call of that with the same arguments.  Done once: later calls change nothing.
sub wrap_node_function
{
	my ($self, $what, $body) = @_;

	$self->safe_psql('postgres', <<"EOF");
DO \$do\$
DECLARE node pg_proc; arguments text; result text; itself text;
BEGIN
  SELECT * INTO node FROM pg_proc WHERE proname = 'failover_node_$what' AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c');
  IF NOT FOUND THEN RETURN; END IF;
  arguments := pg_get_function_arguments(node.oid);
  result := pg_get_function_result(node.oid);
  itself := format('public.${what}_itself(%s)', (SELECT string_agg('\$' || i, ', ' ORDER BY i) FROM generate_series(1, node.pronargs) i));
  EXECUTE format('CREATE FUNCTION ${what}_itself(%s) RETURNS %s LANGUAGE C AS %L, %L', arguments, result, node.probin, node.prosrc);
  EXECUTE format('CREATE OR REPLACE FUNCTION failover_node_$what(%s) RETURNS %s LANGUAGE sql AS %L', arguments, result, replace(\$body\$$body\$body\$, 'ITSELF', itself));
END \$do\$;
EOF
	return;
}

# The timeline that it writes, as a primary.
sub timeline
{
	my ($self) = @_;
	return $self->safe_psql('postgres', q{SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int});
}

# Does it stream from that server, on its timeline, and has caught up?
sub streams_from
{
	my ($self, $primary) = @_;
	my $timeline = $primary->timeline;

	$self->ask_until(
		"SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming' AND received_tli = $timeline", '1')
	  or return 0;
	$primary->wait_for_catchup($self->name);
	return 1;
}

# As a service manager does: start it, and do not wait for what comes of it.  What ends at once may have no pid any more.
sub start_in_background
{
	my ($self) = @_;
	my $file = $self->data_dir . '/postmaster.pid';
	my $logged = -s $self->logfile;
	my $pid;

	# A lock file of the dead is taken over; but not an empty one, which somebody left who died while he wrote it.
	unlink $file;
	unlink grep { -z } $self->host . '/.s.PGSQL.' . $self->port . '.lock';
	$self->_pg_ctl('-W', '-l', $self->logfile, '-o', '--cluster-name=' . $self->name, 'start');
	until_true(sub {
			if (open(my $in, '<', $file)) { $pid = <$in> }
			return $pid || PostgreSQL::Test::Utils::slurp_file($self->logfile, $logged) =~ /database system is shut down/;
		});
	chomp($pid) if defined $pid;
	$self->{_pid} = $pid;
	return;
}

# Everything the server has logged that matches.
sub logged
{
	my ($self, $pattern) = @_;

	return grep { $_ =~ $pattern } split(/\n/, PostgreSQL::Test::Utils::slurp_file($self->logfile));
}

# Wait until it has logged that, so many times (once).
sub comes_to_log
{
	my ($self, $pattern, $times) = @_;
	return until_true(sub { scalar(my @lines = $self->logged($pattern)) >= ($times // 1) });
}

1;
