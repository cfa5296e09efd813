# FailoverTest::Writer - clients whose acknowledged commits are on record
#
# Runs test/lib/writer, and reads its record: which rows were acknowledged and
# when, how long nobody could write, what became of the rows.
package FailoverTest::Writer;

use strict;
use warnings;

use Carp;
use File::Basename;
use POSIX ();
use Time::HiRes ();

my %running;

# Start writers on the servers.  Options: writers (how many), first (number of
# the first), pause_us, retry_us, timeout_ms, seconds, setup (SQL of each session),
# insert (instead of the plain one), keep (a session whose commit is refused goes
# on), singly (a connection string for each server instead of one for all), name.
sub start
{
	my ($class, $nodes, %options) = @_;
	my $name = $options{name} // 'writer';
	my $self = bless
	  {
		record => PostgreSQL::Test::Utils::tempdir($name) . '/record',
		nodes => $nodes,
	  }, $class;
	my @conninfos = map { _conninfo(@$_) } $options{singly} ? map { [$_] } @$nodes : $nodes;
	my @command = (
		dirname(__FILE__) . '/../writer', '-o', $self->{record},
		'-w', $options{writers} // 2, '-p', $options{pause_us} // 1000,
		'-T', $options{timeout_ms} // 2000);

	push @command, '-f', $options{first} if defined $options{first};
	push @command, '-R', $options{retry_us} if defined $options{retry_us};
	push @command, '-t', $options{seconds} if defined $options{seconds};
	push @command, '-k' if $options{keep};
	push @command, '-s', $options{setup} if defined $options{setup};
	push @command, '-i', $options{insert} if defined $options{insert};
	print '# ', join(' ', @command, @conninfos), "\n";
	$self->{pid} = fork() // croak "could not fork: $!";
	if ($self->{pid} == 0)
	{
		$ENV{PGAPPNAME} = 'writer';
		exec(@command, @conninfos) or POSIX::_exit(1);
	}
	$running{ $self->{pid} } = 1;
	return $self;
}

# A session that can write, on whichever of the servers gives one.
sub _conninfo
{
	my (@nodes) = @_;
	my $user = getpwuid($<);

	return 'host=' . join(',', map { $_->address } @nodes)
	  . ' port=' . join(',', map { $_->port } @nodes)
	  . " user=$user dbname=postgres target_session_attrs=read-write connect_timeout=2";
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;

	kill('TERM', $pid);
	waitpid($pid, 0);
	delete $running{$pid};
	return;
}

sub stop_all
{
	kill('TERM', keys %running) if %running;
	%running = ();
	return;
}

# The record as [ kind, writer, id, seconds, empty ]; kind is a (acknowledged), r (refused) or u (unknown).
# empty is the last moment at which the answer had certainly not arrived, where the insert returns something.
sub rows
{
	my ($self, $kind) = @_;
	my @rows;
	# The caller's may be one of a list of writers.
	local $_;

	open(my $in, '<', $self->{record}) or return;
	while (<$in>)
	{
		push @rows, [ $1, $2, $3, $4 / 1e6, defined $5 ? $5 / 1e6 : undef ]
		  if /^([aru]) (\d+) (\d+) (\d+)(?: (\d+) )?/ && (!defined $kind || $1 eq $kind);
	}
	close($in);
	return @rows;
}

# Messages of the errors it met.
sub errors
{
	my ($self) = @_;

	open(my $in, '<', $self->{record}) or return;
	my @errors = map { /^e \d+ \d+ (.*)/ ? $1 : () } <$in>;
	close($in);
	return @errors;
}

# How many commits were acknowledged, after that time if one is given: whose answer had not
# arrived by then, where that is known, or else was not read by then.
sub count_acknowledged
{
	my ($self, $after) = @_;

	return scalar(grep { !defined $after || ($_->[4] // $_->[3]) > $after } $self->rows('a'));
}

# Wait until so many more commits have been acknowledged.
sub wait_for_more
{
	my ($self, $more, $timeout) = @_;
	my $before = $self->count_acknowledged;
	my $deadline = Time::HiRes::time() + ($timeout // 90);

	while ($self->count_acknowledged < $before + $more)
	{
		return 0 if Time::HiRes::time() > $deadline;
		Time::HiRes::sleep(0.05);
	}
	return 1;
}

# The longest time in seconds that a writer went without an acknowledgement:
# the worst writer's.
sub outage
{
	my ($self) = @_;
	my ($worst, %last) = (0);

	foreach my $row ($self->rows('a'))
	{
		my (undef, $writer, undef, $at) = @$row;
		$worst = $at - $last{$writer} if defined $last{$writer} && $at - $last{$writer} > $worst;
		$last{$writer} = $at;
	}
	return $worst;
}

# Acknowledged rows that the server does not have, as "writer/id".
sub lost_rows
{
	my ($self, $node) = @_;
	my %present = map { $_ => 1 }
	  split(/\n/, $node->safe_psql('postgres', q{SELECT writer || '/' || id FROM failover_test}));

	return grep { !$present{$_} } map { "$_->[1]/$_->[2]" } $self->rows('a');
}

1;
