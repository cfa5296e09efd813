# A primary without the node library has standbys that have it: SQL is all that
# could fence it, and its successor has a lease from the first commit on.  The old
# primary returns as what it was: it is made read-only, and named, until it has the
# library, too, and then becomes a standby by itself.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $library = q{shared_preload_libraries = 'failover'};
my $t = FailoverTest->new(
	library => 1,
	conf => "wal_keep_size = 256MB\nwal_retrieve_retry_interval = 500ms",
	conf_of => { p => q{shared_preload_libraries = ''}, a => $library, b => $library },
	settings => { block_period => '0', rejoin_backoff => '500ms' })->start;
my $p = $t->node('p');
my $writer = $t->start_writer(timeout_ms => 1000);
my $has_lease = q{SELECT count(*) FROM failover_health('main') WHERE lease_until IS NOT NULL};

is($t->status('fencing'), 'sql', 'a primary without the library is fenced by SQL');
is($t->sql($has_lease), '0', 'nobody has a lease');
like($t->sql(q{SELECT string_agg(finding, '; ') FROM failover_preflight('main') WHERE peer_name = 'p' AND severity = 'warning'}),
	qr/has no node library/, 'preflight says it');

# ---- it is replaced ----

$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'killed, it is replaced');
my $new = $t->node($t->one_primary_ok);
is($t->status('fencing'), 'lease', 'its successor is fenced by a lease');
is($new->safe_psql('postgres', 'SELECT may_commit FROM failover_node_status()'), 't', 'which it holds');
is($t->sql(q{SELECT status, detail FROM failover_timeline WHERE step = 'lease'}), 'skipped|it needs no lease: it has no node library', 'for the end of no lease was waited');
ok($writer->wait_for_more(50), 'clients write');
my ($other) = grep { $_ ne 'p' && $_ ne $new->name } $t->names;
ok($t->wait_for_following($t->node($other), $new), 'the other standby follows');

# ---- it returns ----

$p->wait_killed;
$p->start;
ok($t->wait_for_sql($p, 'SHOW default_transaction_read_only', 'on'), 'it returns as a primary, and is made read-only');
ok($t->wait_for(q{SELECT degraded AND array_to_string(degraded_reasons, '; ') ~ '"p" is fenced: it was the primary' FROM failover_status('main')}), 'the status says so');
$t->one_primary_ok;
$t->no_failover_ok(3, 'and nothing more is done with it');
$p->append_conf('postgresql.conf', $library);
$p->restart;
ok($t->wait_for_following($p, $new), 'with the library it becomes a standby by itself');
ok($t->wait_for_state('healthy'), 'full redundancy');
ok($writer->wait_for_more(50), 'clients write');
$writer->stop;
$t->losses_counted_ok($writer, $new);

done_testing();
