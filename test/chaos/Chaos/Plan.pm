# Chaos::Plan - what a seed stands for
#
# Draws how the group is set up and which faults hit it when.  Pure: the same
# seed and wishes give the same plan on every machine, whatever happens in the
# run.  A plan knows no server but by its part: a fault hits the primary of its
# moment, or one of the standbys.
#
# Faults come in rounds of one to three.  After most rounds the group is left
# alone until it is healthy, after the others the next round follows at once.
package Chaos::Plan;

use strict;
use warnings;

use List::Util qw(sum);

use constant SYNC_MODES => qw(quorum off strict);
use constant STEPS => qw(raise_term fence drain freeze lease choose demote stopped slots sync_names promote repoint checkpoint follow rejoin);

# Kinds of faults: drills that they come from, weight, seconds that they last
# (a killed server is down for so long), and whether wires must be cut for them.
my @kinds = (
	{ kind => 'kill', drills => '1', weight => 5, lasts => [ 0.1, 8 ] },
	{ kind => 'kill_postmaster', drills => '2', weight => 4, lasts => [ 0.1, 8 ] },
	{ kind => 'stop_immediate', drills => '3', weight => 2, lasts => [ 0.1, 8 ] },
	{ kind => 'stop_fast', drills => '3', weight => 2, lasts => [ 0.1, 8 ] },
	{ kind => 'freeze_postmaster', drills => '5', weight => 3, lasts => [ 0.3, 15 ] },
	{ kind => 'freeze', drills => '6', weight => 5, lasts => [ 0.3, 12 ] },
	{ kind => 'cut_off', drills => '11', weight => 5, lasts => [ 0.3, 12 ], wires => 1 },
	{ kind => 'cut_standbys', drills => '12', weight => 3, lasts => [ 0.3, 10 ], wires => 1 },
	{ kind => 'kill_standbys', drills => '18', weight => 2, lasts => [ 0.5, 8 ] },
	{ kind => 'kill_successor', drills => '1, 20', weight => 4, lasts => [ 0.5, 6 ] },
	{ kind => 'kill_coordinator', drills => '22', weight => 5, lasts => [ 0.1, 3 ] },
	{ kind => 'kill_at_step', drills => '1, 22', weight => 8, lasts => [ 0.1, 3 ] },
	{ kind => 'coordinator_down', drills => '23', weight => 2, lasts => [ 5, 15 ] },
	{ kind => 'kill_again', drills => '1, 27', weight => 3, lasts => [ 0.1, 2 ] },
	{ kind => 'kill_rewind', drills => '6, 27', weight => 4, lasts => [ 0.1, 3 ] },
	{ kind => 'switchover', weight => 5, lasts => [ 0, 0 ] },
	{ kind => 'trigger', weight => 2, lasts => [ 0, 0 ] },
	{ kind => 'drill', weight => 2, lasts => [ 0, 0 ] },
	{ kind => 'rejoin', weight => 2, lasts => [ 0, 0 ] },
);

# What partitions become on a machine where no wire can be cut.
my %without_wires = (cut_off => 'freeze', cut_standbys => 'kill_standbys');

sub _between { my ($from, $to) = @_; return $from + rand($to - $from) }
sub _chance { my ($percent) = @_; return rand(100) < $percent }
sub _one_of { return $_[ int(rand(@_)) ] }

# Short and long ones alike: evenly between the logarithms.
sub _duration
{
	my ($from, $to) = @_;

	return $from if $from == $to;
	return exp(_between(log($from), log($to)));
}

sub _kind
{
	my $left = rand(sum(map { $_->{weight} } @kinds));

	foreach my $kind (@kinds)
	{
		$left -= $kind->{weight};
		return $kind if $left < 0;
	}
	return $kinds[-1];
}

# One fault.  What a kind does not need is drawn all the same, so that
# the rest of the plan does not depend on it.
sub _fault
{
	my ($at) = @_;
	my $kind = _kind();

	return {
		kind => $kind->{kind},
		drills => $kind->{drills},
		at => $at,
		lasts => _duration(@{ $kind->{lasts} }),
		whom => _chance(80) ? 'primary' : 'standby',
		pick => rand(),				# which of the standbys
		way => _one_of('both', 'both', 'in', 'out'),
		how => _one_of('drop', 'drop', 'reject'),
		delay => _duration(0.01, 3),	# of a second blow
		times => 1 + int(rand(3)),
		step => _one_of(STEPS),		# of the operation that is set off: after it somebody is killed
		setting_off => _one_of('kill', 'switchover', 'drill'),
		victim => _one_of('coordinator', 'coordinator', 'peer'),
	};
}

sub _round
{
	my $faults_n = _one_of(1, 1, 1, 2, 2, 3);
	my @faults = (_fault(0));

	while (@faults < $faults_n)
	{
		# Half of them into the middle of what the first one set off.
		push @faults, _fault(_chance(50) ? _duration(0.01, 0.5) : _between(0.5, 6));
	}
	return { faults => \@faults, is_calm => _chance(70), pause => _between(0, 2) };
}

# seed, rounds, sync (a mode, or undef: drawn), wires (can they be cut?)
sub draw
{
	my (%wish) = @_;
	my $plan = { seed => $wish{seed} };

	srand($wish{seed});
	my $sync = _one_of(SYNC_MODES);
	$plan->{settings} = {
		sync_mode => $wish{sync} // $sync,
		lease_time => _one_of('1s', '2s', '3s'),
		check_interval => _one_of('200ms', '500ms', '1s'),
		check_timeout => _one_of('500ms', '1s', '2s'),
		connect_check_interval => _one_of('1s', '5s'),
		strategy => _one_of('priority', 'most_advanced'),
		block_period => '0',
	};
	$plan->{slots} = _chance(50);
	$plan->{conf} = {
		wal_keep_size => '512MB',
		max_connections => 150,
		wal_receiver_timeout => _one_of('2s', '5s', '60s'),
		wal_sender_timeout => _one_of('2s', '5s', '60s'),
		wal_receiver_status_interval => _one_of('1s', '10s'),
		wal_retrieve_retry_interval => _one_of('100ms', '5s'),
	};
	$plan->{rounds} = [ map { _round() } 1 .. $wish{rounds} ];
	return $plan if $wish{wires};
	foreach my $fault (map { @{ $_->{faults} } } @{ $plan->{rounds} })
	{
		$fault->{kind} = $without_wires{ $fault->{kind} } // $fault->{kind};
	}
	return $plan;
}

# The set-up in words.
sub describe
{
	my ($plan) = @_;
	my %all = (%{ $plan->{settings} }, %{ $plan->{conf} });

	return join(', ', (map { "$_ $all{$_}" } sort keys %all), $plan->{slots} ? 'slots' : 'no slots');
}

1;
