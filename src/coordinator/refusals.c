/*-------------------------------------------------------------------------
 *
 * refusals.c
 *		Words for what requests are refused with (moves.c, requests.c).
 *
 * What is decided is decided there; here it is only said, with all that a
 * person needs who meets it at night: since when, by whose wish, until when, and
 * what to call next.  What changes from one second to the next is in the detail
 * alone: the error itself is compared with that of an earlier try (schedule.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/evidence.h"
#include "core/text.h"
#include "coordinator/executor.h"
#include "coordinator/refusals.h"

bool
fo_coordinator_refuse(FoRefusal *refusal, const char *detail, const char *hint, const char *format,...)
{
	va_list		args;

	refusal->sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	refusal->is_moot = refusal->is_early = false;
	va_start(args, format);
	fo_core_mend_cut(refusal->error, sizeof(refusal->error),
					 vsnprintf(refusal->error, sizeof(refusal->error), format, args));
	va_end(args);
	fo_core_copy_text(refusal->detail, sizeof(refusal->detail), detail);
	fo_core_copy_text(refusal->hint, sizeof(refusal->hint), hint);
	return false;
}

bool
fo_coordinator_refuse_unknown(FoRefusal *refusal, const FoGroup *group, const char *peer_name)
{
	(void) fo_coordinator_refuse(refusal, psprintf("The group has %d peers now.", group->peers_n),
								 "The view failover_peers shows them; failover_register() adds one.",
								 "peer \"%s\" does not exist in group \"%s\"", peer_name, group->cfg.name);
	refusal->sqlstate = ERRCODE_UNDEFINED_OBJECT;
	return false;
}

bool
fo_coordinator_refuse_running(FoRefusal *refusal, const FoGroup *group)
{
	const FoOperationRow *row = fo_coordinator_run_row(group);

	return fo_coordinator_refuse(refusal, fo_catalog_explain_operation(row), fo_catalog_operation_hint(row),
								 "an operation of group \"%s\" is in progress", group->cfg.name);
}

bool
fo_coordinator_refuse_paused(FoRefusal *refusal, const FoGroup *group)
{
	return fo_coordinator_refuse(refusal, fo_catalog_explain_pause(&group->cfg),
								 psprintf("Call failover_resume(%s) first.", quote_literal_cstr(group->cfg.name)),
								 "group \"%s\" is paused", group->cfg.name);
}

bool
fo_coordinator_refuse_blocked(FoRefusal *refusal, const FoGroup *group, const char *with_force)
{
	const FoGroupConfig *cfg = &group->cfg;
	char		left[32];
	FoText		text;

	fo_core_text_begin(&text, left, sizeof(left));
	fo_core_text_add_duration(&text, Max(group->view.blocked_until - group->view.now, 0));
	return fo_coordinator_refuse(refusal,
								 psprintf("It lasts for another %s, until %s.", left, timestamptz_to_str(cfg->blocked_until)),
								 with_force != NULL ? psprintf("Call failover_acknowledge(%s) first, or %s.", quote_literal_cstr(cfg->name), with_force) :
								 psprintf("Call failover_acknowledge(%s) first.", quote_literal_cstr(cfg->name)),
								 "group \"%s\" is in the block period after its last failover", cfg->name);
}

/* The one who could be promoted if somebody had not said that he works on it. */
static const FoPeer *
find_in_maintenance(const FoGroup *group, const FoPeer *target)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeer *peer = group->peers[i];

		if (peer->view.is_in_maintenance && peer->cfg.is_promotable && i != group->view.primary &&
			(target == NULL || target == peer))
			return peer;
	}
	return NULL;
}

bool
fo_coordinator_refuse_nobody(FoRefusal *refusal, const FoGroup *group, const FoPeer *target, const char *why)
{
	const FoPeer *peer = find_in_maintenance(group, target);
	int			answering_n = 0;

	for (int i = 0; i < group->peers_n; i++)
		answering_n += fo_core_peer_answers(&group->peers[i]->view) ? 1 : 0;
	if (peer != NULL)
		return fo_coordinator_refuse(refusal, fo_catalog_explain_maintenance(&peer->cfg),
									 psprintf("failover_set_maintenance(%s, %s, false) ends it; failover_candidates() has each peer's reason.",
											  quote_literal_cstr(group->cfg.name), quote_literal_cstr(peer->cfg.name)),
									 "no standby can be promoted: %s", why);
	return fo_coordinator_refuse(refusal, psprintf("Of the group's %d peers %d answer.", group->peers_n, answering_n),
								 "failover_candidates() has each peer's reason.",
								 "no standby can be promoted: %s", why[0] ? why : "the group has none");
}

char *
fo_coordinator_explain_silence(const FoPeer *peer)
{
	if (peer->view.last_attempt_at == 0)
		return psprintf("Peer \"%s\" has not been tried yet.", peer->cfg.name);
	if (peer->last_error[0] == '\0')
		return psprintf("Peer \"%s\" has not answered lately.", peer->cfg.name);
	return psprintf("The last attempt ended with: %s", peer->last_error);
}
