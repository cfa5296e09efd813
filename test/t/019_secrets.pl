# Drill: secrets.  A conninfo with a password is refused with a hint, and is not
# repeated; what comes from the passfile is in no log, table, view, event, error,
# notification or pg_stat_activity, on no server, also after a failover.
use strict;
use warnings;

use FailoverTest;
use Test::More;

my $secret = 'xyzzy' . $$ . 'plugh';
my $t = FailoverTest->new;
my $coordinator = $t->coordinator;

$t->start_servers;
my ($p, $a, $b) = $t->nodes;
$p->safe_psql('postgres', <<"EOF");
SET log_statement = none;
SET password_encryption = 'scram-sha-256';
CREATE ROLE watcher LOGIN SUPERUSER REPLICATION PASSWORD '$secret';
EOF
ok($t->wait_for_sql($_, q{SELECT count(*) = 1 FROM pg_roles WHERE rolname = 'watcher'}), 'the role is on ' . $_->name) foreach $a, $b;

# Everybody else by trust, this role by its password.
foreach my $node ($p, $a, $b)
{
	my $hba = PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/pg_hba.conf');
	$node->set_hba("host all watcher all scram-sha-256\nhost replication watcher all scram-sha-256\n$hba");
}

# Two ways to a password: the coordinator's passfile, and one that a DBA wrote into a standby's primary_conninfo.
my $passfile = PostgreSQL::Test::Utils::tempdir('pass') . '/pgpass';
PostgreSQL::Test::Utils::append_to_file($passfile, "*:*:*:watcher:$secret\n");
chmod(0600, $passfile) or die "could not chmod: $!";
$t->{coordinator_conf} = "failover.passfile = '$passfile'";
$t->start_coordinator;
# Before anything else, a listener for notifications.
my $listener = $coordinator->background_psql('postgres');
$listener->query('LISTEN failover');

my ($status, undef, $error) = $t->try_sql("SELECT failover_register('main', 'p', '" . $p->conninfo . " password=$secret')");
isnt($status, 0, 'a conninfo with a password is refused');
like($error, qr/22023: .*HINT:.*passfile/s, 'with a hint where it belongs');
unlike($error =~ s/^.*?STATEMENT.*$//mr, qr/ERROR:[^\n]*$secret/, 'and the error does not repeat it');
# The statement itself is the caller's: a server that logs failed statements logs it.
$coordinator->rotate_logfile;
$coordinator->restart;
$listener = $coordinator->background_psql('postgres');
$listener->query('LISTEN failover');

foreach my $node ($p, $a, $b)
{
	my $conninfo = $node->conninfo =~ s/user=\S+/user=watcher/r;
	$t->sql("SELECT failover_register('main', '" . $node->name . "', '$conninfo')");
}
ok($t->wait_for_state('healthy'), 'the passfile lets the coordinator in');

$p->kill_hard('all');
ok($t->wait_for_failover('p'), 'and lets it fail over');
my $new = $t->one_primary_ok;

# Wherever it could have got to.
sub nowhere_ok
{
	my ($text, $where) = @_;
	ok(index($text, $secret) < 0, "the password is not in $where");
	return;
}
my ($dump) = PostgreSQL::Test::Utils::run_command([ 'pg_dump', '-d', $coordinator->connstr('postgres') ]);
nowhere_ok($dump, 'a dump of the coordinator');
nowhere_ok($t->sql($_), $_)
  foreach map { "SELECT * FROM $_" } qw(failover_peers failover_events failover_history failover_timeline failover_status()
	failover_health() failover_metrics() failover_settings pg_stat_activity pg_settings);
nowhere_ok(PostgreSQL::Test::Utils::slurp_file($_->logfile), 'the log of ' . $_->name) foreach $coordinator, $a, $b;
foreach my $node ($a, $b)
{
	nowhere_ok($node->safe_psql('postgres', 'SELECT * FROM pg_stat_activity'), 'pg_stat_activity of ' . $node->name);
	nowhere_ok($node->safe_psql('postgres', 'SELECT name, setting FROM pg_settings'), 'pg_settings of ' . $node->name);
	nowhere_ok(PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postgresql.auto.conf'), 'postgresql.auto.conf of ' . $node->name);
}
my $notified = $listener->query('SELECT 1');
like($notified, qr/Asynchronous notification "failover"/, 'the failover was notified');
nowhere_ok($notified, 'the notifications');
$listener->quit;

done_testing();
