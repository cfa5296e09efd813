/*-------------------------------------------------------------------------
 *
 * test_preflight.c
 *		The table of findings: what each row takes to be found, and that a
 *		group in order has none.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "core/preflight.h"
#include "scene.h"

static FoPeerFacts facts[SCENE_PEERS];
static FoPreflightFinding finding;

/* A group in which there is nothing to find. */
static void
begin(void)
{
	static const char *const well[][2] = {
		{"wal_log_hints", "on"}, {"data_checksums", "off"}, {"full_page_writes", "on"}, {"fsync", "on"},
		{"hot_standby", "on"}, {"restart_after_crash", "on"}, {"max_replication_slots", "10"},
		{"max_wal_senders", "10"}, {"max_connections", "100"}, {"max_worker_processes", "8"},
		{"max_prepared_transactions", "0"}, {"max_locks_per_transaction", "64"}, {"wal_keep_size", "1024"}, {"max_wal_size", "1024"},
		{"max_slot_wal_keep_size", "1024"}, {"wal_receiver_timeout", "5000"},
		{"wal_retrieve_retry_interval", "100"}, {"wal_receiver_status_interval", "10"}, {"wal_level", "replica"}, {"archive_mode", "off"},
		{"recovery_target_timeline", "latest"}, {"synchronous_commit", "on"}, {"has_archive_command", "false"},
		{"has_restore_command", "false"}, {"may_replicate", "true"}, {"slots_n", "2"}, {"slots", "pg2"}, {"slots", "pg3"},
	};
	int			peer;
	size_t		i;

	scene_begin();
	group.is_sync_managed = true;
	group.settings.sync_mode = FO_SYNC_QUORUM;
	strcpy(group.sync_names, "ANY 1 (pg2, pg3)");
	strcpy(group.sync_before, group.sync_names);
	for (peer = 0; peer < SCENE_PEERS; peer++)
	{
		fo_core_facts_init(&facts[peer]);
		facts[peer].at = 1;
		facts[peer].is_known = true;
		for (i = 0; i < sizeof(well) / sizeof(well[0]); i++)
			CHECK(fo_core_facts_put(&facts[peer], well[i][0], well[i][1]));
		peers[peer].observed.has_node_library = peers[peer].observed.has_node_worker = true;
	}
	CHECK(fo_core_facts_put(&facts[PG2], "primary_slot_name", "pg2"));
	CHECK(fo_core_facts_put(&facts[PG3], "primary_slot_name", "pg3"));
}

/* Number of findings; the last one is in `finding`. */
static int
count_findings(void)
{
	FoPreflightInput input = {.group = &group,.facts = facts};
	FoPreflightFinding found;
	int			n = 0;
	int			peer;
	int			rule;

	for (peer = -1; peer < group.peers_n; peer++)
	{
		for (rule = 0; rule < fo_core_preflight_rules_n(); rule++)
		{
			if (!fo_core_preflight_try(&input, rule, peer, &found))
				continue;
			CHECK_INT(found.peer, peer);
			CHECK(found.finding[0] != '\0' && strstr(found.finding, "%d") == NULL);
			CHECK(found.hint[0] != '\0' && found.hint[strlen(found.hint) - 1] == '.');
			finding = found;
			n++;
		}
	}
	return n;
}

/* One finding, and exactly this one. */
#define CHECK_FOUND(about, severity_expected, text) \
	do { \
		CHECK_INT(count_findings(), 1); \
		CHECK_INT(finding.peer, about); \
		CHECK_TEXT(fo_core_preflight_severity_name(finding.severity), severity_expected); \
		CHECK_TEXT(finding.finding, text); \
	} while (0)

typedef struct FactCase
{
	int			peer;
	const char *name;
	const char *value;
	const char *severity;
	const char *finding;
} FactCase;

static const FactCase cases[] = {
	{PG2, "fsync", "off", "error", "fsync is off: acknowledged commits may be lost"},
	{PG2, "hot_standby", "off", "error", "hot_standby is off: as a standby it takes no connections, also not from the coordinator"},
	{PG3, "allow_alter_system", "off", "error", "allow_alter_system is off: the coordinator cannot have it follow another server, or fence it"},
	{PG1, "recovery_targets", "recovery_target_time", "error", "a recovery target is set: as a standby it stops there, or promotes itself: recovery_target_time"},
	{PG2, "recovery_targets", "recovery_target_xid", "error", "a recovery target is set: as a standby it stops there, or promotes itself: recovery_target_xid"},
	{PG3, "wal_level", "minimal", "error", "wal_level is minimal: no standby can follow it"},
	{PG3, "full_page_writes", "off", "warning", "full_page_writes is off: it cannot be rewound"},
	{PG1, "wal_log_hints", "off", "warning", "neither wal_log_hints nor data checksums are on: it cannot be rewound"},
	{PG1, "restart_after_crash", "off", "info", "restart_after_crash is off: the crash of one backend becomes a failover"},
	{PG1, "max_slot_wal_keep_size", "-1", "info", "max_slot_wal_keep_size is unlimited: a slot that nobody reads fills the disk"},
	{PG1, "synchronous_commit", "local", "warning", "synchronous_commit is local by default: commits wait for no standby"},
	{PG1, "lost_slots", "old", "error", "slots have lost their WAL: old"},
	{PG1, "logical_slots", "sub", "warning", "logical slots do not follow a failover by themselves: sub"},
	{PG2, "logical_slots", "sub", "warning", "logical slots that nobody reads hold back WAL on this standby: sub"},
	{PG2, "archive_mode", "on", "warning", "archive_mode is on without a command or a library: WAL piles up"},
	{PG2, "missing_privileges", "pg_monitor", "error", "the coordinator's role lacks privileges: pg_monitor"},
	{PG2, "missing_rewind_privileges", "pg_ls_dir", "warning", "it cannot be rewound: the role of its primary_conninfo may not call pg_ls_dir"},
	{PG2, "unreachable_upstreams", "\"pg1\", \"pg3\": no pg_hba.conf entry", "warning", "could not follow \"pg1\", \"pg3\": no pg_hba.conf entry"},
	{PG2, "unreachable_sources", "\"pg1\", \"pg3\": no pg_hba.conf entry", "warning", "could not be rewound from \"pg1\", \"pg3\": no pg_hba.conf entry"},
	{PG3, "return_problem", "no pg_hba.conf entry", "warning", "the primary could not follow it after a switchover: no pg_hba.conf entry"},
	{PG2, "may_replicate", "false", "warning", "the coordinator's role may not replicate: rewinding or cloning a peer with this role fails"},
	{PG2, "max_connections", "50", "error", "max_connections is 50, and 100 on the primary: recovery stops, and clients are turned away after a failover"},
	{PG2, "max_worker_processes", "4", "error", "max_worker_processes is 4, and 8 on the primary: recovery stops"},
	{PG2, "max_locks_per_transaction", "32", "error", "max_locks_per_transaction is 32, and 64 on the primary: recovery stops"},
	{PG2, "max_wal_senders", "9", "error", "max_wal_senders is 9, and 10 on the primary: recovery stops"},
	{PG3, "max_connections", "200", "warning", "max_connections is 200, and 100 on the primary: that one could not follow it after a switchover"},
	{PG3, "max_locks_per_transaction", "128", "warning", "max_locks_per_transaction is 128, and 64 on the primary: that one could not follow it after a switchover"},
	{PG2, "recovery_target_timeline", "current", "error", "recovery_target_timeline is \"current\": it would not follow a new primary"},
	{PG2, "primary_slot_name", "gone", "error", "the primary has no slot \"gone\", which it uses"},
	{PG2, "wal_receiver_timeout", "60000", "warning", "wal_receiver_timeout is 60.0 s: it notices the silence of a primary late"},
	{PG2, "wal_receiver_timeout", "0", "warning", "wal_receiver_timeout is off: it notices the silence of a primary late"},
	{PG2, "wal_retrieve_retry_interval", "5000", "info", "wal_retrieve_retry_interval is 5.0 s: a connect that fails is repeated late"},
	{PG2, "wal_receiver_status_interval", "0", "warning", "wal_receiver_status_interval is 0: it does not renew the lease of a primary while the coordinator is away"},
	{PG2, "has_restore_command", "true", "info", "restore_command is run several times in a promotion"},
};

TEST("preflight: what a rewind by hand would need is worth a word, not a warning")
{
	begin();
	peers[PG2].observed.has_node_library = false;
	CHECK_INT(count_findings(), 1);
	CHECK(fo_core_facts_put(&facts[PG2], "missing_rewind_privileges", "pg_ls_dir"));
	CHECK_INT(count_findings(), 2);
	peers[PG2].observed.has_node_library = true;
	CHECK_FOUND(PG2, "warning", "it cannot be rewound: the role of its primary_conninfo may not call pg_ls_dir");
}

TEST("preflight: several reasons why a server could not be rewound are told apart")
{
	begin();
	CHECK(fo_core_facts_put(&facts[PG1], "unreachable_sources", "\"pg2\": no password supplied"));
	CHECK(fo_core_facts_put(&facts[PG1], "unreachable_sources", "\"pg3\": Connection refused"));
	CHECK_FOUND(PG1, "warning", "could not be rewound from \"pg2\": no password supplied; \"pg3\": Connection refused");

	/* Of who does not say anything now, nothing is known. */
	facts[PG1].is_known = false;
	CHECK_FOUND(PG1, "warning", "did not answer the questions of this check");
}

TEST("preflight: a group in order has no findings")
{
	begin();
	CHECK_INT(count_findings(), 0);
}

TEST("preflight: what a peer says of itself is found, and nothing else with it")
{
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		unit_context(cases[i].finding);
		begin();
		CHECK(fo_core_facts_put(&facts[cases[i].peer], cases[i].name, cases[i].value));
		CHECK_FOUND(cases[i].peer, cases[i].severity, cases[i].finding);
	}
	unit_context("");
}

TEST("preflight: what the coordinator has observed is found")
{
	begin();
	fail(PG3, FO_ERROR_REFUSED, 3, 3);
	facts[PG3].is_known = false;
	CHECK_FOUND(PG3, "error", "does not answer (refused): nothing else is known of it");

	begin();
	facts[PG3].is_known = false;
	CHECK_FOUND(PG3, "warning", "did not answer the questions of this check");

	begin();
	peers[PG2].observed.has_upstream_password = true;
	CHECK_FOUND(PG2, "error", "primary_conninfo carries a password: it is shown to many, and the coordinator does not operate the peer");

	begin();
	peers[PG2].is_history_rejected = true;
	CHECK_FOUND(PG2, "error", "cannot take over: its history has diverged from the primary's");
	begin();
	peers[PG2].observed.timeline = 2;
	CHECK_FOUND(PG2, "error", "cannot take over: it is on timeline 2, and the primary on 1");
	CHECK(strstr(finding.hint, "clone") != NULL);

	/* Who only has not followed yet is not to be thrown away. */
	begin();
	peers[PG1].observed.timeline = 2;
	peers[PG3].observed.timeline = 2;
	CHECK_FOUND(PG2, "error", "cannot take over: it is on timeline 1, and the primary on 2");
	CHECK(strstr(finding.hint, "clone") == NULL);
	begin();
	peers[PG2].observed.system_identifier++;
	CHECK_FOUND(PG2, "error", "belongs to another database system");

	/* A former primary that does not come back is told why, as a standby is; of the primary it is told peer by peer. */
	begin();
	CHECK(fo_core_facts_put(&facts[PG1], "unreachable_upstreams", "\"pg2\": no entry"));
	CHECK_INT(count_findings(), 0);
	begin();
	promote(PG3, 1);
	CHECK(fo_core_facts_put(&facts[PG3], "unreachable_upstreams", "\"pg1\": no entry"));
	CHECK_FOUND(PG3, "warning", "could not follow \"pg1\": no entry");

	begin();
	peers[PG2].received_at = 0;
	peers[PG2].observed.receiver = FO_RECEIVER_NONE;
	CHECK_FOUND(PG2, "error", "does not receive from the primary: it is no candidate");

	begin();
	peers[PG2].observed.server_version = 150003;
	CHECK_FOUND(PG2, "warning", "its version is 15.3, and the primary's 15.0");

	begin();
	peers[PG2].observed.has_node_worker = false;
	CHECK_FOUND(PG2, "error", "the background worker of the node library does not run: it renews no lease, and cannot become a standby by itself");
	begin();
	peers[PG2].observed.has_node_library = false;
	CHECK_FOUND(PG2, "warning", "has no node library: a silent primary cannot be fenced but by SQL, and a former primary does not rejoin by itself");
	CHECK(fo_core_facts_put(&facts[PG2], "has_library_loaded", "true"));
	CHECK_FOUND(PG2, "warning", "its node library cannot be asked: the extension is not in this database, or does not fit, or the coordinator's role may not call it");

	begin();
	strcpy(peers[PG2].observed.application_name, "\xC3\xA4");
	CHECK_FOUND(PG2, "warning", "its application_name is not plain ASCII, or too long: it cannot be a synchronous standby");

	begin();
	peers[PG2].is_in_maintenance = true;
	CHECK_FOUND(PG2, "info", "is in maintenance: it is no candidate");
}

TEST("preflight: the settings of the group are held against what it has")
{
	begin();
	group.primary = -1;
	CHECK(count_findings() > 0);

	begin();
	group.settings.sync_mode = FO_SYNC_STRICT;
	group.settings.sync_standbys = 2;
	CHECK_FOUND(-1, "warning", "sync_mode is strict and every standby must confirm: the loss of one stops all commits");
	group.settings.sync_standbys = 3;
	CHECK_FOUND(-1, "error", "3 standbys must confirm each commit, and the group has 2: commits wait for ever");
	group.settings.sync_mode = FO_SYNC_QUORUM;
	CHECK_FOUND(-1, "warning", "sync_standbys is greater than the number of standbys: fewer confirmations are waited for");
	group.settings.sync_standbys = 2;
	CHECK_FOUND(-1, "info", "every standby must confirm commits: with one of them lost there is no spare");

	begin();
	memset(group.sync_names, 0, sizeof(group.sync_names));
	CHECK_FOUND(-1, "error", "no standby confirms commits at present: a failover would lose what is acknowledged now, and is held");

	begin();
	group.is_sync_managed = false;
	CHECK_FOUND(-1, "info", "replication is asynchronous: a failover may lose the last commits, and reports lost_bytes");

	begin();
	group.settings.auto_failover = false;
	CHECK_FOUND(-1, "warning", "auto_failover is off");
	begin();
	group.is_paused = true;
	CHECK_FOUND(-1, "warning", "the group is paused");
}

TEST("preflight: who bears the name of another peer renews no lease")
{
	begin();
	strcpy(peers[PG3].observed.application_name, peers[PG1].observed.application_name);
	CHECK_FOUND(PG3, "error", "its application_name is \"pg1\", as peer \"pg1\": neither renews the lease of the primary, which may take no writes when the coordinator is away");

	/* Without leases only synchronous standbys have to be told apart. */
	peers[PG1].observed.has_node_library = peers[PG2].observed.has_node_library = peers[PG3].observed.has_node_library = false;
	peers[PG1].observed.has_node_worker = peers[PG2].observed.has_node_worker = peers[PG3].observed.has_node_worker = false;
	CHECK(count_findings() > 0);
	CHECK(strstr(finding.finding, "application_name") == NULL);
}

TEST("preflight: the primary needs a walsender for each of the others, and one more")
{
	int			peer;

	begin();
	for (peer = 0; peer < SCENE_PEERS; peer++)
		CHECK(fo_core_facts_put(&facts[peer], "max_wal_senders", "2"));
	CHECK_INT(count_findings(), group.peers_n);
	CHECK_TEXT(fo_core_preflight_severity_name(finding.severity), "error");
	CHECK_TEXT(finding.finding, "max_wal_senders is 2: the others need 2, and one more to reconnect");
	begin();
	for (peer = 0; peer < SCENE_PEERS; peer++)
		CHECK(fo_core_facts_put(&facts[peer], "max_wal_senders", "3"));
	CHECK_INT(count_findings(), 0);
}

TEST("preflight: what keeps a primary from being a standby after a planned move")
{
	FoPreflightInput input = {.group = &group,.facts = facts};

	begin();
	CHECK(!fo_core_preflight_bars_return(&input, -1, &finding));
	CHECK(fo_core_facts_put(&facts[PG2], "max_connections", "200"));
	CHECK(fo_core_preflight_bars_return(&input, PG2, &finding));
	CHECK_INT(finding.peer, PG2);
	CHECK(!fo_core_preflight_bars_return(&input, PG3, &finding));
	CHECK(fo_core_preflight_bars_return(&input, -1, &finding));
	peers[PG2].is_promotable = false;
	CHECK(!fo_core_preflight_bars_return(&input, -1, &finding));

	CHECK(fo_core_facts_put(&facts[PG1], "hot_standby", "off"));
	CHECK(fo_core_preflight_bars_return(&input, PG3, &finding));
	CHECK_INT(finding.peer, PG1);

	/* What is lower there, or may lose data, is no obstacle to that. */
	begin();
	CHECK(fo_core_facts_put(&facts[PG2], "max_connections", "50"));
	CHECK(fo_core_facts_put(&facts[PG1], "fsync", "off"));
	CHECK(!fo_core_preflight_bars_return(&input, -1, &finding));
	group.primary = -1;
	CHECK(fo_core_facts_put(&facts[PG1], "hot_standby", "off"));
	CHECK(!fo_core_preflight_bars_return(&input, -1, &finding));
}

TEST("preflight: slots that every peer may need are counted")
{
	begin();
	CHECK(fo_core_facts_put(&facts[PG2], "max_replication_slots", "2"));
	CHECK_INT(count_findings(), 0);

	/* Without them it would need room for that of the third. */
	memset(facts[PG2].slots, 0, sizeof(facts[PG2].slots));
	CHECK_FOUND(PG2, "error", "its replication slots have room for 0 more, and the others would need 1");

	/* Nothing keeps WAL for anybody. */
	begin();
	memset(facts[PG1].slots, 0, sizeof(facts[PG1].slots));
	memset(facts[PG2].primary_slot_name, 0, sizeof(facts[PG2].primary_slot_name));
	memset(facts[PG3].primary_slot_name, 0, sizeof(facts[PG3].primary_slot_name));
	CHECK_INT(count_findings(), 0);
	CHECK(fo_core_facts_put(&facts[PG1], "wal_keep_size", "0"));
	CHECK(fo_core_facts_put(&facts[PG1], "max_wal_size", "0"));
	CHECK_FOUND(PG1, "warning", "keeps no WAL for those who fall behind: neither slots nor wal_keep_size");
}

TEST("preflight: a rewind needs the WAL of a checkpoint")
{
	begin();
	CHECK(fo_core_facts_put(&facts[PG1], "wal_keep_size", "256"));
	CHECK_FOUND(PG1, "info", "wal_keep_size is 256 MB, less than the 1024 MB of max_wal_size: the WAL that a rewind needs may be gone");
	CHECK(fo_core_facts_put(&facts[PG1], "has_restore_command", "true"));
	CHECK_INT(count_findings(), 0);
}

TEST("preflight: what is not known is not found fault with")
{
	int			peer;

	begin();
	for (peer = 0; peer < group.peers_n; peer++)
	{
		fo_core_facts_init(&facts[peer]);
		facts[peer].at = 1;
		facts[peer].is_known = true;
	}
	CHECK_INT(count_findings(), 0);

	/* A group of another kind needs nothing that streaming replication does. */
	begin();
	group.kind = FO_KIND_SERVICE;
	CHECK(fo_core_facts_put(&facts[PG2], "wal_level", "minimal"));
	CHECK_INT(count_findings(), 0);
}

TEST("preflight: values that are not what they should be are refused, and leave nothing behind")
{
	begin();
	CHECK(!fo_core_facts_put(&facts[PG1], "max_connections", "many"));
	CHECK(!fo_core_facts_put(&facts[PG1], "max_connections", ""));
	CHECK(!fo_core_facts_put(&facts[PG1], "max_connections", "-"));
	CHECK(!fo_core_facts_put(&facts[PG1], "max_connections", "99999999999999999999"));
	CHECK(!fo_core_facts_put(&facts[PG1], "fsync", "perhaps"));
	CHECK(!fo_core_facts_put(&facts[PG1], "no_such_fact", "1"));
	CHECK_INT(facts[PG1].max_connections, 100);
	CHECK_INT(facts[PG1].fsync, 1);
}

TEST("preflight: whatever the view, the same one gives the same findings")
{
	int			round;

	for (round = 0; round < 500; round++)
	{
		int			first;

		begin();
		scene_random();
		first = count_findings();
		CHECK_INT(count_findings(), first);
	}
}
