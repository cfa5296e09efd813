# A demoted primary that the new one does not let in waits until that is mended:
# nobody restarts it, and nobody is told to throw its data away.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $t = FailoverTest->new(library => 1, standbys => 1, conf => 'wal_keep_size = 256MB')->start;
my ($p, $a) = $t->nodes;
my $trusting = PostgreSQL::Test::Utils::slurp_file($a->data_dir . '/pg_hba.conf');
my $file = PostgreSQL::Test::Utils::tempdir('hba') . '/pg_hba.conf';
my $restarts = sub { my $n = () = $p->logged(qr/failover: restarting in place/); return $n };

# When the switchover has been found possible, and cannot be undone any more.
PostgreSQL::Test::Utils::append_to_file($file, "local all all trust\nlocal replication all trust\nhost all all all trust\nhost replication all all reject\n");
$p->run_at('demote', "cp $file " . $a->data_dir . '/pg_hba.conf; ' . $a->config_data('--bindir') . '/pg_ctl reload -s -D ' . $a->data_dir);
is($t->sql(q{SELECT status, to_peer FROM failover_switchover('main', 'a')}), 'completed|a', 'a switchover');
like($t->sql(q{SELECT status || ' ' || detail FROM failover_timeline WHERE step = 'follow'}),
	qr/^failed it is a standby, but does not stream: walreceiver /, 'whose old primary cannot follow');
is($restarts->(), 1, 'it was restarted once, to be a standby');
is($p->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'and serves as one');

# The coordinator tries to mend it, which takes no restart.
ok($t->wait_for(q{SELECT count(*) > 0 FROM failover_history WHERE kind = 'rejoin' AND status <> 'in_progress'}), 'it is pointed at the primary');
is($t->sql(q{SELECT string_agg(hint, ' ') ~ 'clone' FROM failover_preflight('main') WHERE peer_name = 'p'}), 'f', 'nobody is told to clone it');
is($restarts->(), 1, 'nor was it restarted');

$a->set_hba($trusting);
ok($t->wait_for_following($p, $a), 'let in, it follows');
is($restarts->(), 1, 'without a restart');
is($p->safe_psql('postgres', 'SELECT rewind_ms IS NULL FROM failover_node_status()'), 't', 'and without a rewind');
ok($t->wait_for_state('healthy'), 'full redundancy');
is($t->one_primary_ok, 'a', 'under the new primary');

done_testing();
