/*-------------------------------------------------------------------------
 *
 * preflight_peer.c
 *		Findings about any peer: whether it can be reached and operated, and
 *		what it needs because it may become the primary.
 *
 *-------------------------------------------------------------------------
 */
#include "core/preflight.h"

#include <string.h>

#include "core/evidence.h"

static bool
is_off(FoPreflightTrial *trial)
{
	return fo_core_preflight_fact(trial, trial->facts) == 0;
}

static bool
is_silent(FoPreflightTrial *trial)
{
	if (trial->view->last_attempt_at == 0 || fo_core_peer_answers(trial->view))
		return false;
	fo_core_text_add(trial->detail, fo_core_error_class_name(trial->view->error));
	return true;
}

static bool
is_facts_missing(FoPreflightTrial *trial)
{
	return fo_core_peer_answers(trial->view) && trial->facts->at != 0 && !trial->facts->is_known;
}

static bool
is_in_maintenance(FoPreflightTrial *trial)
{
	return trial->view->is_in_maintenance;
}

static bool
is_fenced(FoPreflightTrial *trial)
{
	return trial->view->is_fenced;
}

static bool
is_stranger(FoPreflightTrial *trial)
{
	return trial->group->kind == FO_KIND_STREAMING && trial->view->observed.at != 0
		&& !fo_core_is_same_system(trial->group, trial->view) && !fo_core_is_alias(trial->group, trial->view);
}

static bool
is_second_name(FoPreflightTrial *trial)
{
	int32_t		other = fo_core_alias_of(trial->group, trial->view);

	if (other >= 0)
		fo_core_text_add(trial->detail, trial->group->peers[other].name);
	return other >= 0;
}

static bool
is_shared(FoPreflightTrial *trial)
{
	fo_core_text_add(trial->detail, trial->view->other_name);
	fo_core_text_add(trial->detail, "\" of group \"");
	fo_core_text_add(trial->detail, trial->view->other_group);
	fo_core_text_add(trial->detail, trial->view->is_counted_there ? "\", and counts there: here it counts for nothing" : "\", and counts here");
	return trial->view->other_group[0] != '\0';
}

static bool
lacks_privileges(FoPreflightTrial *trial)
{
	fo_core_preflight_add_lines(trial->detail, trial->facts->missing_privileges, ", ");
	return trial->facts->missing_privileges[0] != '\0';
}

static bool
lacks_rewind_privileges(FoPreflightTrial *trial)
{
	fo_core_preflight_add_lines(trial->detail, trial->facts->missing_rewind_privileges, ", ");
	return trial->facts->missing_rewind_privileges[0] != '\0';
}

/* A person rewinds it, as whoever that is: our role is a guess. */
static bool
is_rewinder_guessed(FoPreflightTrial *trial)
{
	return !trial->view->observed.has_node_library && lacks_rewind_privileges(trial);
}

/* It rewinds itself, as the user of its primary_conninfo. */
static bool
is_rewinder_refused(FoPreflightTrial *trial)
{
	return trial->view->observed.has_node_library && lacks_rewind_privileges(trial);
}

/* Each line names one or more servers.  What the primary could not follow is told of each of them (preflight_return.c). */
static bool
has_unreachable_upstreams(FoPreflightTrial *trial)
{
	if (trial->view == fo_core_primary(trial->group))
		return false;
	fo_core_preflight_add_lines(trial->detail, trial->facts->unreachable_upstreams, "; ");
	return trial->facts->unreachable_upstreams[0] != '\0';
}

static bool
has_unreachable_sources(FoPreflightTrial *trial)
{
	fo_core_preflight_add_lines(trial->detail, trial->facts->unreachable_sources, "; ");
	return trial->facts->unreachable_sources[0] != '\0';
}

static bool
has_no_library(FoPreflightTrial *trial)
{
	return !trial->view->observed.has_node_library && trial->facts->has_library_loaded != 1;
}

static bool
has_mute_library(FoPreflightTrial *trial)
{
	return !trial->view->observed.has_node_library && trial->facts->has_library_loaded == 1;
}

static bool
has_no_worker(FoPreflightTrial *trial)
{
	return trial->view->observed.has_node_library && !trial->view->observed.has_node_worker;
}

static bool
is_wal_minimal(FoPreflightTrial *trial)
{
	return strcmp(trial->facts->wal_level, "minimal") == 0;
}

static bool
is_rewind_impossible(FoPreflightTrial *trial)
{
	return trial->facts->wal_log_hints == 0 && trial->facts->data_checksums == 0;
}

static bool
has_too_few_senders(FoPreflightTrial *trial)
{
	int64_t		needed = trial->group->peers_n - 1;

	if (trial->facts->max_wal_senders == FO_FACT_UNKNOWN || trial->facts->max_wal_senders > needed)
		return false;
	fo_core_text_add_integer(trial->detail, trial->facts->max_wal_senders);
	fo_core_text_add(trial->detail, ": the others need ");
	fo_core_text_add_integer(trial->detail, needed);
	fo_core_text_add(trial->detail, ", and one more to reconnect");
	return true;
}

static bool
has_recovery_target(FoPreflightTrial *trial)
{
	fo_core_preflight_add_lines(trial->detail, trial->facts->recovery_targets, ", ");
	return trial->facts->recovery_targets[0] != '\0';
}

/* Slots that peers of the group follow through: all of them may be needed on any peer. */
static int64_t
count_wanted_slots(const FoPreflightTrial *trial)
{
	int64_t		n = 0;
	int32_t		i;

	for (i = 0; i < trial->group->peers_n; i++)
	{
		const FoPeerFacts *facts = &trial->input->facts[i];

		if (i != trial->peer && facts->is_known && facts->primary_slot_name[0] != '\0'
			&& !fo_core_preflight_has_line(trial->facts->slots, facts->primary_slot_name))
			n++;
	}
	return n;
}

static bool
has_too_few_slots(FoPreflightTrial *trial)
{
	int64_t		wanted = count_wanted_slots(trial);
	int64_t		room;

	if (trial->facts->max_replication_slots == FO_FACT_UNKNOWN || trial->facts->slots_n == FO_FACT_UNKNOWN
		|| fo_core_preflight_is_cut(trial->facts->slots))
		return false;
	room = trial->facts->max_replication_slots - trial->facts->slots_n;
	if (room >= wanted)
		return false;
	fo_core_text_add_integer(trial->detail, room > 0 ? room : 0);
	fo_core_text_add(trial->detail, " more, and the others would need ");
	fo_core_text_add_integer(trial->detail, wanted);
	return true;
}

static bool
has_lost_slots(FoPreflightTrial *trial)
{
	fo_core_preflight_add_lines(trial->detail, trial->facts->lost_slots, ", ");
	return trial->facts->lost_slots[0] != '\0';
}

static bool
is_slot_use_unlimited(FoPreflightTrial *trial)
{
	return trial->facts->max_slot_wal_keep_size == -1 && trial->facts->slots[0] != '\0';
}

/* Nothing keeps the WAL that a standby or a rewind will need. */
static bool
keeps_no_wal(FoPreflightTrial *trial)
{
	return trial->facts->wal_keep_size == 0 && trial->facts->slots[0] == '\0'
		&& trial->facts->has_restore_command != 1;
}

/* Before it is rewound it makes checkpoints, and a checkpoint removes the WAL before it. */
static bool
keeps_less_than_a_checkpoint(FoPreflightTrial *trial)
{
	const FoPeerFacts *facts = trial->facts;

	if (!trial->view->observed.has_node_library || facts->wal_keep_size == FO_FACT_UNKNOWN
		|| facts->wal_keep_size >= facts->max_wal_size || facts->has_restore_command == 1)
		return false;
	fo_core_text_add_integer(trial->detail, facts->wal_keep_size);
	fo_core_text_add(trial->detail, " MB, less than the ");
	fo_core_text_add_integer(trial->detail, facts->max_wal_size);
	fo_core_text_add(trial->detail, " MB of max_wal_size");
	return true;
}

static bool
has_logical_slots(FoPreflightTrial *trial)
{
	fo_core_preflight_add_lines(trial->detail, trial->facts->logical_slots, ", ");
	return trial->facts->logical_slots[0] != '\0';
}

static bool
is_archiving_nowhere(FoPreflightTrial *trial)
{
	return (strcmp(trial->facts->archive_mode, "on") == 0 || strcmp(trial->facts->archive_mode, "always") == 0)
		&& trial->facts->has_archive_command == 0;
}

static bool
is_commit_local(FoPreflightTrial *trial)
{
	const char *level = trial->facts->synchronous_commit;

	if (!trial->group->is_sync_managed && trial->view->observed.sync_names[0] == '\0')
		return false;
	fo_core_text_add(trial->detail, level);
	return strcmp(level, "off") == 0 || strcmp(level, "local") == 0;
}

static const FoPreflightRow rows[] = {
	/* can it be reached, and is it one of us */
	{FO_PREFLIGHT_PEER, FO_PREFLIGHT_ERROR, is_silent, 0,
		"does not answer (%d): nothing else is known of it", "See failover_health().last_error."},
	{FO_PREFLIGHT_PEER, FO_PREFLIGHT_WARNING, is_facts_missing, 0,
		"did not answer the questions of this check", "Call failover_preflight() again."},
	{FO_PREFLIGHT_PEER, FO_PREFLIGHT_ERROR, is_second_name, 0,
		"is the same server as peer \"%d\"", "Unregister one of the two: peers are witnesses for each other."},
	{FO_PREFLIGHT_PEER, FO_PREFLIGHT_ERROR, is_shared, 0,
		"is the same server as peer \"%d", "Unregister one of the two: a server belongs to one group."},
	{FO_PREFLIGHT_PEER, FO_PREFLIGHT_ERROR, is_stranger, 0,
		"belongs to another database system", "Clone it from the primary, or unregister it."},
	{FO_PREFLIGHT_PEER, FO_PREFLIGHT_WARNING, is_fenced, 0,
		"was fenced as a second primary, and has not come back as a standby",
	"With the node library call failover_rejoin(); without it rewind it or clone it by hand."},
	{FO_PREFLIGHT_PEER, FO_PREFLIGHT_INFO, is_in_maintenance, 0,
		"is in maintenance: it is no candidate", "Call failover_set_maintenance() when it is over."},

	/* what our role may do there */
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, lacks_privileges, 0,
		"the coordinator's role lacks privileges: %d", "Run the script of failover_peer_grants() on the primary."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, is_off, FO_PREFLIGHT_FACT(allow_alter_system),
		"allow_alter_system is off: the coordinator cannot have it follow another server, or fence it", "Set allow_alter_system = on."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_WARNING, is_off, FO_PREFLIGHT_FACT(may_replicate),
		"the coordinator's role may not replicate: rewinding or cloning a peer with this role fails",
	"Run ALTER ROLE ... REPLICATION on the primary, or use another role for replication."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_WARNING, is_rewinder_refused, 0,
		"it cannot be rewound: the role of its primary_conninfo may not call %d", "Grant EXECUTE on these functions to that role, on the primary."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_WARNING, has_unreachable_upstreams, 0,
		"could not follow %d",
	"In pg_hba.conf there let the user of this server's primary_conninfo in for replication, or put its password in the passfile here."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_WARNING, has_unreachable_sources, 0,
		"could not be rewound from %d",
	"In pg_hba.conf there let the user of this server's primary_conninfo into its database, \"postgres\" if it names none, or put its password in the passfile here."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_INFO, is_rewinder_guessed, 0,
		"pg_rewind could not read from it with the coordinator's role: %d", "Grant EXECUTE on these functions where that role rewinds."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_WARNING, has_no_library, 0,
		"has no node library: a silent primary cannot be fenced but by SQL, and a former primary does not rejoin by itself",
	"Preload failover with failover.role = node there."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_WARNING, has_mute_library, 0,
		"its node library cannot be asked: the extension is not in this database, or does not fit, or the coordinator's role may not call it",
	"Create the extension on the primary and run the script of failover_peer_grants() again; or, on a server that is to leave, call failover_node_release()."},

	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, has_no_worker, 0,
		"the background worker of the node library does not run: it renews no lease, and cannot become a standby by itself",
	"Raise max_worker_processes and restart the server."},

	/* what every peer needs, because every peer may become the primary */
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, is_wal_minimal, 0,
		"wal_level is minimal: no standby can follow it", "Set wal_level = replica."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, is_off, FO_PREFLIGHT_FACT(fsync),
		"fsync is off: acknowledged commits may be lost", "Set fsync = on."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, has_too_few_senders, 0,
		"max_wal_senders is %d", "Raise max_wal_senders."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, has_too_few_slots, 0,
		"its replication slots have room for %d", "Raise max_replication_slots, or drop slots."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, has_lost_slots, 0,
		"slots have lost their WAL: %d", "Clone those who use them again, and drop the slots."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_ERROR, has_recovery_target, 0,
		"a recovery target is set: as a standby it stops there, or promotes itself: %d",
	"Remove it from the configuration and restart the server; the node library overrides it where a former primary comes back."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_WARNING, is_rewind_impossible, 0,
		"neither wal_log_hints nor data checksums are on: it cannot be rewound", "Set wal_log_hints = on, or enable checksums."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_WARNING, is_off, FO_PREFLIGHT_FACT(full_page_writes),
		"full_page_writes is off: it cannot be rewound", "Set full_page_writes = on."},
	{FO_PREFLIGHT_PRIMARY, FO_PREFLIGHT_WARNING, is_commit_local, 0,
		"synchronous_commit is %d by default: commits wait for no standby", "Set synchronous_commit = on."},
	{FO_PREFLIGHT_PRIMARY, FO_PREFLIGHT_WARNING, keeps_no_wal, 0,
		"keeps no WAL for those who fall behind: neither slots nor wal_keep_size", "Use slots, or set wal_keep_size."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_INFO, keeps_less_than_a_checkpoint, 0,
		"wal_keep_size is %d: the WAL that a rewind needs may be gone", "Raise wal_keep_size, or set a restore_command or failover.allow_clone there."},
	{FO_PREFLIGHT_PRIMARY, FO_PREFLIGHT_WARNING, has_logical_slots, 0,
		"logical slots do not follow a failover by themselves: %d", "From version 17 on make them failover slots; else create them anew after a failover."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, has_logical_slots, 0,
		"logical slots that nobody reads hold back WAL on this standby: %d", "If nobody is to read them here, drop them with pg_drop_replication_slot()."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_WARNING, is_archiving_nowhere, 0,
		"archive_mode is on without a command or a library: WAL piles up", "Set archive_command or archive_library."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_INFO, is_slot_use_unlimited, 0,
		"max_slot_wal_keep_size is unlimited: a slot that nobody reads fills the disk", "Set max_slot_wal_keep_size."},
	{FO_PREFLIGHT_KNOWN, FO_PREFLIGHT_INFO, is_off, FO_PREFLIGHT_FACT(restart_after_crash),
		"restart_after_crash is off: the crash of one backend becomes a failover", "Set restart_after_crash = on."},
};

const FoPreflightRun fo_core_preflight_peer_rows = FO_PREFLIGHT_RUN(rows);
