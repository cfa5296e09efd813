# sync_mode is switched off while a former primary is fenced with SQL.  The end of
# the fence puts back what it has replaced, a set of the coordinator's: that has to
# go as well.
use strict;
use warnings;

use FailoverTest;
use PostgreSQL::Test::Utils ();
use Test::More;

my $t = FailoverTest->new(standbys => 2, conf => 'wal_keep_size = 256MB', settings => { sync_mode => 'quorum', block_period => '0' })->start;
my $p = $t->node('p');
my $conf = $p->data_dir . '/postgresql.auto.conf';
my $fence = q{SELECT setting ~ '^FIRST 1' FROM pg_settings WHERE name = 'synchronous_standby_names'};
my $leftovers = q{SELECT count(*) FROM pg_file_settings WHERE name = 'synchronous_standby_names' AND sourcefile ~ 'auto[.]conf$'};

$t->sync_set_ok('p', qw(a b));
$p->freeze('all');
ok($t->wait_for_failover('p'), 'a frozen primary is replaced');
my $new = $t->node($t->status('primary_peer'));
$p->thaw;
ok($t->wait_for_sql($p, $fence), 'and fenced when it wakes up');
ok($t->wait_for(q{SELECT fence_saved ->> 'synchronous_standby_names' ~ '^ANY 1' FROM failover_peer_state WHERE peer_name = 'p'}), 'its set is kept for later');
$t->set('sync_mode', 'off');
ok($t->wait_for_sql($new, $leftovers, '0'), 'sync_mode is off: the primary is rid of its set');
$t->wait_for_checks(3);
is($p->ask($fence), 't', 'the fence stays');

# A rewind that keeps the server's own configuration.
$p->stop('fast');
my $kept = PostgreSQL::Test::Utils::slurp_file($conf);
PostgreSQL::Test::Utils::system_or_bail('pg_rewind', '--target-pgdata', $p->data_dir, '--source-server', $new->conninfo);
open(my $out, '>', $conf) or die "could not write $conf: $!";
print $out $kept, "primary_conninfo = '", $new->conninfo, " application_name=p'\n";
close($out);
$p->append_conf('standby.signal', '');
$p->append_conf('postgresql.conf', $p->common_conf);
$p->start;
ok($t->wait_for_sql($p, q{SHOW default_transaction_read_only}, 'off'), 'it is a standby: its fence is lifted');
ok($t->wait_for_sql($p, $leftovers, '0'), 'and what that has put back is gone');
ok($t->wait_for(q{SELECT bool_and(NOT sync_reset_due AND fenced_at IS NULL) FROM failover_peer_state}), 'nobody is left to be asked');

done_testing();
