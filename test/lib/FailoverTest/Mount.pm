# FailoverTest::Mount - a server with a file system of its own in a directory of its data
package FailoverTest::Mount;

use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Utils ();

# Perl knows no mount(), and mount(8) refuses who is not root, whatever else he may.
sub _command
{
	my ($directory, $options, @command) = @_;
	my %number = (x86_64 => 165, aarch64 => 40);
	my $call = $number{ (POSIX::uname())[4] } // return;

	# syscall() wants strings that could be changed.
	return ('unshare', '--mount', $^X, '-e',
		'my ($call, $options, $directory, @command) = @ARGV; my $type = "tmpfs";'
		  . ' syscall($call + 0, $type, $directory, $type, 0, $options) == 0 or exit 1; exec @command',
		$call, "mode=700,uid=$<$options", $directory, @command);
}

sub can_mount
{
	my @command = _command(PostgreSQL::Test::Utils::tempdir('mount'), '', 'true');

	return @command && PostgreSQL::Test::Utils::system_log(@command) == 0;
}

# Start it with a file system in that directory, of that size if one is given; only the server sees it, and it is gone with the server.
sub start_with_mount
{
	my ($node, $directory, $size) = @_;
	my @start = ('pg_ctl', '-D', $node->data_dir, '-w', '-l', $node->logfile, '-o', '--cluster-name=' . $node->name, 'start');

	PostgreSQL::Test::Utils::system_log(
		_command($node->data_dir . "/$directory", defined $size ? ",size=$size" : '', @start)) == 0 or die;
	$node->_update_pid(1);
	return;
}

1;
