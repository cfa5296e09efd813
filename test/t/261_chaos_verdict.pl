# What test/chaos concludes from records and tables: each kind of violation is
# found when it is planted, and a run without any is clean.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../chaos";

use Chaos::Plan;
use Chaos::Verify;
use PostgreSQL::Test::Utils ();
use Test::More;

# A server that answers with what it was given.
package Answering;
sub new { my ($class, $name, @lines) = @_; return bless { name => $name, answer => join("\n", @lines) }, $class }
sub name { my ($self) = @_; return $self->{name} }
sub safe_psql { my ($self) = @_; return $self->{answer} }
package main;

# Two servers, a failover at 50 seconds; a is the primary of timeline 2.
my @record = (
	'a 1 1 10000100 10000000 p 1 0/100',
	'a 1 2 20000100 20000000 p 1 0/200',
	'r 1 3 40000000',
	'u 1 4 45000000',
	'a 1 5 60000100 60000000 a 2 0/300');
my @rows = ('1/1|p 1', '1/2|p 1', '1/5|a 2');

sub verify
{
	my (%with) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir('record') . '/record';
	my @operation = join('|', 2, 'a', 7, 'failover', $with{lost_bytes} // '0', 50000000, '0/150', 'p', $with{attempts} // 1, 'completed');

	PostgreSQL::Test::Utils::append_to_file($file, join("\n", @{ $with{record} // \@record }, ''));
	return Chaos::Verify->new(
		records => [$file],
		primary => Answering->new('a', @{ $with{rows} // \@rows }),
		others => [ Answering->new('p', @{ $with{others} // $with{rows} // \@rows }) ],
		coordinator => Answering->new('coordinator', @operation),
		copies => $with{copies} // {},
		sync => $with{sync} // 'off');
}

my @checks = qw(wrongly_lost uncounted late_acknowledgements shared_timelines unexpected_rows differing_standbys);

# Which of the checks speak up, and what the first of them says.
sub found
{
	my ($verify) = @_;
	return join(' ', grep { my @violations = $verify->$_; @violations > 0 } @checks);
}

is(found(verify()), '', 'a good run is clean');
is(scalar(verify()->acknowledged), 3, 'three commits were acknowledged');

my @lossy = grep { $_ !~ m{^1/2} } @rows;
is(found(verify(rows => \@lossy)), 'wrongly_lost uncounted', 'a lost row that the failover denies');
is(found(verify(rows => \@lossy, lost_bytes => '200')), '', 'one that it admits, asynchronously');
is(join('; ', verify(rows => \@lossy, lost_bytes => '200')->losses),
	'failover 7 lost 1 rows, of which the last begins 176 bytes behind its fork; lost_bytes 200', 'and how much of it');
is(found(verify(rows => \@lossy, lost_bytes => 'unknown')), 'uncounted', 'one that the old primary should have counted');
is(found(verify(rows => \@lossy, lost_bytes => '100')), 'uncounted', 'one beyond what it has counted');
is(found(verify(rows => \@lossy, lost_bytes => 'unknown', attempts => 2)), '', 'one that it cannot count, after two candidates');
is(found(verify(rows => \@lossy, lost_bytes => 'unknown', copies => { p => 1 })), '', 'or since it was made anew');
is(found(verify(rows => \@lossy, lost_bytes => '200', sync => 'quorum')), 'wrongly_lost', 'no admission helps in the sync modes');
my @last = grep { $_ !~ m{^1/5} } @rows;
is(found(verify(rows => \@last, lost_bytes => '200')), 'wrongly_lost', 'a failover admits nothing that came after it');

is(found(verify(record => [ @record, 'a 2 1 61000100 61000000 p 1 0/400' ], rows => [ @rows, '2/1|p 1' ])),
	'late_acknowledgements', 'the old primary acknowledges after the new one');
is(found(verify(record => [ @record, 'a 2 1 55000100 55000000 p 1 0/400' ], rows => [ @rows, '2/1|p 1' ])),
	'late_acknowledgements', 'and after the promotion was ordered');
is(found(verify(record => [ @record, 'a 2 1 61000100 49000000 p 1 0/400' ], rows => [ @rows, '2/1|p 1' ])),
	'', 'not where the client may only have read it late');
is(found(verify(record => [ @record, 'a 2 1 62000100 62000000 p 2 0/400' ], rows => [ @rows, '2/1|p 2' ])),
	'shared_timelines', 'two servers acknowledge on one timeline');

is(found(verify(rows => [ @rows, '1/3|p 1' ])), 'unexpected_rows', 'a refused row is there');
is(found(verify(rows => [ @rows, '1/4|p 1' ])), '', 'one of unknown outcome may be');
is(found(verify(rows => [ @rows, '1/6|a 2' ])), 'unexpected_rows', 'a row that nobody sent');
is(found(verify(rows => [ @rows, '1/1|p 1' ])), 'unexpected_rows', 'a row that is there twice');
is(found(verify(rows => [ '1/1|p 1', '1/2|a 2', '1/5|a 2' ])), 'unexpected_rows', 'a row from elsewhere than acknowledged');
is(found(verify(others => \@lossy)), 'differing_standbys', 'a standby that lacks a row');

is_deeply([ map { sprintf('%.1f', $_) } (verify()->outage(5, 65))[ 0, 1 ] ], [ '40.0', '60.0' ], 'outages are the times without an acknowledgement');

# The same seed, the same plan.
my @plans = map { Chaos::Plan::draw(seed => $_, rounds => 20, wires => 1) } 42, 42, 43;
is_deeply($plans[0], $plans[1], 'a seed stands for one plan');
isnt(Chaos::Plan::describe($plans[0]), Chaos::Plan::describe($plans[2]), 'another one for another');
is(join(' ', map { Chaos::Plan::draw(seed => $_, rounds => 1, wires => 1)->{settings}{sync_mode} } 1, 4), 'quorum off', 'the two of test/check have these modes');
my $forced = Chaos::Plan::draw(seed => 42, rounds => 20, wires => 1, sync => 'strict');
is_deeply($forced->{rounds}, $plans[0]{rounds}, 'a wish for a mode leaves the faults as they are');

done_testing();
