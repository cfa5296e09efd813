# The extension is created anew on running servers, in another schema: checks find
# its functions there, and the lease does not lapse.  Where it is dropped the peer
# is one without the library, which answers; where it changes into something that
# does not fit, as well.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, conf => 'wal_keep_size = 256MB', settings => { block_period => '0' })->start;
my $p = $t->node('p');
my $with_library = q{SELECT count(*) FROM failover_health() WHERE node_library AND health = 'healthy' AND last_error IS NULL};
my $without_library = q{SELECT count(*) FROM failover_health() WHERE NOT node_library AND health = 'healthy' AND last_error IS NULL};
my $lease = q{SELECT lease_until > clock_timestamp() FROM failover_health('main', 'p')};
my $failures = q{SELECT sum(value) FROM failover_metrics() WHERE name = 'failover_check_failures_total'};

sub events
{
	my ($kind) = @_;
	return $t->sql("SELECT string_agg(DISTINCT peer_name || ' ' || severity, ', ') FROM failover_events WHERE kind = '$kind'");
}

my $writer = $t->start_writer(timeout_ms => 2000);
my $failures_before = $t->sql($failures);

# ---- in another schema ----

$p->safe_psql('postgres', 'BEGIN; DROP EXTENSION failover; CREATE SCHEMA ha; CREATE EXTENSION failover SCHEMA ha; COMMIT');
ok($t->wait_for_sql($t->node($_), q{SELECT to_regproc('ha.failover_node_status') IS NOT NULL}), "$_ has it in another schema") foreach $t->names;
$t->wait_for_checks(3);
is($t->sql($with_library), '3', 'checks are heartbeats of what is there now');
ok($t->wait_for($lease), 'the primary has its lease');
is($t->sql($failures), $failures_before, 'no check has failed');
ok($t->wait_for_state('healthy'), 'all is well');

# ---- dropped ----

$p->safe_psql('postgres', 'DROP EXTENSION failover');
ok($t->wait_for($without_library, '3'), 'dropped: everybody is well, without the library');
is(events('library_lost'), 'a warning, b warning, p warning', 'dropped: which is told');
is($t->status('fencing'), 'sql', 'dropped: the status says what is left');
is($t->sql(q{SELECT count(*) FROM failover_preflight('main') WHERE severity = 'warning' AND finding ~ '^its node library cannot be asked'}), '3',
	'dropped: so does the preflight');
ok($t->wait_for(q{SELECT state = 'degraded' AND array_to_string(degraded_reasons, '; ') ~ 'primary "p" commits by lease, and cannot be asked or granted one' FROM failover_status('main')}),
	'dropped: the status gives the reason');

is($t->sql(q{SELECT armed FROM failover_peer_state WHERE peer_name = 'p'}), 't',
	'dropped: the gate is known to be there: a failover would wait for the end of the lease');

# ---- one that does not fit ----

$p->safe_psql('postgres', q{CREATE EXTENSION failover SCHEMA ha});
ok($t->wait_for($with_library, '3'), 'created again: it is found');
is(events('library_found'), 'a notice, b notice, p notice', 'created again: which is told');
$p->safe_psql('postgres', <<'EOF');
ALTER FUNCTION ha.failover_node_heartbeat RENAME TO failover_node_heartbeat_once;
ALTER EXTENSION failover DROP FUNCTION ha.failover_node_heartbeat_once;
DROP FUNCTION ha.failover_node_heartbeat_once;
CREATE FUNCTION ha.failover_node_heartbeat(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT $1';
EOF
ok($t->wait_for($without_library, '3'), 'other functions than expected: everybody is well, without the library');
is($t->sql($failures), $failures_before, 'no check has failed');
$p->safe_psql('postgres', <<'EOF');
DROP FUNCTION ha.failover_node_heartbeat(bigint);
DROP EXTENSION failover;
CREATE EXTENSION failover SCHEMA public;
EOF
ok($t->wait_for($with_library, '3'), 'put right: the library is found');
ok($t->wait_for($lease), 'put right: the primary has its lease');
ok($writer->wait_for_more(20), 'clients write');
is(scalar($writer->errors), 0, 'all the time');

# ---- and failover is alive ----

$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'a dead primary is replaced');
$t->one_primary_ok;
ok($writer->wait_for_more(20), 'clients go on');
$writer->stop;

# ---- dropped, and the server is started anew: nothing but a write shows that it refuses commits ----

my $new = $t->node($t->status('primary_peer'));
my $name = $new->name;
$t->sql(q{SELECT failover_pause('main')});
$new->safe_psql('postgres', 'DROP EXTENSION failover');
$new->restart;
ok($t->wait_for(qq{SELECT array_to_string(degraded_reasons, '; ') ~ 'primary "$name" holds no lease and refuses commits: the extension is gone there' FROM failover_status('main')}),
	'a primary that nobody can grant a lease: the status says so');
ok($t->wait_for(q{SELECT rule = 38 FROM failover_evaluate('main')}), 'so does the verdict');
$t->sql(q{SELECT failover_resume('main')});
$t->no_failover_ok(7, 'it is not replaced: the next one would refuse as well');
$new->safe_psql('postgres', 'BEGIN; CREATE EXTENSION failover; SELECT failover_node_release(); COMMIT');
ok($t->wait_for($lease =~ s/'p'/'$name'/r), 'with the extension it has a lease again');
ok($t->wait_for(q{SELECT array_to_string(degraded_reasons, '; ') !~ 'lease' FROM failover_status('main')}), 'and nothing more is said');

done_testing();
