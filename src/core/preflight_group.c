/*-------------------------------------------------------------------------
 *
 * preflight_group.c
 *		Findings about a group as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "core/preflight.h"

static int32_t
count_standbys(const FoGroupView *group)
{
	int32_t		n = 0;
	int32_t		i;

	for (i = 0; i < group->peers_n; i++)
		n += i != group->primary && group->peers[i].is_promotable ? 1 : 0;
	return n;
}

static bool
is_streaming_kind(const FoPreflightTrial *trial)
{
	return trial->group->kind == FO_KIND_STREAMING;
}

static bool
has_no_primary(FoPreflightTrial *trial)
{
	return trial->group->primary < 0;
}

static bool
has_no_standby(FoPreflightTrial *trial)
{
	return is_streaming_kind(trial) && trial->group->peers_n > 0 && count_standbys(trial->group) == 0;
}

static bool
has_one_standby(FoPreflightTrial *trial)
{
	return is_streaming_kind(trial) && count_standbys(trial->group) == 1;
}

static bool
is_failover_manual(FoPreflightTrial *trial)
{
	return !trial->group->settings.auto_failover;
}

static bool
is_paused(FoPreflightTrial *trial)
{
	return trial->group->is_paused;
}

static bool
is_strict_beyond_means(FoPreflightTrial *trial)
{
	const FoSettings *settings = &trial->group->settings;
	int32_t		standbys_n = count_standbys(trial->group);

	if (!is_streaming_kind(trial) || settings->sync_mode != FO_SYNC_STRICT || settings->sync_standbys <= standbys_n)
		return false;
	fo_core_text_add_integer(trial->detail, settings->sync_standbys);
	fo_core_text_add(trial->detail, " standbys must confirm each commit, and the group has ");
	fo_core_text_add_integer(trial->detail, standbys_n);
	return true;
}

/* One lost standby blocks commits (strict), or shrinks the set (quorum). */
static bool
has_no_spare(const FoPreflightTrial *trial, FoSyncMode mode)
{
	const FoSettings *settings = &trial->group->settings;

	return is_streaming_kind(trial) && settings->sync_mode == mode
		&& settings->sync_standbys == count_standbys(trial->group);
}

static bool
is_strict_without_spare(FoPreflightTrial *trial)
{
	return has_no_spare(trial, FO_SYNC_STRICT);
}

static bool
is_quorum_without_spare(FoPreflightTrial *trial)
{
	return has_no_spare(trial, FO_SYNC_QUORUM);
}

static bool
is_quorum_beyond_means(FoPreflightTrial *trial)
{
	return is_streaming_kind(trial) && trial->group->settings.sync_mode == FO_SYNC_QUORUM
		&& trial->group->settings.sync_standbys > count_standbys(trial->group);
}

static bool
is_set_empty(FoPreflightTrial *trial)
{
	return is_streaming_kind(trial) && trial->group->is_sync_managed && trial->group->sync_names[0] == '\0';
}

static bool
is_asynchronous(FoPreflightTrial *trial)
{
	const FoPeerView *primary = fo_core_primary(trial->group);

	return is_streaming_kind(trial) && !trial->group->is_sync_managed && primary != NULL && primary->observed.at != 0
		&& primary->observed.sync_names[0] == '\0';
}

static const FoPreflightRow rows[] = {
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_ERROR, has_no_primary, 0,
		"no primary is known", "Register the primary, and see that the coordinator reaches it."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_ERROR, has_no_standby, 0,
		"there is no promotable standby", "Register a standby."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_ERROR, is_strict_beyond_means, 0,
		"%d: commits wait for ever", "Lower sync_standbys, add standbys, or set sync_mode to quorum."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_ERROR, is_set_empty, 0,
		"no standby confirms commits at present: a failover would lose what is acknowledged now, and is held",
	"Bring a standby back; it is put into the set when it has caught up."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_WARNING, is_strict_without_spare, 0,
		"sync_mode is strict and every standby must confirm: the loss of one stops all commits",
	"Have one standby more than sync_standbys, or set sync_mode to quorum."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_WARNING, is_quorum_beyond_means, 0,
		"sync_standbys is greater than the number of standbys: fewer confirmations are waited for",
	"Lower sync_standbys, or add standbys."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_INFO, is_quorum_without_spare, 0,
		"every standby must confirm commits: with one of them lost there is no spare",
	"Have one standby more than sync_standbys."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_INFO, has_one_standby, 0,
		"there is one standby: after a failover there is none", "Add a second standby."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_INFO, is_asynchronous, 0,
		"replication is asynchronous: a failover may lose the last commits, and reports lost_bytes",
	"Set sync_mode to quorum to lose none."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_WARNING, is_failover_manual, 0,
		"auto_failover is off", "Failovers wait for failover_trigger()."},
	{FO_PREFLIGHT_GROUP, FO_PREFLIGHT_WARNING, is_paused, 0,
		"the group is paused", "Call failover_resume()."},
};

const FoPreflightRun fo_core_preflight_group_rows = FO_PREFLIGHT_RUN(rows);
