/*-------------------------------------------------------------------------
 *
 * rehearse.c
 *		What will be asked of a standby in a failover, told to its session
 *		beforehand.
 *
 * A transaction that has locked a system catalog (VACUUM FULL and REINDEX do) holds
 * that lock on the standbys, too, and when the primary dies in the middle of it, until
 * one of them is promoted.  No session there can look up meanwhile what it has not
 * looked up before: no operator, no function, and so no statement that it has not seen.
 *
 * So the statements of the actions that lead to a promotion are explained now and then,
 * which looks everything up and executes nothing.  A session keeps what it has looked
 * up until that is changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/actions.h"
#include "coordinator/rehearse.h"

/* If a catalog is locked already it is too late, and checks are not to wait for it. */
#define BEGIN "SET LOCAL lock_timeout = '20ms'"

static const FoAction *const actions[] = {
	&fo_coordinator_action_reconnect,
	&fo_coordinator_action_freeze,
	&fo_coordinator_action_slots,
	&fo_coordinator_action_sync_names,
	&fo_coordinator_action_promote,
	&fo_coordinator_action_drain,
	&fo_coordinator_action_repoint,
};

/* ALTER SYSTEM looks nothing up. */
static void
explain(StringInfo sql, const char *statement)
{
	if (strncmp(statement, "SELECT", strlen("SELECT")) == 0)
		appendStringInfo(sql, "; EXPLAIN %s", statement);
}

static void
explain_action(StringInfo sql, const FoAction *action, FoPeer *peer)
{
	static const char *slots[] = {"failover", NULL};
	FoTask		task = {
		.cxt = CurrentMemoryContext,.action = action,.peer = peer,
		.facts = {.conninfo = "",.names = "",.slots = slots,.timeline = 1}
	};
	StringInfoData look;

	initStringInfo(&look);
	if (action->look != NULL)
		action->look(&task, &look);
	explain(sql, look.data);
	if (!action->act(&task))
		return;
	for (int i = 0; i < task.statements_n; i++)
		explain(sql, task.statements[i]);
}

static void
rehearsed(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
}

void
fo_coordinator_rehearse(FoPeer *peer)
{
	StringInfoData sql;
	const char *statements[2] = {NULL};

	initStringInfo(&sql);
	appendStringInfoString(&sql, BEGIN);
	for (int i = 0; i < (int) lengthof(actions); i++)
		explain_action(&sql, actions[i], peer);
	statements[0] = sql.data;
	fo_net_link_call(peer->link, statements, peer->group->cfg.settings.check_timeout, false, rehearsed, NULL);
	pfree(sql.data);
}
