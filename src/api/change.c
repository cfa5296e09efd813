/*-------------------------------------------------------------------------
 *
 * change.c
 *		What all functions that change the configuration have in common:
 *		locking, checking and writing down who did it.
 *
 * Changes are serialized by a lock on the row of the group, FOR NO KEY UPDATE:
 * two users who change the same group wait for each other, but the
 * coordinator, whose state tables refer to the group (and so take a KEY SHARE
 * lock), never waits for a user who forgot to commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "catalog/catalog.h"
#include "catalog/rows.h"

void
fo_api_change_begin(void)
{
	fo_catalog_connect();
}

void
fo_api_change_end(void)
{
	fo_catalog_disconnect();
	fo_shared_config_changed();
}

bool
fo_api_insert_group(const char *group, const char *kind)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group);
	fo_catalog_add_text(&params, kind);
	return fo_catalog_write("INSERT INTO %s.failover_group (group_name, kind) VALUES ($1, $2)"
						  " ON CONFLICT DO NOTHING", &params) > 0;
}

void
fo_api_lock_group(const char *group, FoLockedGroup *locked)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group);
	if (fo_catalog_write("SELECT paused_until FROM %s.failover_group WHERE group_name = $1"
					   " FOR NO KEY UPDATE", &params) == 0)
		fo_api_refuse_group(group);

	memset(locked, 0, sizeof(*locked));
	strlcpy(locked->name, group, FO_NAME_LEN);
	locked->paused_until = fo_catalog_column_time(0, 1);
	fo_api_load_settings(group, &locked->settings);
}

void
fo_api_require_peer(const FoLockedGroup *group, const char *peer)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_name(&params, peer);
	if (fo_catalog_write("SELECT 1 FROM %s.failover_peer WHERE group_name = $1 AND peer_name = $2", &params) == 0)
		fo_api_refuse_peer(group->name, peer);
}

void
fo_api_require_idle(const FoLockedGroup *group, bool but_rejoin, const char *action)
{
	FoParams	params = {0};
	FoOperationRow row = {0};

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_bool(&params, but_rejoin);
	if (fo_catalog_write("SELECT event_id, kind, initiated_by, started_at FROM %s.failover_operation"
						 " WHERE group_name = $1 AND status = 'in_progress'"
						 " AND NOT ($2::boolean AND kind = 'rejoin')", &params) == 0)
		return;
	row.event_id = fo_catalog_column_bigint(0, 1, 0);
	row.kind = fo_core_operation_parse(fo_catalog_column_text(0, 2));
	fo_catalog_column_copy(0, 3, row.initiated_by, sizeof(row.initiated_by));
	row.started_at = fo_catalog_column_time(0, 4);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot %s while a %s of group \"%s\" is running", action, fo_core_operation_name(row.kind), group->name),
			 errdetail("%s", fo_catalog_explain_operation(&row)),
			 errhint("%s", fo_catalog_operation_hint(&row))));
}

/*
 * Nobody tells the server that it has left: it may be the primary of a
 * coordinator that took the group over, or be cut off just now.  So it is
 * for the DBA to say, on the server.
 */
void
fo_api_tell_gated(const FoLockedGroup *group, const char *peer)
{
	FoParams	params = {0};
	uint64		n;

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_name(&params, peer);
	n = fo_catalog_write("SELECT peer_name FROM %s.failover_peer_state WHERE group_name = $1"
						 " AND ($2 IS NULL OR peer_name = $2) AND (armed OR lease_time > '0') ORDER BY peer_name", &params);
	for (uint64 i = 0; i < n; i++)
		ereport(NOTICE,
				(errmsg("peer \"%s\" has the node library: it commits by lease only, and nobody will grant it one",
						fo_catalog_column_text(i, 1)),
				 errdetail("As a primary it refuses commits when its lease ends, after its next start at the latest."),
				 errhint("If it is to take writes without this coordinator, and is registered under no other name, call failover_node_release() there.")));
}

char *
fo_api_session_user(void)
{
	return GetUserNameFromId(GetSessionUserId(), false);
}

void
fo_api_record(const FoLockedGroup *group, const char *peer, const char *kind,
			  const char *message, StringInfo detail, const char *reason)
{
	char	   *user = fo_api_session_user();
	char	   *sentence = psprintf("%s by \"%s\"", message, user);
	StringInfoData own;

	if (detail == NULL)
	{
		initStringInfo(&own);
		fo_api_json_open(&own);
		detail = &own;
	}
	fo_api_json_text(detail, "user", user);
	fo_api_json_text(detail, "reason", reason);
	fo_api_json_close(detail);
	fo_catalog_write_event(group->name, peer, kind, FO_INFO, GetCurrentTimestamp(), sentence,
						   detail->data, group->settings.notify_channel);
}

/* The library keeps the groups in shared memory of fixed size: one that has no room there is refused. */
static void
check_room(void)
{
	FoParams	params = {0};

	if (fo_shared == NULL)
		return;
	fo_catalog_write("SELECT count(*) FROM %s.failover_group", &params);
	if (fo_catalog_column_bigint(0, 1, 0) <= fo_shared->max_groups)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("cannot have more than %d groups", fo_shared->max_groups),
			 errdetail("The parameter \"failover.max_peers\" sizes the coordinator's shared memory."),
			 errhint("Raise failover.max_peers and restart the server.")));
}

void
fo_api_record_new_group(const FoLockedGroup *group)
{
	check_room();
	fo_api_record(group, NULL, "group_created", psprintf("group \"%s\" created", group->name), NULL, NULL);
}
