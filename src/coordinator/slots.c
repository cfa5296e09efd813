/*-------------------------------------------------------------------------
 *
 * slots.c
 *		Replication slots that a change of the primary leaves behind.
 *
 * A former primary, and a standby that was primary before, has physical slots
 * of those who followed it then.  Nobody reads them any more, and each holds
 * back WAL for ever; so they are dropped as soon as their readers are seen to
 * stream from the present primary.  What is in use, what belongs to nobody of
 * the group, and what holds back nothing stays.
 *
 * A logical slot does not move with the primary (before version 17, and from
 * then on unless it was made for that).  It can only be said that it is gone.
 * Those that were made for it a former primary still has as its own, and they
 * would hold back WAL there and keep the server from synchronizing them: where
 * it is to do that, and the present primary has them, they are dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "coordinator/actions.h"
#include "coordinator/record.h"
#include "coordinator/row.h"
#include "coordinator/slots.h"

#define DROP_TIMEOUT_MS 5000

/* How long a standby must have been well, and how soon to look again where not everything could be done. */
#define WELL_FOR_US FO_MS(2000)
#define AGAIN_AFTER_US FO_MS(10000)

/* ---- the action ---- */

#define LEFT_SLOTS \
	" FROM pg_replication_slots s WHERE NOT active AND NOT temporary AND (%s)"

/* Columns and setting came with 17. */
#define IS_LEFT_LOGICAL \
	"slot_type = 'logical' AND (to_jsonb(s) ->> 'failover')::boolean AND NOT (to_jsonb(s) ->> 'synced')::boolean" \
	" AND current_setting('sync_replication_slots', true) = 'on' AND slot_name = ANY (string_to_array(%s, ','))"

static void
drop_look(FoTask *task, StringInfo sql)
{
	appendStringInfo(sql, "SELECT string_agg(slot_name, ', ' ORDER BY slot_name)" LEFT_SLOTS, task->facts.condition);
}

static FoLook
drop_read(FoTask *task, const PGresult *result)
{
	if (!fo_coordinator_is_row(task, result, 1))
		return FO_LOOK_FAILED;
	if (PQgetisnull(result, 0, 0))
		return FO_LOOK_DONE;
	if (!task->has_acted)
		task->facts.names = MemoryContextStrdup(task->cxt, PQgetvalue(result, 0, 0));
	fo_coordinator_task_explain(task, "%s", PQgetvalue(result, 0, 0));
	return FO_LOOK_NOT_YET;
}

static bool
drop_act(FoTask *task)
{
	fo_coordinator_task_statement(task, "SELECT pg_drop_replication_slot(slot_name)" LEFT_SLOTS, task->facts.condition);
	return true;
}

static const FoAction action_drop = {
	.look = drop_look,.read = drop_read,.act = drop_act,.poll_ms = 100
};

/* ---- on a former primary ---- */

static bool
follows_primary(const FoPeer *peer)
{
	return fo_core_peer_answers(&peer->view) && peer->view.received_at != 0 &&
		peer->view.received_at == peer->view.observed.at;
}

/* Slots that the primary keeps as well, by its write check: names with commas; NULL = it has not told since it is the primary. */
static const char *
kept_slots(const FoPeer *primary)
{
	return primary->failover_slots_timeline == primary->view.observed.timeline ? primary->failover_slots : NULL;
}

/*
 * SQL of a condition for the slots that nobody can need on this standby:
 * physical ones of the primary and of everybody who follows it, logical ones
 * that the primary has.  *is_complete becomes false if somebody follows nobody
 * yet, or the primary has not told.
 */
static char *
unneeded_slots(const FoPeer *peer, bool *is_complete)
{
	const FoGroup *group = peer->group;
	const FoPeer *primary = fo_coordinator_primary((FoGroup *) group);
	const char *kept = kept_slots(primary);
	StringInfoData names;
	StringInfoData sql;

	*is_complete = kept != NULL || !group->cfg.settings.write_check;
	initStringInfo(&names);
	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *other = group->peers[i];

		if (other == peer || other->cfg.slot_name == NULL || other->cfg.slot_name[0] == '\0')
			continue;
		if (other == primary || follows_primary(other))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", quote_literal_cstr(other->cfg.slot_name));
		else
			*is_complete = false;
	}
	initStringInfo(&sql);
	if (names.len > 0)
		appendStringInfo(&sql, "slot_type = 'physical' AND restart_lsn IS NOT NULL AND slot_name = ANY (ARRAY[%s]::name[])", names.data);
	if (kept != NULL && kept[0] != '\0')
		appendStringInfo(&sql, "%s" IS_LEFT_LOGICAL, sql.len > 0 ? " OR " : "", quote_literal_cstr(kept));
	return sql.len > 0 ? sql.data : NULL;
}

static void
dropped(FoTask *task, void *arg)
{
	FoPeer	   *peer = arg;

	peer->task = NULL;
	if (task->is_done && task->has_acted)
		fo_coordinator_record(peer->group, peer, "slots_dropped", FO_NOTICE, NULL,
							  "dropped slots that held back WAL for nobody: %s", task->facts.names);
	else if (!task->is_done)
	{
		peer->slots_timeline = 0;
		fo_coordinator_record(peer->group, peer, "slots_left", FO_WARNING, NULL,
							  "slots hold back WAL for nobody, and could not be dropped: %s", task->detail);
	}
}

void
fo_coordinator_slots_tidy(FoPeer *peer, FoTime now)
{
	const FoPeer *primary = fo_coordinator_primary(peer->group);
	FoTaskFacts facts = {0};
	char	   *slots;
	bool		is_complete;

	if (peer->slots_timeline == primary->view.observed.timeline || peer->task != NULL || now < peer->slots_look_at ||
		peer->well_since == 0 || now - peer->well_since < WELL_FOR_US || !follows_primary(peer) ||
		!peer->view.observed.is_privileged)
		return;

	slots = unneeded_slots(peer, &is_complete);
	peer->slots_look_at = now + AGAIN_AFTER_US;
	peer->slots_timeline = is_complete ? primary->view.observed.timeline : 0;
	if (slots == NULL)
		return;
	facts.condition = slots;
	peer->task = fo_coordinator_task_start(&action_drop, peer, &facts, DROP_TIMEOUT_MS, dropped, peer);
	peer->task->facts.condition = MemoryContextStrdup(peer->task->cxt, slots);
	pfree(slots);
}

void
fo_coordinator_slots_cancel(FoGroup *group)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		FoPeer	   *peer = group->peers[i];

		if (peer->task == NULL || peer->task->action != &action_drop)
			continue;
		fo_coordinator_task_cancel(peer->task);
		peer->task = NULL;
		peer->slots_timeline = 0;
	}
}

/* ---- on a new primary ---- */

void
fo_coordinator_slots_tell_logical(FoPeer *new_primary, const FoPeer *former)
{
	if (former == NULL || former == new_primary || former->logical_slots[0] == '\0')
		return;
	fo_coordinator_record(new_primary->group, new_primary, "logical_slots", FO_WARNING, NULL,
						  "does not have the logical slots of \"%s\": %s; create them anew, see that their subscribers have missed nothing, and drop them on \"%s\" where it comes back with them: they hold back WAL there",
						  former->cfg.name, former->logical_slots, former->cfg.name);
}
