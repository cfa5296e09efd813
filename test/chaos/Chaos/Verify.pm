# Chaos::Verify - what the clients were told, against what the servers hold
#
# Reads the records of the writers (test/lib/writer) and the tables of all servers, and
# answers with lists of violations, each in words; an empty list is good.
#
# The moment of an acknowledgement is known as an interval: it had not arrived
# at its first end, and had been read at the second.  Order is concluded only
# from intervals that do not overlap, so a client that is kept from running
# can neither cause a false alarm nor hide more than the interval.
package Chaos::Verify;

use strict;
use warnings;

use List::Util qw(max min);

# records: files; primary: node that is the primary at the end; others: the standbys; coordinator: node; sync: mode;
# copies: servers that may have been made anew, by name
sub new
{
	my ($class, %options) = @_;
	my $self = bless { %options, acks => [], refused => {}, attempted => {} }, $class;

	$self->_read_record($_) foreach @{ $options{records} };
	@{ $self->{acks} } = sort { $a->{at} <=> $b->{at} } @{ $self->{acks} };
	$self->_read_rows;
	$self->_read_operations;
	return $self;
}

sub _read_record
{
	my ($self, $file) = @_;

	open(my $in, '<', $file) or die "could not open \"$file\": $!\n";
	while (<$in>)
	{
		my ($what, $writer, $id, $at, $proof) = /^([aru]) (\d+) (\d+) (\d+)(?: (.*))?$/ or next;
		my $row = "$writer/$id";

		$self->{attempted}{$row} = 1;
		$self->{refused}{$row} = 1 if $what eq 'r';
		next if $what ne 'a';
		my ($from, $server, $timeline, $lsn) = split(/ /, $proof);
		push @{ $self->{acks} },
		  { row => $row, from => $from, at => $at, server => $server, timeline => $timeline, lsn => $lsn };
	}
	close($in);
	return;
}

sub _read_rows
{
	my ($self) = @_;
	my $query = q{SELECT writer || '/' || id, server || ' ' || timeline FROM chaos};

	foreach my $node ($self->{primary}, @{ $self->{others} })
	{
		push @{ $self->{rows}{ $node->name } }, map { [ split(/\|/) ] } split(/\n/, $node->safe_psql('postgres', $query));
	}
	$self->{present} = { map { $_->[0] => $_->[1] } @{ $self->{rows}{ $self->{primary}->name } } };
	return;
}

# What moved the primary: which timeline began where and on which server, when its promotion was ordered, lost_bytes.
sub _read_operations
{
	my ($self) = @_;
	my $answer = $self->{coordinator}->safe_psql('postgres', <<'EOF');
SELECT substring(s.detail FROM 'timeline (\d+)')::int, s.peer_name, h.event_id, h.kind, coalesce(h.lost_bytes::text, 'unknown'),
  (extract(epoch FROM s.started_at) * 1000000)::bigint, substring(s.detail FROM 'from (\S+)'), h.from_peer, h.attempts, h.status
FROM failover_timeline s JOIN failover_history h USING (event_id)
WHERE s.step = 'promote' AND s.status = 'done' AND s.detail ~ 'timeline \d+' ORDER BY s.started_at
EOF

	foreach my $line (split(/\n/, $answer))
	{
		my %operation;
		@operation{qw(timeline server event kind lost_bytes at fork from attempts status)} = split(/\|/, $line);
		push @{ $self->{operations} }, \%operation;
	}
	return;
}

sub acknowledged { my ($self) = @_; return @{ $self->{acks} } }
sub lost { my ($self) = @_; return grep { !exists $self->{present}{ $_->{row} } } @{ $self->{acks} } }

sub _name_row
{
	my ($ack) = @_;
	return sprintf('row %s, acknowledged by %s on timeline %d at %s, %.6f', @$ack{qw(row server timeline lsn)}, $ack->{at} / 1e6);
}

sub _lsn_bytes
{
	my ($lsn) = @_;
	my ($high, $low) = map { hex($_) } split(m{/}, $lsn);

	return $high * 2**32 + $low;
}

# What each failover lost that admits to have lost something, in words.
sub losses
{
	my ($self) = @_;
	my %lost;

	foreach my $ack ($self->lost)
	{
		my ($operation) = grep { $_->{timeline} > $ack->{timeline} && $_->{lost_bytes} ne '0' } @{ $self->{operations} };
		push @{ $lost{ $operation->{event} }{acks} }, $ack if defined $operation;
		$lost{ $operation->{event} }{operation} = $operation if defined $operation;
	}
	return map {
		my $operation = $lost{$_}{operation};
		my $fork = _lsn_bytes($operation->{fork});
		sprintf('%s %d lost %d rows, of which the last begins %d bytes behind its fork; lost_bytes %s', $operation->{kind}, $_,
			scalar(@{ $lost{$_}{acks} }), max(map { _lsn_bytes($_->{lsn}) - $fork } @{ $lost{$_}{acks} }), $operation->{lost_bytes})
	} sort { $a <=> $b } keys %lost;
}

# In the sync modes none may be lost; else those that a later failover does not deny to have lost.
sub wrongly_lost
{
	my ($self) = @_;
	my @wrong;

	foreach my $ack ($self->lost)
	{
		my @later = grep { $_->{timeline} > $ack->{timeline} } @{ $self->{operations} };
		next if $self->{sync} eq 'off' && grep { $_->{lost_bytes} ne '0' } @later;
		push @wrong, _name_row($ack) . '; later promotions: '
		  . join(', ', map { "$_->{kind} $_->{event} to $_->{server}, lost_bytes $_->{lost_bytes}" } @later);
	}
	return @wrong;
}

# The operation that lost the row because its successor had not received it, if it is plain what the old primary has
# to count when it rejoins: the first candidate took over, on the old one's timeline, and the old one has not been replaced again since.
sub _counted_by
{
	my ($self, $ack) = @_;
	my @operations = @{ $self->{operations} };
	my ($began) = grep { $_->{timeline} == $ack->{timeline} } @operations;
	my ($operation) = grep { $_->{timeline} > $ack->{timeline} } @operations;

	return undef if !defined $operation || $operation->{kind} ne 'failover' || $operation->{status} ne 'completed'
	  || $operation->{attempts} != 1 || $operation->{from} ne $ack->{server} || $self->{copies}{ $ack->{server} };
	my $fork = _lsn_bytes($operation->{fork});
	return undef if _lsn_bytes($ack->{lsn}) < $fork || (defined $began && _lsn_bytes($began->{fork}) > $fork)
	  || grep { $_->{from} eq $ack->{server} && $_->{event} > $operation->{event} } @operations;
	return $operation;
}

# Acknowledged rows beyond what the history counts as lost, although the server that lost them has rejoined.
sub uncounted
{
	my ($self) = @_;
	my @wrong;

	foreach my $ack ($self->lost)
	{
		my $operation = $self->_counted_by($ack) // next;
		my $beyond = _lsn_bytes($ack->{lsn}) - _lsn_bytes($operation->{fork});

		push @wrong, _name_row($ack) . sprintf(', %d bytes beyond the fork of failover %d, lost_bytes %s', $beyond, @$operation{qw(event lost_bytes)})
		  if $operation->{lost_bytes} eq 'unknown' || $operation->{lost_bytes} <= $beyond;
	}
	return @wrong;
}

# Timelines that two servers acknowledged on.
sub shared_timelines
{
	my ($self) = @_;
	my %servers;

	$servers{ $_->{timeline} }{ $_->{server} } = 1 foreach @{ $self->{acks} };
	return map { "timeline $_ was acknowledged on by " . join(' and ', sort keys %{ $servers{$_} }) }
	  grep { keys %{ $servers{$_} } > 1 } sort { $a <=> $b } keys %servers;
}

# Acknowledgements that came after one of a later timeline, or after the order to begin a later timeline.
sub late_acknowledgements
{
	my ($self) = @_;
	my (%first, @wrong);

	foreach my $ack (@{ $self->{acks} })
	{
		my $old = $first{ $ack->{timeline} };
		$first{ $ack->{timeline} } = { at => $ack->{at}, why => _name_row($ack) } if !defined $old || $ack->{at} < $old->{at};
	}
	foreach my $operation (@{ $self->{operations} })
	{
		my $old = $first{ $operation->{timeline} };
		next if defined $old && $old->{at} < $operation->{at};
		$first{ $operation->{timeline} } = {
			at => $operation->{at},
			why => sprintf('%s %d, promotion of %s ordered at %.6f', @$operation{qw(kind event server)}, $operation->{at} / 1e6)
		};
	}
	foreach my $ack (@{ $self->{acks} })
	{
		my ($earlier) = sort { $a->{at} <=> $b->{at} }
		  grep { $_->{at} < $ack->{from} } map { $first{$_} } grep { $_ > $ack->{timeline} } keys %first;
		push @wrong, _name_row($ack) . sprintf(' (not before %.6f), came after %s', $ack->{from} / 1e6, $earlier->{why}) if defined $earlier;
	}
	return @wrong;
}

# Rows that nobody sent, that were refused, that are there twice, or come from elsewhere than was acknowledged.
sub unexpected_rows
{
	my ($self) = @_;
	my (%seen, @wrong);

	foreach my $row (map { $_->[0] } @{ $self->{rows}{ $self->{primary}->name } })
	{
		push @wrong, "row $row was never sent" unless $self->{attempted}{$row};
		push @wrong, "row $row was refused, and is there" if $self->{refused}{$row};
		push @wrong, "row $row is there twice" if $seen{$row}++;
	}
	foreach my $ack (@{ $self->{acks} })
	{
		my $origin = $self->{present}{ $ack->{row} } // next;
		push @wrong, _name_row($ack) . ", is there from $origin" if $origin ne "$ack->{server} $ack->{timeline}";
	}
	return @wrong;
}

# Standbys whose rows are not those of the primary.
sub differing_standbys
{
	my ($self) = @_;
	my $primary = $self->{primary}->name;
	my %contents = map { my $name = $_; $name => join("\n", sort map { "@$_" } @{ $self->{rows}{$name} }) } keys %{ $self->{rows} };

	return map {
		sprintf('%s has %d rows, %s %d', $_, scalar(@{ $self->{rows}{$_} }), $primary, scalar(@{ $self->{rows}{$primary} }))
	} grep { $contents{$_} ne $contents{$primary} } sort keys %contents;
}

# Between two moments (seconds): the longest time without an acknowledgement, the sum of those over 0.1 s, and how many came.
sub outage
{
	my ($self, $from, $to) = @_;
	my ($last, $longest, $total, $n) = ($from, 0, 0, 0);

	foreach my $at ((grep { $_ >= $from && $_ < $to } map { $_->{at} / 1e6 } @{ $self->{acks} }), $to)
	{
		my $gap = $at - $last;
		$longest = max($longest, $gap);
		$total += $gap if $gap > 0.1;
		$last = $at;
		$n++;
	}
	return ($longest, $total, $n - 1);
}

1;
