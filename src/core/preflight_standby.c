/*-------------------------------------------------------------------------
 *
 * preflight_standby.c
 *		Findings about standbys: whether they can take over, and follow another.
 *
 *-------------------------------------------------------------------------
 */
#include "core/preflight.h"

#include <string.h>

#include "core/evidence.h"
#include "core/syncset.h"

/* Over this a standby notices a hung primary late. */
#define RECEIVER_TIMEOUT_LONG_MS 10000

/* Over this a standby that could not connect at once comes late. */
#define RETRY_INTERVAL_LONG_MS 1000

static bool
is_lower(FoPreflightTrial *trial)
{
	int64_t		here;
	int64_t		at_primary;

	return fo_core_preflight_compare(trial, &here, &at_primary) && here < at_primary;
}

static bool
is_not_receiving(FoPreflightTrial *trial)
{
	return !trial->view->observed.is_archive_only && !fo_core_was_receiving(trial->group, trial->view);
}

static bool
is_archive_only(FoPreflightTrial *trial)
{
	return trial->view->observed.is_archive_only;
}

static bool
is_slot_missing(FoPreflightTrial *trial)
{
	const char *slot = trial->facts->primary_slot_name;

	fo_core_text_add(trial->detail, slot);
	return slot[0] != '\0' && trial->primary != NULL && !fo_core_preflight_is_cut(trial->primary->slots)
		&& !fo_core_preflight_has_line(trial->primary->slots, slot);
}

/* Its timeline next to the primary's, told if they differ: older (-1), newer (1), or the same or not known (0). */
static int
compare_timelines(FoPreflightTrial *trial)
{
	const FoPeerView *primary = fo_core_primary(trial->group);
	uint32_t	here = trial->view->observed.timeline;
	uint32_t	there = primary == NULL ? 0 : primary->observed.timeline;

	if (here == 0 || there == 0 || here == there)
		return 0;
	fo_core_text_add(trial->detail, "it is on timeline ");
	fo_core_text_add_integer(trial->detail, here);
	fo_core_text_add(trial->detail, ", and the primary on ");
	fo_core_text_add_integer(trial->detail, there);
	return here < there ? -1 : 1;
}

static bool
is_diverged(FoPreflightTrial *trial)
{
	if (trial->view->is_history_rejected)
	{
		fo_core_text_add(trial->detail, "its history has diverged from the primary's");
		return true;
	}
	return compare_timelines(trial) > 0;
}

/* It has not followed the primary onto its timeline; whether it could is not known. */
static bool
is_left_behind(FoPreflightTrial *trial)
{
	return !trial->view->is_history_rejected && compare_timelines(trial) < 0;
}

static bool
is_other_version(FoPreflightTrial *trial)
{
	const FoPeerView *primary = fo_core_primary(trial->group);
	int32_t		here = trial->view->observed.server_version;
	int32_t		there = primary == NULL ? 0 : primary->observed.server_version;

	if (here == 0 || there == 0 || here == there)
		return false;
	fo_core_text_add_integer(trial->detail, here / 10000);
	fo_core_text_add(trial->detail, ".");
	fo_core_text_add_integer(trial->detail, here % 10000);
	fo_core_text_add(trial->detail, ", and the primary's ");
	fo_core_text_add_integer(trial->detail, there / 10000);
	fo_core_text_add(trial->detail, ".");
	fo_core_text_add_integer(trial->detail, there % 10000);
	return true;
}

static bool
has_upstream_password(FoPreflightTrial *trial)
{
	return trial->view->observed.has_upstream_password;
}

static bool
is_receiver_patient(FoPreflightTrial *trial)
{
	int64_t		timeout_ms = trial->facts->wal_receiver_timeout;

	if (timeout_ms == FO_FACT_UNKNOWN || (timeout_ms > 0 && timeout_ms <= RECEIVER_TIMEOUT_LONG_MS))
		return false;
	if (timeout_ms <= 0)
		fo_core_text_add(trial->detail, "off");
	else
		fo_core_text_add_duration(trial->detail, FO_MS(timeout_ms));
	return true;
}

static bool
is_retry_slow(FoPreflightTrial *trial)
{
	if (trial->facts->wal_retrieve_retry_interval <= RETRY_INTERVAL_LONG_MS)
		return false;
	fo_core_text_add_duration(trial->detail, FO_MS(trial->facts->wal_retrieve_retry_interval));
	return true;
}

/* What it confirms renews the lease of a primary with the node library. */
static bool
is_silent_standby(FoPreflightTrial *trial)
{
	const FoPeerView *primary = fo_core_primary(trial->group);

	return trial->facts->wal_receiver_status_interval == 0
		&& (trial->view->observed.has_node_library || (primary != NULL && primary->observed.has_node_library));
}

static bool
is_target_fixed(FoPreflightTrial *trial)
{
	fo_core_text_add(trial->detail, trial->facts->recovery_target_timeline);
	return trial->facts->recovery_target_timeline[0] != '\0'
		&& strcmp(trial->facts->recovery_target_timeline, "latest") != 0;
}

static bool
has_restore_command(FoPreflightTrial *trial)
{
	return trial->facts->has_restore_command == 1;
}

static bool
is_replay_held(FoPreflightTrial *trial)
{
	return trial->view->observed.is_replay_paused || trial->view->observed.apply_delay_ms > 0;
}

static bool
is_archiving_lost(FoPreflightTrial *trial)
{
	return trial->primary != NULL && strcmp(trial->facts->archive_mode, "off") == 0
		&& trial->primary->archive_mode[0] != '\0' && strcmp(trial->primary->archive_mode, "off") != 0;
}

static bool
is_unnameable(FoPreflightTrial *trial)
{
	return trial->group->is_sync_managed && !fo_core_sync_is_nameable(trial->view->observed.application_name);
}

typedef bool (*Namesake) (const FoPreflightTrial *trial, const FoPeerView *other);

/* The first peer that bears its application name in that sense; what the finding says of it becomes the detail. */
static bool
has_namesake(FoPreflightTrial *trial, Namesake is_namesake, const char *noun)
{
	int32_t		i;

	for (i = 0; i < trial->group->peers_n; i++)
	{
		const FoPeerView *other = &trial->group->peers[i];

		if (i == trial->peer || other->observed.at == 0 || !is_namesake(trial, other))
			continue;
		fo_core_text_add(trial->detail, trial->view->observed.application_name);
		fo_core_text_add(trial->detail, "\", as ");
		fo_core_text_add(trial->detail, noun);
		fo_core_text_add(trial->detail, " \"");
		fo_core_text_add(trial->detail, other->name);
		return true;
	}
	return false;
}

/* To the letter, as a primary compares those who renew its lease. */
static bool
is_renewal_confused(const FoPreflightTrial *trial, const FoPeerView *other)
{
	return !fo_core_is_alias(trial->group, other)
		&& strncmp(other->observed.application_name, trial->view->observed.application_name, FO_NAME_LEN) == 0;
}

static bool
is_renewal_lost(FoPreflightTrial *trial)
{
	const FoPeerView *primary = fo_core_primary(trial->group);

	return primary != NULL && primary->observed.has_node_library && !fo_core_is_alias(trial->group, trial->view)
		&& has_namesake(trial, is_renewal_confused, "peer");
}

static bool
is_sync_confused(const FoPreflightTrial *trial, const FoPeerView *other)
{
	return other->observed.in_recovery
		&& fo_core_sync_is_same_name(other->observed.application_name, trial->view->observed.application_name);
}

/* Unless the other finding says more. */
static bool
is_name_shared(FoPreflightTrial *trial)
{
	return !is_renewal_lost(trial) && has_namesake(trial, is_sync_confused, "standby");
}

static const FoPreflightRow rows[] = {
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_archive_only, 0,
		"reads WAL from the archive only: it is no candidate", "Set primary_conninfo there."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_not_receiving, 0,
		"does not receive from the primary: it is no candidate", "See its server log, pg_hba.conf of the primary and primary_conninfo."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_diverged, 0,
		"cannot take over: %d", "Rewind it, or clone it from the primary."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_left_behind, 0,
		"cannot take over: %d", "See why it does not follow: its server log, pg_hba.conf of the primary and its primary_conninfo."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, has_upstream_password, 0,
		"primary_conninfo carries a password: it is shown to many, and the coordinator does not operate the peer",
	"Put the password into the passfile of the server's user, and take it out of primary_conninfo."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_slot_missing, 0,
		"the primary has no slot \"%d\", which it uses", "Create the slot on the primary."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_lower, FO_PREFLIGHT_FACT(max_connections),
		"max_connections is %d: recovery stops, and clients are turned away after a failover", "Raise max_connections."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_lower, FO_PREFLIGHT_FACT(max_worker_processes),
		"max_worker_processes is %d: recovery stops", "Raise max_worker_processes."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_lower, FO_PREFLIGHT_FACT(max_prepared_transactions),
		"max_prepared_transactions is %d: recovery stops", "Raise max_prepared_transactions."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_lower, FO_PREFLIGHT_FACT(max_locks_per_transaction),
		"max_locks_per_transaction is %d: recovery stops", "Raise max_locks_per_transaction."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_lower, FO_PREFLIGHT_FACT(max_wal_senders),
		"max_wal_senders is %d: recovery stops", "Raise max_wal_senders."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_target_fixed, 0,
		"recovery_target_timeline is \"%d\": it would not follow a new primary", "Set recovery_target_timeline = latest."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_ERROR, is_renewal_lost, 0,
		"its application_name is \"%d\": neither renews the lease of the primary, which may take no writes when the coordinator is away",
	"Give each standby its own application_name in primary_conninfo, or each server its own cluster_name."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_unnameable, 0,
		"its application_name is not plain ASCII, or too long: it cannot be a synchronous standby",
	"Set application_name in primary_conninfo."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_name_shared, 0,
		"its application_name is \"%d\": they cannot be told apart as synchronous standbys",
	"Give each standby its own application_name in primary_conninfo, or its own cluster_name."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_other_version, 0,
		"its version is %d", "Let all peers run the same version; bring standbys up to date first."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_receiver_patient, 0,
		"wal_receiver_timeout is %d: it notices the silence of a primary late", "Set wal_receiver_timeout = 5s."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_silent_standby, 0,
		"wal_receiver_status_interval is 0: it does not renew the lease of a primary while the coordinator is away",
	"Set wal_receiver_status_interval = 1s."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_WARNING, is_archiving_lost, 0,
		"archive_mode is off here, and on on the primary: archiving would end with a failover", "Set archive_mode alike everywhere."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_INFO, is_replay_held, 0,
		"replay is paused or delayed: it is no candidate", "Call pg_wal_replay_resume(), or reset recovery_min_apply_delay."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_INFO, is_retry_slow, 0,
		"wal_retrieve_retry_interval is %d: a connect that fails is repeated late", "Set wal_retrieve_retry_interval = 100ms."},
	{FO_PREFLIGHT_STANDBY, FO_PREFLIGHT_INFO, has_restore_command, 0,
		"restore_command is run several times in a promotion", "See that it fails fast where the archive has nothing."},
};

const FoPreflightRun fo_core_preflight_standby_rows = FO_PREFLIGHT_RUN(rows);
