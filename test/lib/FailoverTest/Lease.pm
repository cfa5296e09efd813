# FailoverTest::Lease - plays the coordinator towards one data server
#
# Heartbeats, grants and fences by SQL, for tests of the node library alone.
# Each call is a session of its own; grants that must be punctual come from
# a session that start_renewer() starts.
package FailoverTest::Lease;

use strict;
use warnings;

use Carp;
use FailoverTest::Node;
use File::Basename;
use POSIX ();
use PostgreSQL::Test::Utils ();
use Time::HiRes ();

sub new
{
	my ($class, $node, %defaults) = @_;
	return bless { node => $node, coordinator => 'test', %defaults }, $class;
}

# A primary with the library, which no coordinator has spoken to, and a backup
# "base" of it: (node, lease).  init: for initdb; env; conf: lines of its
# configuration; sql: run before the backup.
sub start_primary
{
	my ($class, $name, %with) = @_;
	my $node = FailoverTest::Node->new($name, env => $with{env} // {});
	my $lease = $class->new($node);

	$node->init(extra => $with{init} // []);
	$node->use_library('node');
	$node->append_conf('postgresql.conf', join("\n", 'wal_retrieve_retry_interval = 100ms', $with{conf} // ()));
	$node->start;
	$lease->create_extension;
	$node->safe_psql('postgres', $with{sql} // 'CREATE TABLE t (id bigint)');
	$node->backup('base');
	return ($node, $lease);
}

# A standby of it, from that backup, which has its configuration: (node, lease).
sub start_standby
{
	my ($class, $name, $primary, %with) = @_;
	my $node = FailoverTest::Node->new($name, env => $with{env} // {});

	$node->init_standby($primary, 'base');
	$node->start;
	$primary->wait_for_catchup($name);
	return ($node, $class->new($node));
}

# What of the extension a data server needs.
sub create_extension
{
	my ($self) = @_;

	$self->{node}->safe_psql('postgres', 'CREATE EXTENSION failover');
	return;
}

# One column of the node's status.
sub status
{
	my ($self, $column) = @_;
	return $self->{node}->safe_psql('postgres', "SELECT $column FROM failover_node_status()");
}

sub _literal
{
	my ($value) = @_;
	return 'NULL' unless defined $value;
	return 'ARRAY[' . join(',', map { _literal($_) } @$value) . ']::text[]' if ref $value;
	return $value if $value =~ /^\d+$/;
	return "'" . ($value =~ s/'/''/gr) . "'";
}

# failover_node_heartbeat(...) with the arguments given by name.
sub _heartbeat
{
	my ($self, %arguments) = @_;

	$arguments{coordinator} //= $self->{coordinator};
	$arguments{lease_us} //= 0;
	$arguments{valid_until_us} = delete $arguments{valid_until} // 0;
	$arguments{incarnation} //= $self->status('node_incarnation');
	return 'SELECT * FROM failover_node_heartbeat('
	  . join(', ', map { "$_ => " . _literal($arguments{$_}) } sort keys %arguments) . ')';
}

sub hear
{
	my ($self, %arguments) = @_;
	return $self->{node}->safe_psql('postgres', $self->_heartbeat(%arguments));
}

# The same, which must fail: returns "SQLSTATE: message".
sub hear_fails
{
	my ($self, %arguments) = @_;
	my ($status, $out, $err) =
	  $self->{node}->psql('postgres', "\\set VERBOSITY verbose\n" . $self->_heartbeat(%arguments));

	croak 'the heartbeat did not fail' if $err eq '';
	return $err;
}

# A lease that ends that many seconds from now.
sub grant
{
	my ($self, %arguments) = @_;
	my $us = int(delete($arguments{seconds}) * 1_000_000);

	return $self->hear(%arguments, lease_us => $us, valid_until => $self->status('clock_us') + $us);
}

my %renewers;

# Grant a lease of that many seconds again and again, every so many seconds, from one session.
sub start_renewer
{
	my ($self, %arguments) = @_;
	my $us = int($arguments{seconds} * 1_000_000);
	my $directory = PostgreSQL::Test::Utils::tempdir('renewer');
	my $sql = "SELECT h.clock_us, h.lease_until_us FROM failover_node_status() s, failover_node_heartbeat("
	  . "$arguments{term}, s.clock_us + $us, $us, s.node_incarnation, '$self->{coordinator}') h \\watch $arguments{every}\n";
	my $pid;

	PostgreSQL::Test::Utils::append_to_file("$directory/script", $sql);
	$pid = fork() // croak "could not fork: $!";
	if ($pid == 0)
	{
		open(STDOUT, '>', "$directory/record") or POSIX::_exit(1);
		exec('psql', '-XAt', '-f', "$directory/script", $self->{node}->connstr('postgres')) or POSIX::_exit(1);
	}
	$renewers{$pid} = 1;
	return bless { pid => $pid, record => "$directory/record" }, 'FailoverTest::Lease::Renewer';
}

END
{
	local $?;
	kill('TERM', keys %renewers) if %renewers;
}

sub fence
{
	my ($self, %arguments) = @_;

	$arguments{coordinator} //= $self->{coordinator};
	return $self->{node}->safe_psql('postgres',
		'SELECT * FROM failover_node_fence('
		  . join(', ', map { "$_ => " . _literal($arguments{$_}) } sort keys %arguments) . ')');
}

# About to be promoted; the same, which must fail.
sub prepare_promotion { my ($self, %arguments) = @_; return $self->{node}->safe_psql('postgres', $self->_preparation(%arguments)) }
sub prepare_promotion_fails
{
	my ($self, %arguments) = @_;
	my ($status, $out, $err) =
	  $self->{node}->psql('postgres', "\\set VERBOSITY verbose\n" . $self->_preparation(%arguments));

	croak 'the promotion could be prepared' if $err eq '';
	return $err;
}

sub _preparation
{
	my ($self, %arguments) = @_;

	$arguments{coordinator} //= $self->{coordinator};
	return 'SELECT * FROM failover_node_prepare_promotion('
	  . join(', ', map { "$_ => " . _literal($arguments{$_}) } sort keys %arguments) . ')';
}

# Stop and become a standby of that server: planned, or after a failover.
sub demote { my ($self, $node, %arguments) = @_; return $self->_become_standby('demote', $node, %arguments) }
sub rejoin { my ($self, $node, %arguments) = @_; return $self->_become_standby('rejoin', $node, %arguments) }

sub _become_standby
{
	my ($self, $function, $node, %arguments) = @_;

	$arguments{coordinator} //= $self->{coordinator};
	$arguments{holder} //= $node->name;
	$arguments{conninfo} //= $node->conninfo . ' application_name=' . $self->{node}->name;
	return $self->{node}->safe_psql('postgres',
		"SELECT * FROM failover_node_$function("
		  . join(', ', map { "$_ => " . _literal($arguments{$_}) } sort keys %arguments) . ')');
}

# Wait for a moment, where time itself is what a test is about: the server is
# frozen, say, and there is nothing to ask.
sub wait_until
{
	my ($time) = @_;

	Time::HiRes::sleep(0.005) while Time::HiRes::time() < $time;
	return;
}

# Microseconds from the server's lease clock to the system's clock, on which writers record.
sub clock_offset
{
	my ($self) = @_;
	return $self->{node}->safe_psql('postgres',
		'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - clock_us FROM failover_node_status()');
}

package FailoverTest::Lease::Renewer;

sub stop
{
	my ($self) = @_;

	kill('TERM', $self->{pid});
	waitpid($self->{pid}, 0);
	delete $renewers{ $self->{pid} };
	return;
}

# What was granted, as [ from, until ] on the server's lease clock.
sub windows
{
	my ($self) = @_;
	return map { [ split(/\|/) ] } grep { /^\d+\|\d+$/ } split(/\n/, PostgreSQL::Test::Utils::slurp_file($self->{record}));
}

1;
