# FailoverTest::Manager - a service manager, as systemd is one
#
# Runs a server as its direct child, in a process of its own, and keeps a record
# of what happened: started, ready, stopping, extend (what the server notified),
# killed (it said STOPPING=1 and did not end within the stop timeout), exited:N.
# Restarts it whenever it ended and nobody had asked for that: Restart=always.
package FailoverTest::Manager;

use strict;
use warnings;

use Carp;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Utils ();
use Socket qw(SOCK_DGRAM);
use Time::HiRes ();

use constant RESTART_PAUSE => 0.1;	# RestartSec

my %running;

my %words = ('READY=1' => 'ready', 'STOPPING=1' => 'stopping', 'EXTEND_TIMEOUT_USEC' => 'extend');

# Options: stop_timeout (seconds; TimeoutStopSec), is_notified (Type=notify, the default, or simple).
sub start
{
	my ($class, $node, %options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir_short();
	my $self = bless { stop_timeout => 10, is_notified => 1, %options, node => $node, record => "$directory/record", seen => 0 }, $class;

	PostgreSQL::Test::Utils::append_to_file($self->{record}, '');
	$self->{pid} = fork() // croak "could not fork: $!";
	if ($self->{pid} == 0)
	{
		$SIG{INT} = 'DEFAULT';
		eval { $self->_manage("$directory/notify"); 1 } or print STDERR "service manager: $@";
		POSIX::_exit(0);
	}
	$running{ $self->{pid} } = 1;
	return $self;
}

# What has happened since forget(), in words.
sub _words
{
	my ($self) = @_;
	my @all = split(/\n/, PostgreSQL::Test::Utils::slurp_file($self->{record}));

	return @all[ $self->{seen} .. $#all ];
}

# The same as one text, without what depends on time alone.
sub story
{
	my ($self) = @_;
	return join(' ', grep { $_ ne 'extend' } $self->_words);
}

sub forget
{
	my ($self) = @_;

	$self->{seen} += () = $self->_words;
	return;
}

sub wait_for
{
	my ($self, $word) = @_;
	my $deadline = Time::HiRes::time() + $PostgreSQL::Test::Utils::timeout_default;

	until (grep { $_ eq $word } $self->_words)
	{
		return 0 if Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.02);
	}
	return 1;
}

# Stop the server, and end.
sub stop
{
	my ($self) = @_;

	kill('TERM', $self->{pid});
	waitpid($self->{pid}, 0);
	delete $running{ $self->{pid} };
	return;
}

END
{
	local $?;
	foreach my $pid (keys %running)
	{
		kill('TERM', $pid);
		waitpid($pid, 0);
	}
}

# ---- in the manager's process ----

# Said twice in a row is said once: each change of a server's state repeats READY=1.
sub _note
{
	my ($self, $what) = @_;

	return if $what eq ($self->{noted} // '');
	$self->{noted} = $what;
	PostgreSQL::Test::Utils::append_to_file($self->{record}, "$what\n");
	return;
}

sub _start_server
{
	my ($self, $path) = @_;
	my $node = $self->{node};
	my $pid = fork() // die "could not fork: $!";

	if ($pid == 0)
	{
		local %ENV = $node->_get_env(PGAPPNAME => undef, NOTIFY_SOCKET => $self->{is_notified} ? $path : undef);
		$SIG{TERM} = 'DEFAULT';
		open(STDERR, '>>', $node->logfile);
		open(STDOUT, '>&', \*STDERR);
		open(STDIN, '<', '/dev/null');
		exec('setpriv', '--pdeathsig', 'KILL', 'postgres', '-D', $node->data_dir, '--cluster-name=' . $node->name)
		  or POSIX::_exit(127);
	}
	$self->_note('started');
	return $pid;
}

sub _manage
{
	my ($self, $path) = @_;
	my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "could not listen on $path: $!";
	my $select = IO::Select->new($socket);
	my $is_wanted = 1;
	my ($server, $kill_at);

	local $SIG{TERM} = sub { $is_wanted = 0; kill('INT', $server) };
	$server = $self->_start_server($path);
	for (;;)
	{
		my $has_ended = waitpid($server, POSIX::WNOHANG()) == $server;
		my $status = $?;

		# What it said before it ended comes first.
		while ($select->can_read($has_ended ? 0 : 0.02))
		{
			$socket->recv(my $message, 4096);
			foreach my $line (split(/\n/, $message // ''))
			{
				my ($word) = grep { index($line, $_) == 0 } keys %words;
				$self->_note($words{$word}) if defined $word;
				$kill_at //= Time::HiRes::time() + $self->{stop_timeout} if $line eq 'STOPPING=1';
			}
		}
		if (!$has_ended && defined $kill_at && Time::HiRes::time() > $kill_at)
		{
			$self->_note('killed');
			kill('KILL', $server);
			$kill_at = undef;
		}
		next unless $has_ended;
		$self->_note('exited:' . ($status >> 8));
		$kill_at = undef;
		return unless $is_wanted;
		Time::HiRes::sleep(RESTART_PAUSE);
		$server = $self->_start_server($path);
	}
}

1;
