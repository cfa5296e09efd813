/*-------------------------------------------------------------------------
 *
 * config_group.c
 *		Creates and drops groups: failover_create_group, failover_drop_group.
 *		And what makes the coordinator look: failover_wake for the install
 *		script, failover_config_changed for the tables' triggers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "miscadmin.h"

#include "api/api.h"
#include "catalog/catalog.h"
#include "catalog/rows.h"
#include "guc.h"

PG_FUNCTION_INFO_V1(failover_create_group);
PG_FUNCTION_INFO_V1(failover_drop_group);
PG_FUNCTION_INFO_V1(failover_wake);
PG_FUNCTION_INFO_V1(failover_config_changed);

static void
check_kind(const char *kind)
{
	if (strcmp(kind, fo_core_group_kind_name(FO_KIND_STREAMING)) == 0)
		return;
	if (strcmp(kind, fo_core_group_kind_name(FO_KIND_SERVICE)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("groups of kind \"service\" are not supported"),
				 errdetail("This release fails over PostgreSQL primaries with physical standbys."),
				 errhint("Create a group of kind \"streaming\".")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid kind of group: \"%s\"", kind),
			 errdetail("Kinds are written in lower case."),
			 errhint("Allowed values: streaming, service.")));
}

Datum
failover_create_group(PG_FUNCTION_ARGS)
{
	char	   *name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *kind = fo_api_arg_text(fcinfo, 1, "kind");
	FoLockedGroup group;

	fo_api_require_writable(fcinfo);
	check_kind(kind);
	fo_api_change_begin();
	if (!fo_api_insert_group(name, kind))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("group \"%s\" already exists", name),
				 errdetail("Names of groups are unique in a coordinator."),
				 errhint("Choose another name, or use failover_register() to add peers to it.")));
	fo_api_lock_group(name, &group);
	fo_api_record_new_group(&group);
	fo_api_change_end();
	PG_RETURN_VOID();
}

static void
refuse_if_peers(const FoLockedGroup *group)
{
	FoParams	params = {0};
	int64		n;

	fo_catalog_add_name(&params, group->name);
	fo_catalog_write("SELECT count(*) FROM %s.failover_peer WHERE group_name = $1", &params);
	n = fo_catalog_column_bigint(0, 1, 0);
	if (n == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot drop group \"%s\" because it has peers", group->name),
			 errdetail_plural("It has %d peer.", "It has %d peers.", n, (int) n),
			 errhint("Unregister them first, or use force => true.")));
}

Datum
failover_drop_group(PG_FUNCTION_ARGS)
{
	char	   *name = fo_api_arg_name(fcinfo, 0, "group_name");
	bool		is_forced = fo_api_arg_bool(fcinfo, 1, "force");
	FoLockedGroup group;
	FoParams	params = {0};

	fo_api_require_writable(fcinfo);
	fo_api_change_begin();
	fo_api_lock_group(name, &group);
	fo_api_require_idle(&group, false, "drop the group");
	if (!is_forced)
		refuse_if_peers(&group);
	fo_api_tell_gated(&group, NULL);
	fo_api_record(&group, NULL, "group_dropped", psprintf("group \"%s\" dropped", name), NULL, NULL);
	fo_catalog_add_name(&params, name);
	fo_catalog_write("INSERT INTO %s.failover_operation (event_id, group_name, kind, trigger, status, reason, initiated_by, target,"
					 " started_at, finished_at, error)"
					 " SELECT event_id, group_name, operation, 'scheduled', 'cancelled', reason, scheduled_by, target,"
					 " now(), now(), 'its group was dropped'"
					 " FROM %s.failover_planned WHERE group_name = $1 ON CONFLICT DO NOTHING", &params);
	fo_catalog_write("DELETE FROM %s.failover_group WHERE group_name = $1", &params);
	fo_api_change_end();
	PG_RETURN_VOID();
}

/*
 * Called at the end of the install script.  The extension may be created in
 * any database, but only one has a coordinator: better said now than wondered
 * about later.  A data server has none and needs none.
 */
Datum
failover_wake(PG_FUNCTION_ARGS)
{
	char	   *database = get_database_name(MyDatabaseId);

	if (fo_shared == NULL && fo_guc_role == FO_ROLE_COORDINATOR)
		ereport(WARNING,
				(errmsg("no coordinator runs in this server"),
				 errhint("Add \"failover\" to shared_preload_libraries and restart the server.")));
	else if (database != NULL && strcmp(database, fo_guc_database) != 0)
		ereport(WARNING,
				(errmsg("the coordinator works in database \"%s\", not in this one", fo_guc_database),
				 errhint("Set failover.database to \"%s\" and reload the configuration.", database)));
	fo_shared_config_changed();
	PG_RETURN_VOID();
}

/*
 * Statement trigger of the configuration tables.  The functions say so
 * themselves; a dump that is restored, or a DBA with an UPDATE, does not.
 */
Datum
failover_config_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger", "failover_config_changed")));
	fo_shared_config_changed();
	return PointerGetDatum(NULL);
}
