/*-------------------------------------------------------------------------
 *
 * moves.c
 *		May the primary be moved now, as somebody wishes?  If so it is.
 *
 * Whoever wishes it, now by a function or beforehand by a schedule, is judged
 * alike: by the coordinator in charge only, on a fresh look at the group, with
 * the same ranking of candidates as an automatic failover.  force overrides the
 * block period, the lag limit and the preference for consistency.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/elog.h"

#include "core/evidence.h"
#include "core/text.h"
#include "core/verdict.h"
#include "coordinator/executor.h"
#include "coordinator/moves.h"
#include "coordinator/takeover.h"

static bool refuse(FoRefusal *refusal, const char *hint, const char *format,...) pg_attribute_printf(3, 4);

/* The group is not in the state that this needs.  Always false. */
static bool
refuse(FoRefusal *refusal, const char *hint, const char *format,...)
{
	va_list		args;

	refusal->sqlstate = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	va_start(args, format);
	fo_core_mend_cut(refusal->error, sizeof(refusal->error),
					 vsnprintf(refusal->error, sizeof(refusal->error), format, args));
	va_end(args);
	strlcpy(refusal->hint, hint ? hint : "", sizeof(refusal->hint));
	return false;
}

bool
fo_coordinator_is_not_in_charge(FoGroup *group, FoRefusal *refusal)
{
	memset(refusal, 0, sizeof(*refusal));
	if (group->newer_term != 0)
		return !refuse(refusal, "Ask that coordinator; or stop it, then drop the group here and register it again.",
					   "coordinator \"%s\" has taken over group \"%s\" with term " INT64_FORMAT,
					   group->newer_owner, group->cfg.name, group->newer_term);
	if (group->is_claiming)
		return !refuse(refusal, "Try again in a moment.",
					   "this coordinator is about to take over group \"%s\"", group->cfg.name);
	if (!fo_coordinator_is_confirmed(group))
		return !refuse(refusal, "Bring standbys back, or call failover_acknowledge if no other coordinator is alive.",
					   "too few standbys of group \"%s\" have taken the term of this coordinator", group->cfg.name);
	return false;
}

/* Does death, or SQL, or the end of its lease keep the old primary from taking writes? */
static bool
is_old_primary_contained(const FoPeer *primary)
{
	const FoPeerView *view = &primary->view;
	bool		is_dead = view->error == FO_ERROR_REFUSED && !fo_core_may_be_walled_off(view);

	return is_dead || fo_net_link_is_ready(primary->link) || fo_core_needs_lease(view);
}

/* A standby that receives from a primary that does not answer us; NULL if there is none. */
static const FoPeer *
find_receiver(const FoGroup *group, const FoPeer *primary)
{
	for (int i = 0; i < group->peers_n && !fo_core_peer_answers(&primary->view); i++)
	{
		if (fo_core_witness(&group->view, i) == FO_WITNESS_RECEIVES)
			return group->peers[i];
	}
	return NULL;
}

/* Will nothing be acknowledged by the old primary that the new one does not have? */
static bool
may_leave_behind(const FoGroup *group, const FoPeer *primary, FoRefusal *refusal)
{
	const FoPeer *receiver = find_receiver(group, primary);

	/* Its commits find no standby any more once these are stopped. */
	if (fo_core_sync_proof(&group->view, NULL) == FO_SYNC_PROOF_COVERED)
		return true;
	if (receiver != NULL)
		return refuse(refusal, "Mend the network between the coordinator and the primary; or make sure that it is down, then use force => true.",
					  "primary \"%s\" does not answer the coordinator, but standby \"%s\" still receives from it",
					  primary->cfg.name, receiver->cfg.name);
	if (!is_old_primary_contained(primary))
		return refuse(refusal, "Make sure that it is down, then use force => true.",
					  "primary \"%s\" does not answer and cannot be fenced: it may still take writes", primary->cfg.name);
	return true;
}

bool
fo_coordinator_is_nobody_eligible(FoGroup *group, const FoPeer *target, bool is_forced, char *why, size_t size)
{
	FoCandidate *ranked = palloc0(Max(group->peers_n, 1) * sizeof(FoCandidate));
	FoCandidateOptions options = {.is_forced = is_forced,.target = -1};
	FoText		text;
	int			eligible;

	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i] == target)
			options.target = i;
	}
	eligible = fo_core_rank_candidates(&group->view, &options, ranked);
	fo_core_text_begin(&text, why, size);
	for (int i = 0; i < group->peers_n && eligible == 0; i++)
	{
		const FoPeer *peer = group->peers[ranked[i].peer];

		if (ranked[i].exclusion == FO_EXCLUDED_PRIMARY || (target != NULL && peer != target))
			continue;
		fo_core_text_add(&text, why[0] ? "; \"" : "\"");
		fo_core_text_add(&text, peer->cfg.name);
		fo_core_text_add(&text, "\": ");
		fo_core_text_add(&text, ranked[i].reason);
	}
	pfree(ranked);
	return eligible == 0;
}

/* Does the state of the group allow to move the primary at all? */
static bool
may_move(FoGroup *group, FoPeer *target, bool is_forced, FoRefusal *refusal)
{
	FoPeer	   *primary = fo_coordinator_primary(group);
	char		why[FO_ERROR_LEN];

	fo_coordinator_freeze_view(group);
	if (!fo_coordinator_run_may_yield(group))
		return refuse(refusal, "Wait until it has ended: see failover_status().current_event.",
					  "an operation of group \"%s\" is in progress", group->cfg.name);
	if (group->view.is_paused)
		return refuse(refusal, "Call failover_resume first.", "group \"%s\" is paused", group->cfg.name);
	if (group->view.blocked_until != 0 && !is_forced)
		return refuse(refusal, "Call failover_acknowledge first, or use force => true.",
					  "group \"%s\" is in the block period after its last failover", group->cfg.name);
	if (target != NULL && target == primary)
		return refuse(refusal, NULL, "peer \"%s\" is the primary already", target->cfg.name);
	if (fo_coordinator_is_nobody_eligible(group, target, is_forced, why, sizeof(why)))
		return refuse(refusal, "See failover_candidates() for each peer's reason.",
					  "no standby can be promoted: %s", why[0] ? why : "the group has none");
	return primary == NULL || is_forced || group->cfg.settings.prefer != FO_PREFER_CONSISTENCY ||
		may_leave_behind(group, primary, refusal);
}

/* Can the primary hand over gracefully? */
static bool
may_switch_over(FoGroup *group, FoRefusal *refusal)
{
	const FoPeer *primary = fo_coordinator_primary(group);

	if (fo_coordinator_can_switch_over(primary))
		return true;
	if (primary != NULL && primary->node_schema != NULL && fo_core_peer_answers(&primary->view))
		return refuse(refusal, "See failover_evaluate(); failover_trigger() moves the primary without it.",
					  "primary \"%s\" is not well enough to hand over", primary->cfg.name);
	if (primary != NULL && fo_core_peer_answers(&primary->view))
		return refuse(refusal, "Preload the library there with failover.role = node, or use failover_trigger().",
					  "primary \"%s\" has no node library: it cannot be demoted gracefully", primary->cfg.name);
	return refuse(refusal, "failover_trigger() moves the primary without it.",
				  "the primary of group \"%s\" does not answer", group->cfg.name);
}

/* Could the primary be promoted again once it is a standby?  A drill ends where it began. */
static bool
may_return(const FoPeer *primary, FoRefusal *refusal)
{
	if (!primary->cfg.is_promotable)
		return refuse(refusal, "Call failover_alter_peer with promotable => true, or failover_switchover.",
					  "primary \"%s\" is not promotable: a drill could not return to it", primary->cfg.name);
	if (primary->view.is_in_maintenance)
		return refuse(refusal, "End it with failover_set_maintenance.",
					  "primary \"%s\" is in maintenance: a drill could not return to it", primary->cfg.name);
	return true;
}

bool
fo_coordinator_move(FoGroup *group, const FoMove *move, FoRefusal *refusal)
{
	FoPeer	   *primary = fo_coordinator_primary(group);
	FoPeer	   *target = move->kind == FO_OPERATION_FAILBACK ? fo_coordinator_preferred_primary(group) :
		fo_coordinator_find_peer(group, move->target);
	FoOrder		order = {.kind = move->kind,.trigger = move->trigger,.request = move->request};

	if (fo_coordinator_is_not_in_charge(group, refusal))
		return false;
	if (move->target[0] != '\0' && target == NULL)
	{
		(void) refuse(refusal, NULL, "peer \"%s\" does not exist in group \"%s\"", move->target, group->cfg.name);
		refusal->sqlstate = ERRCODE_UNDEFINED_OBJECT;
		return false;
	}
	if (move->kind == FO_OPERATION_FAILOVER && fo_coordinator_can_switch_over(primary))
		order.kind = FO_OPERATION_SWITCHOVER;
	if (!may_move(group, target, move->is_forced, refusal) ||
		(move->kind != FO_OPERATION_FAILOVER && !may_switch_over(group, refusal)) ||
		(move->kind == FO_OPERATION_DRILL && !may_return(primary, refusal)))
		return false;
	(void) fo_coordinator_run_cancel(group, "the primary is to be moved");
	order.event_id = move->event_id;
	order.target = target;
	order.is_forced = move->is_forced;
	order.reason = move->reason[0] ? move->reason : "asked for in SQL";
	order.user = move->user;
	order.detected_since = primary && order.kind == FO_OPERATION_FAILOVER ? primary->view.failing_since : 0;
	fo_coordinator_run_start(group, &order);
	return true;
}
