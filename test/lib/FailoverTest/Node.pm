# FailoverTest::Node - a server that can be mistreated
#
# A PostgreSQL::Test::Cluster that also listens on TCP (the failures of TCP are
# what this extension is about), may live on a host of its own
# (FailoverTest::Net), and can be killed and frozen, its postmaster alone or
# every process of it.  SQL from the test goes through the unix socket, which no
# cut wire concerns.
package FailoverTest::Node;

use strict;
use warnings;

use parent 'PostgreSQL::Test::Cluster';

use Carp;
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes ();

# Processes that were stopped and must run again before anything can be shut down.
my %frozen;

sub new
{
	my ($class, $name, %params) = @_;
	my $net = delete $params{net};
	my $env = delete $params{env};
	my $self = $class->SUPER::new($name, %params);

	$self->{fo_net} = $net;
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

	while (grep { -e "/proc/$_" } @pids)
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
	delete $frozen{$_} foreach @pids;
	$self->{_pid} = undef;
	$self->{fo_killed} = \@pids;
	return $at;
}

# After kill_hard(): all of it is gone, and it may be started again.
sub wait_killed
{
	my ($self) = @_;

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

# SIGSTOP one process: a backend_type of pg_stat_activity ('startup', 'walreceiver'...).
sub freeze_process
{
	my ($self, $type) = @_;
	my $pid = $self->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'");

	croak "no $type process" unless $pid =~ /^\d+$/;
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
	my ($status, $out) = $self->psql('postgres', $query, timeout => 20, timed_out => \my $late);

	return defined $status && $status == 0 ? $out : undef;
}

# Ask until the answer is that one; the server may be away meanwhile.
sub ask_until
{
	my ($self, $query, $wanted) = @_;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;

	# psql may end before it was told everything.
	local $SIG{PIPE} = 'IGNORE';
	while ((eval { $self->ask($query) } // '') ne $wanted)
	{
		return 0 if Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.02);
	}
	return 1;
}

# Everything the server has logged that matches.
sub logged
{
	my ($self, $pattern) = @_;

	return grep { $_ =~ $pattern } split(/\n/, PostgreSQL::Test::Utils::slurp_file($self->logfile));
}

1;
