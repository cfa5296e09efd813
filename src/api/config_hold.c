/*-------------------------------------------------------------------------
 *
 * config_hold.c
 *		Tells the coordinator to hold, or not to hold any longer:
 *		failover_pause, failover_resume, failover_set_maintenance,
 *		failover_acknowledge.
 *
 * These are configuration and not requests: they survive a restart of the
 * coordinator, and a DBA can pause a group before it is started at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "catalog/catalog.h"
#include "catalog/rows.h"

PG_FUNCTION_INFO_V1(failover_pause);
PG_FUNCTION_INFO_V1(failover_resume);
PG_FUNCTION_INFO_V1(failover_set_maintenance);
PG_FUNCTION_INFO_V1(failover_acknowledge);

typedef void (*GroupCallback) (FoLockedGroup *group, TimestampTz until, const char *reason);

/* Call back with the group locked, or with each group in order of name if name is NULL. */
static void
for_each_group(const char *name, GroupCallback callback, TimestampTz until, const char *reason)
{
	FoParams	params = {0};
	FoLockedGroup group;
	char	  **names;
	uint64		n;
	uint64		i;

	if (name != NULL)
	{
		fo_api_lock_group(name, &group);
		callback(&group, until, reason);
		return;
	}

	n = fo_catalog_write("SELECT group_name FROM %s.failover_group ORDER BY group_name FOR NO KEY UPDATE", &params);
	if (n == 0)
		ereport(NOTICE, (errmsg("there are no groups")));
	names = palloc(sizeof(char *) * (n + 1));
	for (i = 0; i < n; i++)
		names[i] = fo_catalog_column_text(i, 1);
	for (i = 0; i < n; i++)
	{
		fo_api_lock_group(names[i], &group);
		callback(&group, until, reason);
	}
}

/* Add "until" to an open JSON object, and return how a sentence says it. */
static char *
say_until(StringInfo detail, TimestampTz until)
{
	if (until == DT_NOEND)
		return pstrdup("");
	fo_api_json_text(detail, "until", timestamptz_to_str(until));
	return psprintf(" until %s", timestamptz_to_str(until));
}

/* Since when, by whom and why, as parameters; until 0: nobody any more. */
static void
add_hold(FoParams *params, TimestampTz until, const char *reason)
{
	fo_catalog_add_time(params, until);
	fo_catalog_add_time(params, until != 0 ? GetCurrentTimestamp() : 0);
	fo_catalog_add_name(params, until != 0 ? fo_api_session_user() : NULL);
	fo_catalog_add_text(params, until != 0 ? reason : NULL);
}

static void
set_paused(const FoLockedGroup *group, TimestampTz until, const char *reason)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group->name);
	add_hold(&params, until, reason);
	fo_catalog_write("UPDATE %s.failover_group SET paused_until = $2, paused_since = $3, paused_by = $4,"
					 " paused_reason = $5 WHERE group_name = $1", &params);
}

static void
pause_group(FoLockedGroup *group, TimestampTz until, const char *reason)
{
	StringInfo	detail = makeStringInfo();
	char	   *until_text;

	set_paused(group, until, reason);
	fo_api_json_open(detail);
	until_text = say_until(detail, until);
	fo_api_record(group, NULL, "paused",
				  psprintf("group \"%s\" paused%s", group->name, until_text), detail, reason);
}

static void
resume_group(FoLockedGroup *group, TimestampTz until, const char *reason)
{
	if (group->paused_until <= GetCurrentTimestamp())
	{
		ereport(NOTICE, (errmsg("group \"%s\" is not paused", group->name)));
		return;
	}
	set_paused(group, 0, NULL);
	fo_api_record(group, NULL, "resumed", psprintf("group \"%s\" resumed", group->name), NULL, reason);
}

Datum
failover_pause(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name_or_null(fcinfo, 0, "group_name");
	TimestampTz until = fo_api_arg_until(fcinfo, 1, "duration");
	char	   *reason = fo_api_arg_reason(fcinfo, 2);

	fo_api_require_writable(fcinfo);
	fo_api_change_begin();
	for_each_group(group_name, pause_group, until, reason);
	fo_api_change_end();
	PG_RETURN_VOID();
}

Datum
failover_resume(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name_or_null(fcinfo, 0, "group_name");
	char	   *reason = fo_api_arg_reason(fcinfo, 1);

	fo_api_require_writable(fcinfo);
	fo_api_change_begin();
	for_each_group(group_name, resume_group, 0, reason);
	fo_api_change_end();
	PG_RETURN_VOID();
}

/* Returns whether the peer was in maintenance before. */
static bool
set_maintenance(const FoLockedGroup *group, const char *peer, TimestampTz until, const char *reason)
{
	FoParams	params = {0};
	TimestampTz before;

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_name(&params, peer);
	fo_catalog_write("SELECT maintenance_until FROM %s.failover_peer WHERE group_name = $1 AND peer_name = $2",
					 &params);
	before = fo_catalog_column_time(0, 1);
	add_hold(&params, until, reason);
	fo_catalog_write("UPDATE %s.failover_peer SET maintenance_until = $3, maintenance_since = $4,"
					 " maintenance_by = $5, maintenance_reason = $6"
					 " WHERE group_name = $1 AND peer_name = $2", &params);
	return before > GetCurrentTimestamp();
}

Datum
failover_set_maintenance(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *peer = fo_api_arg_name(fcinfo, 1, "peer_name");
	bool		is_enabled = fo_api_arg_bool(fcinfo, 2, "enabled");
	TimestampTz until = fo_api_arg_until(fcinfo, 3, "duration");
	char	   *reason = fo_api_arg_reason(fcinfo, 4);
	FoLockedGroup group;
	StringInfo	detail = makeStringInfo();
	char	   *until_text;
	bool		was_enabled;

	fo_api_require_writable(fcinfo);
	if (!is_enabled && until != DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"duration\" is for the beginning of maintenance, not for its end"),
				 errdetail("Maintenance that is ended ends now."),
				 errhint("Leave the argument out.")));

	fo_api_change_begin();
	fo_api_lock_group(group_name, &group);
	fo_api_require_peer(&group, peer);
	was_enabled = set_maintenance(&group, peer, is_enabled ? until : 0, reason);
	fo_api_json_open(detail);
	until_text = say_until(detail, until);
	if (is_enabled)
		fo_api_record(&group, peer, "maintenance_begun",
					  psprintf("maintenance of peer \"%s\" begun%s", peer, until_text), detail, reason);
	else if (was_enabled)
		fo_api_record(&group, peer, "maintenance_ended",
					  psprintf("maintenance of peer \"%s\" ended", peer), detail, reason);
	else
		ereport(NOTICE, (errmsg("peer \"%s\" of group \"%s\" is not in maintenance", peer, group_name)));
	fo_api_change_end();
	PG_RETURN_VOID();
}

/* Does a block period last that nobody has acknowledged? */
static bool
is_blocked(const FoLockedGroup *group)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group->name);
	return fo_catalog_write("SELECT 1 FROM %s.failover_group_state s JOIN %s.failover_group g USING (group_name)"
							" WHERE group_name = $1 AND s.blocked_until > clock_timestamp()"
							" AND (g.acknowledged_at IS NULL OR g.acknowledged_at < s.blocked_since)", &params) > 0;
}

/*
 * The moment is written, not the end of the block: a block period that begins
 * later, by a failover that this user has not seen, is none of the
 * acknowledged ones.  Nor is it before the beginning of the present one, the last
 * move, or what was written before, though the clock may have been set back since.
 */
Datum
failover_acknowledge(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *reason = fo_api_arg_reason(fcinfo, 1);
	FoLockedGroup group;
	FoParams	params = {0};

	fo_api_require_writable(fcinfo);
	fo_api_change_begin();
	fo_api_lock_group(group_name, &group);
	if (!is_blocked(&group))
		ereport(NOTICE, (errmsg("group \"%s\" is in no block period", group_name)));
	fo_catalog_add_name(&params, group_name);
	fo_catalog_write("UPDATE %s.failover_group g SET acknowledged_at = GREATEST(clock_timestamp(),"
					 " acknowledged_at + interval '1 microsecond',"
					 " (SELECT GREATEST(s.blocked_since, s.last_failover_at) FROM %s.failover_group_state s WHERE s.group_name = g.group_name))"
					 " WHERE group_name = $1", &params);
	fo_api_record(&group, NULL, "acknowledged",
				  psprintf("block period of group \"%s\" acknowledged", group_name), NULL, reason);
	fo_api_change_end();
	PG_RETURN_VOID();
}
