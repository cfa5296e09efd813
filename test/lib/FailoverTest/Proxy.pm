# FailoverTest::Proxy - wires that can be cut, on a machine that gives no private network
#
# Does what FailoverTest::Net does with namespaces, less faithfully: every wire
# from one server to another is a TCP proxy, on a loopback address of its own and
# the port of the server called to, and a cut is a proxy that forwards no more.  Bytes wait in the kernel meanwhile, as they would
# in a sender that retransmits; a new connection is made but nobody answers.
# Refusals of the network (reject) cannot be had: see can_reject().  What can be
# had here, and not with namespaces alone, is a firewall that resets (reset): what
# goes over the wire is reset, and new connections are refused, as if nobody
# listened there.
#
# One process for each wire; it reads from a file which directions are open, and
# ends when the test does.
package FailoverTest::Proxy;

use strict;
use warnings;

use Carp;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Utils ();
use Socket qw(SOL_SOCKET SO_LINGER);

use constant CHUNK => 65536;

sub new
{
	my ($class) = @_;
	return bless { hosts => {}, wires => {} }, $class;
}

sub can_reject { return 0 }

sub add_host
{
	my ($self, $name) = @_;

	$self->{hosts}{$name} = '127.0.0.1';
	return $self->{hosts}{$name};
}

sub address { return '127.0.0.1' }

# Every server lives on this machine itself, and leaves the other addresses to the proxies.
sub enter { return () }
sub listen_addresses { return '127.0.0.1' }

# Where the server called from finds the server called to, which listens on that port.
sub wire
{
	my ($self, $from, $to, $port) = @_;
	my $wire = $self->{wires}{"$from $to"} //= $self->_start_wire("${from}_$to", $port);

	return ($wire->{address}, $port);
}

sub _start_wire
{
	my ($self, $name, $port) = @_;
	my $address = '127.0.1.' . (1 + keys %{ $self->{wires} });
	my $wire = { address => $address, state => PostgreSQL::Test::Utils::tempdir("wire_$name") . '/state' };
	my $listener = _listen($address, $port);

	pipe(my $read, my $write) or croak "could not create a pipe: $!";
	_write_state($wire, 1, 1);
	$wire->{pid} = fork() // croak "could not fork: $!";
	if ($wire->{pid} == 0)
	{
		# Another wire's pipe, kept open here, would keep that one from ending.
		close($_) foreach $write, map { $_->{pipe} } grep { defined } values %{ $self->{wires} };
		$SIG{PIPE} = 'IGNORE';
		$SIG{INT} = $SIG{TERM} = 'DEFAULT';
		eval { _forward($listener, $address, $port, $wire->{state}, $read) };
		POSIX::_exit(0);
	}
	$wire->{pipe} = $write;
	return $wire;
}

sub _listen
{
	my ($address, $port) = @_;

	return IO::Socket::INET->new(Listen => 64, LocalAddr => $address, LocalPort => $port, ReuseAddr => 1)
	  || croak "could not listen on $address:$port: $!";
}

# Whether bytes pass there (to the server) and back, and whether all is reset.
sub _write_state
{
	my ($wire, $there, $back, $reset) = @_;

	@$wire{ 'there', 'back' } = ($there, $back);
	open(my $out, '>', "$wire->{state}.new") or croak "could not write the state of a wire: $!";
	print $out $there, $back, $reset ? 1 : 0;
	close($out);
	rename("$wire->{state}.new", $wire->{state}) or croak "could not write the state of a wire: $!";
	return;
}

# Close so that the other end sees a reset.
sub _reset
{
	foreach my $socket (@_)
	{
		setsockopt($socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
		close($socket);
	}
	return;
}

# The proxy: one loop over the listener and pairs of sockets, until our end of the pipe is closed.
sub _forward
{
	my ($listener, $address, $port, $state_file, $pipe) = @_;
	my (%peer, %is_client, %waiting);

	for (;;)
	{
		open(my $in, '<', $state_file) or return;
		my ($there, $back, $reset) = split(//, <$in> // '110');
		close($in);

		if ($reset && $listener)
		{
			close($listener);
			undef $listener;
			_reset(map { $_->[0] } values %peer);
			%$_ = () foreach \(%peer, %is_client, %waiting);
		}
		$listener = _listen($address, $port) if !$reset && !$listener;

		# Read from nobody whose bytes may not pass, or wait to be written.
		my $readable = IO::Select->new($pipe);
		$readable->add($listener) if $listener && $there && $back;
		my $writable = IO::Select->new;
		foreach my $socket (map { $_->[0] } values %peer)
		{
			my $to = $peer{ fileno($socket) }[1];
			$writable->add($to) if defined $waiting{ fileno($to) };
			$readable->add($socket)
			  if ($is_client{ fileno($socket) } ? $there : $back) && !defined $waiting{ fileno($to) };
		}
		my ($can_read, $can_write) = IO::Select->select($readable, $writable, undef, 0.02);
		my %ended;

		foreach my $socket (@{ $can_write // [] })
		{
			my $n = syswrite($socket, $waiting{ fileno($socket) });
			next unless defined $n || !$!{EAGAIN};
			if (!defined $n) { $ended{ fileno($socket) } = $socket }
			else { substr($waiting{ fileno($socket) }, 0, $n) = '' }
			delete $waiting{ fileno($socket) } if ($waiting{ fileno($socket) } // '') eq '';
		}
		foreach my $socket (@{ $can_read // [] })
		{
			if ($socket == $pipe)
			{
				return;
			}
			elsif ($listener && $socket == $listener)
			{
				my $client = $listener->accept or next;
				my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
				if (!$server) { close($client); next }
				$_->blocking(0) foreach $client, $server;
				$peer{ fileno($client) } = [ $client, $server ];
				$peer{ fileno($server) } = [ $server, $client ];
				$is_client{ fileno($client) } = 1;
				$is_client{ fileno($server) } = 0;
			}
			elsif (!sysread($socket, my $bytes, CHUNK))
			{
				$ended{ fileno($socket) } = $socket;
			}
			else
			{
				$waiting{ fileno($peer{ fileno($socket) }[1]) } = $bytes;
			}
		}
		foreach my $socket (values %ended)
		{
			next unless defined fileno($socket) && $peer{ fileno($socket) };
			my $other = $peer{ fileno($socket) }[1];
			foreach my $gone ($socket, $other)
			{
				delete $_->{ fileno($gone) } foreach \%peer, \%is_client, \%waiting;
			}
			close($_) foreach $socket, $other;
		}
	}
}

# Nothing gets from one server to the other any more, whoever of them connected.
sub cut_one_way
{
	my ($self, $from, $to) = @_;
	my ($forth, $reverse) = @{ $self->{wires} }{ "$from $to", "$to $from" };

	print "# cutting $from -> $to\n";
	_write_state($forth, 0, $forth->{back}) if $forth;
	_write_state($reverse, $reverse->{there}, 0) if $reverse;
	return;
}

# Both ways; how: drop (silently) or reset.
sub cut
{
	my ($self, $one, $other, $how) = @_;

	if (($how // 'drop') eq 'drop')
	{
		$self->cut_one_way($one, $other);
		$self->cut_one_way($other, $one);
		return;
	}
	print "# resetting $one - $other\n";
	_write_state($_, 0, 0, 1) foreach grep { defined } map { $self->{wires}{$_} } "$one $other", "$other $one";
	return;
}

sub cut_off
{
	my ($self, $name, $how) = @_;

	$self->cut($name, $_, $how) foreach grep { $_ ne $name } sort keys %{ $self->{hosts} };
	return;
}

sub heal
{
	my ($self) = @_;

	print "# mending all wires\n";
	_write_state($_, 1, 1) foreach values %{ $self->{wires} };
	return;
}

sub stop
{
	my ($self) = @_;

	foreach my $wire (grep { defined } values %{ $self->{wires} })
	{
		close($wire->{pipe});
		waitpid($wire->{pid}, 0);
	}
	$self->{wires} = {};
	return;
}

1;
