# FailoverTest::Net - hosts with wires between them that can be cut
#
# Every host is a network namespace with one interface and a subnet of its own;
# the test's own (private) namespace is the router between them.  A wire is cut
# by a routing rule in the router, so nothing in the hosts notices: packets are
# dropped without a word, or refused as by a router that knows no way, in one
# direction or in both.  A namespace lives as long as its holder, a process that
# ends when the test does, however that happens.
#
# Needs test/isolate to have found a private network: see available().  Without
# one, FailoverTest::Proxy takes its place.
package FailoverTest::Net;

use strict;
use warnings;

use Carp;
use POSIX ();
use PostgreSQL::Test::Utils ();
use Time::HiRes ();

sub available
{
	return ($ENV{FAILOVER_TEST_NET} // '') eq 'private';
}

sub new
{
	my ($class) = @_;

	croak 'no private network here' unless available();
	PostgreSQL::Test::Utils::append_to_file('/proc/sys/net/ipv4/ip_forward', '1');
	return bless { hosts => {}, cuts => {} }, $class;
}

sub _ip
{
	PostgreSQL::Test::Utils::system_or_bail('ip', @_);
	return;
}

# A process in a new network namespace; it ends when our end of its pipe is closed.
sub _start_holder
{
	my ($host) = @_;
	my $ours = readlink('/proc/self/ns/net');
	my $pid;

	pipe(my $read, my $write) or croak "could not create a pipe: $!";
	$pid = fork() // croak "could not fork: $!";
	if ($pid == 0)
	{
		close($write);
		open(STDIN, '<&', $read);
		exec('unshare', '--net', 'cat') or POSIX::_exit(1);
	}
	close($read);
	$host->{pid} = $pid;
	$host->{pipe} = $write;
	for (1 .. 1000)
	{
		my $theirs = readlink("/proc/$pid/ns/net") // croak 'the holder of a namespace ended';
		return if $theirs ne $ours;
		Time::HiRes::sleep(0.005);
	}
	croak 'no new network namespace';
}

# Add a host; returns its address.
sub add_host
{
	my ($self, $name) = @_;
	my $n = 1 + keys %{ $self->{hosts} };
	my $host = { address => "10.77.$n.2", subnet => "10.77.$n.0/24" };
	my $pid;

	_start_holder($host);
	$pid = $host->{pid};
	_ip('link', 'add', "wire$n", 'type', 'veth', 'peer', 'name', 'eth0', 'netns', $pid);
	_ip('address', 'add', "10.77.$n.1/24", 'dev', "wire$n");
	_ip('link', 'set', "wire$n", 'up');
	$self->{hosts}{$name} = $host;
	foreach my $command (
		[ 'link', 'set', 'lo', 'up' ],
		[ 'address', 'add', "$host->{address}/24", 'dev', 'eth0' ],
		[ 'link', 'set', 'eth0', 'up' ],
		[ 'route', 'add', 'default', 'via', "10.77.$n.1" ])
	{
		PostgreSQL::Test::Utils::system_or_bail($self->enter($name), 'ip', @$command);
	}
	return $host->{address};
}

sub address
{
	my ($self, $name) = @_;
	return $self->{hosts}{$name}{address};
}

sub can_reject { return 1 }
sub listen_addresses { return '*' }

# Where one host finds a server on another: where everybody does.
sub wire
{
	my ($self, $from, $to, $port) = @_;
	return ($self->address($to), $port);
}

# Words to put before a command that is to run on the host.
sub enter
{
	my ($self, $name) = @_;
	my $host = $self->{hosts}{$name} // croak "no host \"$name\"";

	return ('nsenter', "--net=/proc/$host->{pid}/ns/net", '--');
}

# Nothing gets from one host to the other any more; how: drop (silently) or reject.
sub cut_one_way
{
	my ($self, $from, $to, $how) = @_;
	my $action = ($how // 'drop') eq 'drop' ? 'blackhole' : 'unreachable';
	my @rule = (
		'from', $self->address($from), 'to', $self->address($to), 'pref', 100, $action);

	print "# cutting $from -> $to ($action)\n";
	_ip('rule', 'add', @rule);
	$self->{cuts}{"$from $to"} = \@rule;
	return;
}

sub cut
{
	my ($self, $one, $other, $how) = @_;

	$self->cut_one_way($one, $other, $how);
	$self->cut_one_way($other, $one, $how);
	return;
}

# Undo cut_one_way().
sub mend_one_way
{
	my ($self, $from, $to) = @_;
	my $rule = delete $self->{cuts}{"$from $to"} // return;

	print "# mending $from -> $to\n";
	_ip('rule', 'del', @$rule);
	return;
}

# Cut a host off from each of the others (the test itself still reaches it).
sub cut_off
{
	my ($self, $name, $how) = @_;

	$self->cut($name, $_, $how) foreach grep { $_ ne $name } sort keys %{ $self->{hosts} };
	return;
}

# Mend every wire.
sub heal
{
	my ($self) = @_;

	print "# mending all wires\n";
	_ip('rule', 'del', @$_) foreach values %{ $self->{cuts} };
	$self->{cuts} = {};
	return;
}

sub stop
{
	my ($self) = @_;

	foreach my $host (values %{ $self->{hosts} })
	{
		close($host->{pipe});
		waitpid($host->{pid}, 0);
	}
	$self->{hosts} = {};
	return;
}

1;
