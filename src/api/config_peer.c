/*-------------------------------------------------------------------------
 *
 * config_peer.c
 *		Registers, changes and unregisters peers: failover_register,
 *		failover_alter_peer, failover_unregister.
 *
 * Everything that can be wrong is found before the first row is written, and
 * a conninfo is stored in the canonical form of the validator, so what the
 * coordinator reads later is what was checked here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "catalog/catalog.h"
#include "catalog/rows.h"

PG_FUNCTION_INFO_V1(failover_register);
PG_FUNCTION_INFO_V1(failover_alter_peer);
PG_FUNCTION_INFO_V1(failover_unregister);

/* What a user says about a peer; pointers are NULL where nothing was said. */
typedef struct PeerChange
{
	char	   *conninfo;
	int32	   *priority;
	int32	   *weight;
	char	   *zone;			/* '' takes the zone away */
	bool	   *is_promotable;
} PeerChange;

/* The canonical form of argument n, which must not be null. */
static char *
arg_conninfo(FunctionCallInfo fcinfo, int n)
{
	return fo_catalog_conninfo_normalize(fo_api_arg_text(fcinfo, n, "conninfo"));
}

/* Zone: a name, or '' for none; NULL if nothing is said. */
static char *
arg_zone(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return NULL;
	if (VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(n)) == 0)
		return pstrdup("");
	return fo_api_arg_name(fcinfo, n, "zone");
}

/* A number for which NULL says nothing. */
static int32 *
arg_natural(FunctionCallInfo fcinfo, int n, const char *arg)
{
	int32	   *value;

	if (PG_ARGISNULL(n))
		return NULL;
	value = palloc(sizeof(int32));
	*value = fo_api_arg_natural(fcinfo, n, arg);
	return value;
}

/*
 * The library keeps the peers in shared memory of fixed size.  The check runs
 * after the insert, so it counts this transaction's own rows; two transactions
 * may still both find the last place, and then the coordinator says so.
 */
static void
check_room(void)
{
	FoParams	params = {0};

	if (fo_shared == NULL)
		return;
	fo_catalog_write("SELECT count(*) FROM %s.failover_peer", &params);
	if (fo_catalog_column_bigint(0, 1, 0) <= fo_shared->max_peers)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("cannot have more than %d peers", fo_shared->max_peers),
			 errdetail("The parameter \"failover.max_peers\" sizes the coordinator's shared memory."),
			 errhint("Raise failover.max_peers and restart the server.")));
}

/*
 * One server under two names would count as two witnesses of the same failure.
 * Addresses can look different and be the same, so this is help, no guarantee.
 */
static void
check_same_server(const FoLockedGroup *group, const char *peer, const char *conninfo)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_name(&params, peer);
	fo_catalog_add_text(&params, conninfo);
	if (fo_catalog_write("SELECT peer_name, group_name, group_name <> $1 FROM %s.failover_peer"
					   " WHERE (group_name <> $1 OR peer_name <> $2) AND conninfo = $3"
					   " ORDER BY group_name = $1, group_name, peer_name LIMIT 1", &params) == 0)
		return;
	if (fo_catalog_column_bool(0, 3))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("this server is registered already, as peer \"%s\" of group \"%s\"",
						fo_catalog_column_text(0, 1), fo_catalog_column_text(0, 2)),
				 errdetail("Two groups would take each other's lease of the server away."),
				 errhint("A server belongs to one group: unregister it there first.")));
	ereport(WARNING,
			(errmsg("peer \"%s\" has the same connection string as peer \"%s\"", peer, fo_catalog_column_text(0, 1)),
			 errhint("Register each server of a group once: peers are witnesses for each other.")));
}

/* At another address may be another server: whether it is one of the group is seen again. */
static void
forget_membership(const FoLockedGroup *group, const char *peer)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_name(&params, peer);
	fo_catalog_write("UPDATE %s.failover_peer_state SET followed = NULL, told_to_follow = NULL"
					 " WHERE group_name = $1 AND peer_name = $2", &params);
}

/* As parameters $3 to $7: conninfo, priority, weight, zone, promotable. */
static void
add_change(FoParams *params, const PeerChange *change)
{
	const char *promotable = NULL;

	if (change->is_promotable)
		promotable = *change->is_promotable ? "true" : "false";
	fo_catalog_add_text(params, change->conninfo);
	fo_catalog_add_bigint(params, change->priority ? *change->priority : 0, change->priority == NULL);
	fo_catalog_add_bigint(params, change->weight ? *change->weight : 0, change->weight == NULL);
	fo_catalog_add_text(params, change->zone);
	fo_catalog_add_text(params, promotable);
}

static void
insert_peer(const FoLockedGroup *group, const char *peer, const PeerChange *change)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_name(&params, peer);
	add_change(&params, change);
	if (fo_catalog_write("INSERT INTO %s.failover_peer"
					   " (group_name, peer_name, conninfo, priority, weight, zone, promotable)"
					   " VALUES ($1, $2, $3, $4::integer, $5::integer, NULLIF($6, ''), $7::boolean)"
					   " ON CONFLICT DO NOTHING", &params) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("peer \"%s\" of group \"%s\" already exists", peer, group->name),
				 errdetail("Names of peers are unique in their group."),
				 errhint("Use failover_alter_peer() to change it.")));
}

/* A JSON object of what was said about the peer, left open. */
static StringInfo
describe(const PeerChange *change)
{
	StringInfo	detail = makeStringInfo();

	fo_api_json_open(detail);
	fo_api_json_text(detail, "conninfo", change->conninfo);
	if (change->priority)
		fo_api_json_int(detail, "priority", *change->priority);
	if (change->weight)
		fo_api_json_int(detail, "weight", *change->weight);
	fo_api_json_text(detail, "zone", change->zone);
	if (change->is_promotable)
		fo_api_json_bool(detail, "promotable", *change->is_promotable);
	return detail;
}

Datum
failover_register(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *peer = fo_api_arg_name(fcinfo, 1, "peer_name");
	int32		priority = fo_api_arg_natural(fcinfo, 3, "priority");
	int32		weight = fo_api_arg_natural(fcinfo, 4, "weight");
	bool		is_promotable = fo_api_arg_bool(fcinfo, 6, "promotable");
	FoLockedGroup group;
	PeerChange	change;
	bool		is_new_group;

	fo_api_require_writable(fcinfo);
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a peer of a streaming group needs a connection string"),
				 errdetail("The coordinator checks the server over a session of its own."),
				 errhint("Give argument \"conninfo\", for example 'host=192.0.2.1 port=5432 user=failover'.")));
	change.conninfo = arg_conninfo(fcinfo, 2);
	change.priority = &priority;
	change.weight = &weight;
	change.zone = arg_zone(fcinfo, 5);
	change.is_promotable = &is_promotable;

	fo_api_change_begin();
	is_new_group = fo_api_insert_group(group_name, fo_core_group_kind_name(FO_KIND_STREAMING));
	fo_api_lock_group(group_name, &group);
	if (is_new_group)
		fo_api_record_new_group(&group);
	insert_peer(&group, peer, &change);
	check_room();
	check_same_server(&group, peer, change.conninfo);
	fo_api_record(&group, peer, "peer_registered",
				  psprintf("peer \"%s\" registered", peer), describe(&change), NULL);
	fo_api_change_end();
	PG_RETURN_VOID();
}

/* Returns whether anything is different now. */
static bool
update_peer(const FoLockedGroup *group, const char *peer, const PeerChange *change)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_name(&params, peer);
	add_change(&params, change);
	return fo_catalog_write("UPDATE %s.failover_peer p"
							" SET conninfo = n.conninfo, priority = n.priority, weight = n.weight,"
							"  zone = n.zone, promotable = n.promotable"
							" FROM (SELECT COALESCE($3, conninfo) AS conninfo,"
							"  COALESCE($4::integer, priority) AS priority,"
							"  COALESCE($5::integer, weight) AS weight,"
							"  NULLIF(COALESCE($6, zone::text), '')::name AS zone,"
							"  COALESCE($7::boolean, promotable) AS promotable"
							"  FROM %s.failover_peer WHERE group_name = $1 AND peer_name = $2) n"
							" WHERE p.group_name = $1 AND p.peer_name = $2"
							" AND (p.conninfo, p.priority, p.weight, p.zone, p.promotable) IS DISTINCT FROM"
							"  (n.conninfo, n.priority, n.weight, n.zone, n.promotable)", &params) > 0;
}

Datum
failover_alter_peer(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *peer = fo_api_arg_name(fcinfo, 1, "peer_name");
	bool		is_promotable = !PG_ARGISNULL(6) && PG_GETARG_BOOL(6);
	FoLockedGroup group;
	PeerChange	change;

	fo_api_require_writable(fcinfo);
	change.conninfo = PG_ARGISNULL(2) ? NULL : arg_conninfo(fcinfo, 2);
	change.priority = arg_natural(fcinfo, 3, "priority");
	change.weight = arg_natural(fcinfo, 4, "weight");
	change.zone = arg_zone(fcinfo, 5);
	change.is_promotable = PG_ARGISNULL(6) ? NULL : &is_promotable;

	fo_api_change_begin();
	fo_api_lock_group(group_name, &group);
	fo_api_require_peer(&group, peer);
	if (change.conninfo != NULL)
		fo_api_require_idle(&group, false, "change a connection string");
	if (!update_peer(&group, peer, &change))
		ereport(NOTICE,
				(errmsg("peer \"%s\" of group \"%s\" is left as it is", peer, group_name)));
	else
	{
		if (change.conninfo != NULL)
		{
			check_same_server(&group, peer, change.conninfo);
			forget_membership(&group, peer);
		}
		fo_api_record(&group, peer, "peer_altered",
					  psprintf("peer \"%s\" altered", peer), describe(&change), NULL);
	}
	fo_api_change_end();
	PG_RETURN_VOID();
}

static void
refuse_if_primary(const FoLockedGroup *group, const char *peer)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_name(&params, peer);
	if (fo_catalog_write("SELECT 1 FROM %s.failover_group_state WHERE group_name = $1 AND primary_peer = $2",
					   &params) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot unregister peer \"%s\" because it is the primary of group \"%s\"", peer, group->name),
			 errdetail("Nobody would watch over the server that takes the writes."),
			 errhint("Move the primary with failover_switchover() first, or use force => true.")));
}

/* Take the peer out of everything that refers to it by name. */
static void
delete_peer(const FoLockedGroup *group, const char *peer)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_name(&params, peer);
	fo_catalog_write("DELETE FROM %s.failover_peer WHERE group_name = $1 AND peer_name = $2", &params);
	fo_catalog_write("UPDATE %s.failover_group SET preferred_primary = NULL"
				   " WHERE group_name = $1 AND preferred_primary = $2", &params);
	fo_catalog_write("UPDATE %s.failover_group_state SET primary_peer = NULL"
				   " WHERE group_name = $1 AND primary_peer = $2", &params);
}

Datum
failover_unregister(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *peer = fo_api_arg_name(fcinfo, 1, "peer_name");
	bool		is_forced = fo_api_arg_bool(fcinfo, 2, "force");
	FoLockedGroup group;

	fo_api_require_writable(fcinfo);
	fo_api_change_begin();
	fo_api_lock_group(group_name, &group);
	fo_api_require_peer(&group, peer);
	fo_api_require_idle(&group, true, "unregister a peer");
	if (!is_forced)
		refuse_if_primary(&group, peer);
	fo_api_tell_gated(&group, peer);
	delete_peer(&group, peer);
	fo_api_record(&group, peer, "peer_unregistered",
				  psprintf("peer \"%s\" unregistered", peer), NULL, NULL);
	fo_api_change_end();
	PG_RETURN_VOID();
}
