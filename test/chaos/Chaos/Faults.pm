# Chaos::Faults - how each kind of fault of a plan is done
#
# begin() does it, or says that it met nobody, and has it undone in time; $done
# is called when it is over.
package Chaos::Faults;

use strict;
use warnings;

# Seconds to wait for something that need not come, as for a promotion.
use constant PATIENCE => 20;

# A limit for what does come: whatever is down is started again.
use constant EVER => 600;

my %way_words = (both => '', in => ' (hears nobody)', out => ' (is heard by nobody)');

sub _seconds { my ($seconds) = @_; return sprintf('%.2f s', $seconds) }

sub _tell
{
	my ($cluster, $fault, @words) = @_;

	$cluster->tell(defined $fault->{drills} ? "drill $fault->{drills}: " : '', @words);
	return;
}

sub _target
{
	my ($cluster, $fault) = @_;

	return $cluster->primary if $fault->{whom} eq 'primary';
	return ($cluster->standbys($fault->{pick}))[0];
}

# Over when the servers have been started again.
sub _done_when_started
{
	my ($cluster, $done, @names) = @_;

	$cluster->when(sub { @names == grep { $cluster->is_running($_) } @names }, EVER, $done);
	return;
}

# ---- blows that end a server for a while ----

sub _blow
{
	my ($cluster, $fault, $done, $name, $what, $strike) = @_;

	if (!$strike->($name, $fault->{lasts}))
	{
		_tell($cluster, $fault, "$name would be hit, but is down");
		return $done->();
	}
	_tell($cluster, $fault, "$name $what, and comes back after " . _seconds($fault->{lasts}));
	return _done_when_started($cluster, $done, $name);
}

sub _kill
{
	my ($cluster, $fault, $done) = @_;

	return _blow($cluster, $fault, $done, _target($cluster, $fault), 'is killed',
		sub { $cluster->kill($_[0], 'all', $_[1]) });
}

sub _kill_postmaster
{
	my ($cluster, $fault, $done) = @_;

	return _blow($cluster, $fault, $done, _target($cluster, $fault), 'loses its postmaster',
		sub { $cluster->kill($_[0], 'postmaster', $_[1]) });
}

sub _stop_immediate
{
	my ($cluster, $fault, $done) = @_;

	return _blow($cluster, $fault, $done, _target($cluster, $fault), 'is stopped (immediate)',
		sub { $cluster->stop($_[0], 'QUIT', $_[1]) });
}

sub _stop_fast
{
	my ($cluster, $fault, $done) = @_;

	return _blow($cluster, $fault, $done, _target($cluster, $fault), 'is stopped (fast)',
		sub { $cluster->stop($_[0], 'INT', $_[1]) });
}

sub _kill_coordinator
{
	my ($cluster, $fault, $done) = @_;

	return _blow($cluster, $fault, $done, 'coordinator', 'is killed', sub { $cluster->kill($_[0], 'all', $_[1]) });
}

# One of them, or one after the other.
sub _kill_standbys
{
	my ($cluster, $fault, $done) = @_;
	my ($first, $second) = $cluster->standbys($fault->{pick});

	_tell($cluster, $fault, "standby $first is killed, and comes back after " . _seconds($fault->{lasts}))
	  if $cluster->kill($first, 'all', $fault->{lasts});
	return _done_when_started($cluster, $done, $first) if $fault->{times} == 1;
	$cluster->after(
		$fault->{delay},
		sub {
			_tell($cluster, $fault, "standby $second is killed, too")
			  if $cluster->kill($second, 'all', $fault->{lasts});
			_done_when_started($cluster, $done, $first, $second);
		});
	return;
}

# The server that has begun to acknowledge instead, or that left recovery just now.
sub _successor
{
	my ($cluster, $old) = @_;
	my $primary = $cluster->primary;

	return $primary if $primary ne $old;
	foreach my $name (grep { $_ ne $old && $cluster->is_running($_) } $cluster->data_servers)
	{
		my $data_dir = $cluster->server($name)->data_dir;
		return $name if -e "$data_dir/base" && !-e "$data_dir/standby.signal";
	}
	return undef;
}

# The primary, and right after its promotion the next one.
sub _kill_successor
{
	my ($cluster, $fault, $done) = @_;
	my $old = $cluster->primary;
	my $new;
	my $strike = sub {
		_tell($cluster, $fault, "its successor $new is killed, too")
		  if $cluster->kill($new, 'all', $fault->{lasts});
		_done_when_started($cluster, $done, $old, $new);
	};

	if (!$cluster->kill($old, 'all', $fault->{lasts} + $fault->{delay}))
	{
		_tell($cluster, $fault, "$old would be killed, but is down");
		return $done->();
	}
	_tell($cluster, $fault, "$old is killed, and comes back after " . _seconds($fault->{lasts} + $fault->{delay}));
	$cluster->when(
		sub { defined($new = _successor($cluster, $old)) },
		PATIENCE,
		sub {
			return $cluster->after($fault->{pick} < 0.5 ? 0 : $fault->{delay}, $strike) if defined $new;
			$cluster->tell("nobody takes over from $old");
			_done_when_started($cluster, $done, $old);
		});
	return;
}

# The same server several times, each time soon after its start.
sub _kill_again
{
	my ($cluster, $fault, $done) = @_;
	my $name = _target($cluster, $fault);
	my $left = $fault->{times} + 1;
	my $strike;

	$strike = sub {
		my $which = $left % 2 ? 'postmaster' : 'all';

		if ($left-- == 0)
		{
			$strike = undef;
			return $done->();
		}
		_tell($cluster, $fault, $which eq 'all' ? "$name is killed" : "$name loses its postmaster",
			', and comes back after ' . _seconds($fault->{lasts}))
		  if $cluster->kill($name, $which, $fault->{lasts});
		_done_when_started($cluster, sub { $cluster->after($fault->{delay}, $strike) }, $name);
	};
	return $strike->();
}

# An operation is set off, and after one of its steps the coordinator is killed, or the server that the step was about.
sub _kill_at_step
{
	my ($cluster, $fault, $done) = @_;
	my $from = $cluster->log_position;
	my $step = qr/step $fault->{step}(?: on (\w+))?:/;
	my @gone;
	my $strike = sub {
		my ($is_met) = @_;
		my ($peer) = $cluster->logged_since($from) =~ $step;
		my $victim = $fault->{victim} eq 'peer' && defined $peer ? $peer : 'coordinator';

		push @gone, $victim;
		_tell($cluster, $fault, "after step $fault->{step} $victim is killed, and comes back after " . _seconds($fault->{lasts}))
		  if $is_met && $cluster->kill($victim, 'all', $fault->{lasts});
		_done_when_started($cluster, $done, @gone);
	};

	if ($fault->{setting_off} ne 'kill')
	{
		_request($cluster, sub { }, "failover_$fault->{setting_off}('main')");
	}
	elsif ($cluster->kill($gone[0] = $cluster->primary, 'all', $fault->{lasts}))
	{
		_tell($cluster, $fault, "$gone[0] is killed, and comes back after " . _seconds($fault->{lasts}));
	}
	$cluster->when(sub { $cluster->logged_since($from) =~ $step }, PATIENCE,
		sub { my ($is_met) = @_; $cluster->after($fault->{pick} / 20, sub { $strike->($is_met) }) });
	return;
}

# ---- frost ----

# Freeze the target, or say why not.
sub _try_freeze
{
	my ($cluster, $fault, $name, $which) = @_;

	return 1 if $cluster->freeze($name, $which);
	_tell($cluster, $fault, "$name would freeze, but is down or frozen");
	return 0;
}

sub _freeze_which
{
	my ($cluster, $fault, $done, $which) = @_;
	my $name = _target($cluster, $fault);

	return $done->() unless _try_freeze($cluster, $fault, $name, $which);
	_tell($cluster, $fault, $which eq 'all' ? $name : "the postmaster of $name", ' freezes for ' . _seconds($fault->{lasts}));
	$cluster->after(
		$fault->{lasts},
		sub {
			$cluster->tell("$name thaws");
			$cluster->thaw($name);
			$done->();
		});
	return;
}

sub _freeze { return _freeze_which(@_, 'all') }
sub _freeze_postmaster { return _freeze_which(@_, 'postmaster') }

# An old primary with WAL that nobody else has is killed half way through its rewind.
sub _kill_rewind
{
	my ($cluster, $fault, $done) = @_;
	my $old = $cluster->primary;
	my $data_dir = $cluster->server($old)->data_dir;
	my $strike = sub {
		my ($is_met) = @_;

		return $done->() unless $is_met;
		_tell($cluster, $fault, "$old is killed half way through its rewind, and comes back after " . _seconds($fault->{lasts}))
		  if $cluster->kill($old, $fault->{pick} < 0.7 ? 'all' : 'postmaster', $fault->{lasts});
		_done_when_started($cluster, $done, $old);
	};

	return $done->() unless _try_freeze($cluster, $fault, $old, 'all');
	_tell($cluster, $fault, "$old freezes until it has been replaced");
	$cluster->when(
		sub { $cluster->primary ne $old },
		PATIENCE,
		sub {
			$cluster->tell("$old thaws, to be killed at its rewind");
			$cluster->thaw($old);
			$cluster->when(sub { !-e "$data_dir/base" }, PATIENCE, $strike);
		});
	return;
}

# ---- cut wires ----

sub _cut
{
	my ($cluster, $fault, $done, $name, $others, $whom) = @_;

	$cluster->cut($fault, $name, $others, $fault->{way}, $fault->{how});
	_tell($cluster, $fault, "$name is cut off from $whom$way_words{$fault->{way}}, packets are ",
		$fault->{how} eq 'drop' ? 'dropped' : 'rejected', ', for ' . _seconds($fault->{lasts}));
	$cluster->after(
		$fault->{lasts},
		sub {
			$cluster->tell("$name is connected again");
			$cluster->mend($fault);
			$done->();
		});
	return;
}

sub _cut_off
{
	my ($cluster, $fault, $done) = @_;
	my $name = _target($cluster, $fault);

	return _cut($cluster, $fault, $done, $name,
		[ 'coordinator', grep { $_ ne $name } $cluster->data_servers ], 'everybody');
}

sub _cut_standbys
{
	my ($cluster, $fault, $done) = @_;

	return _cut($cluster, $fault, $done, $cluster->primary, [ $cluster->standbys(0) ], 'its standbys');
}

# ---- requests ----

sub _request
{
	my ($cluster, $done, $call) = @_;

	$cluster->tell("SELECT $call");
	$cluster->request("SELECT event_id, kind, status, from_peer, to_peer, total_ms, error FROM $call");
	return $done->();
}

# To the named standby, or to whom the coordinator likes.
sub _move
{
	my ($cluster, $fault, $done, $function) = @_;
	my ($target) = $cluster->standbys($fault->{pick});

	return _request($cluster, $done, $fault->{whom} eq 'primary' ? "$function('main')" : "$function('main', '$target')");
}

sub _switchover { return _move(@_, 'failover_switchover') }
sub _trigger { return _move(@_, 'failover_trigger') }

sub _drill
{
	my ($cluster, $fault, $done) = @_;

	return _request($cluster, $done, "failover_drill('main')");
}

sub _rejoin
{
	my ($cluster, $fault, $done) = @_;
	my ($target) = $cluster->standbys($fault->{pick});

	return _request($cluster, $done, "failover_rejoin('main', '$target')");
}

my %begin = (
	kill => \&_kill,
	kill_postmaster => \&_kill_postmaster,
	stop_immediate => \&_stop_immediate,
	stop_fast => \&_stop_fast,
	freeze_postmaster => \&_freeze_postmaster,
	freeze => \&_freeze,
	cut_off => \&_cut_off,
	cut_standbys => \&_cut_standbys,
	kill_standbys => \&_kill_standbys,
	kill_successor => \&_kill_successor,
	kill_coordinator => \&_kill_coordinator,
	coordinator_down => \&_kill_coordinator,
	kill_again => \&_kill_again,
	kill_at_step => \&_kill_at_step,
	kill_rewind => \&_kill_rewind,
	switchover => \&_switchover,
	trigger => \&_trigger,
	drill => \&_drill,
	rejoin => \&_rejoin,
);

sub begin
{
	my ($cluster, $fault, $done) = @_;

	$begin{ $fault->{kind} }->($cluster, $fault, $done);
	return;
}

1;
