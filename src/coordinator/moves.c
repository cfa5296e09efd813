/*-------------------------------------------------------------------------
 *
 * moves.c
 *		May the primary be moved now, as somebody wishes?  If so it is.
 *
 * Whoever wishes it, now by a function or beforehand by a schedule, is judged
 * alike: by the coordinator in charge only, on a fresh look at the group, with
 * the same ranking of candidates as an automatic failover.  force overrides the
 * block period, the lag limit and the preference for consistency.  A planned move
 * has the old primary as a standby afterwards, so it is refused where that would
 * come to nothing; failover_trigger() is not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "core/evidence.h"
#include "core/preflight.h"
#include "core/text.h"
#include "core/verdict.h"
#include "coordinator/elsewhere.h"
#include "coordinator/executor.h"
#include "coordinator/failback.h"
#include "coordinator/moves.h"
#include "coordinator/sources.h"
#include "coordinator/survey.h"
#include "coordinator/takeover.h"

/* What there is to override this with, in the function that was called, as the end of a sentence. */
static const char *
with_force(const FoMove *move)
{
	return move->kind == FO_OPERATION_FAILOVER ? "use force => true" : "call failover_trigger() with force => true";
}

bool
fo_coordinator_is_not_in_charge(FoGroup *group, FoRefusal *refusal)
{
	memset(refusal, 0, sizeof(*refusal));
	if (group->newer_term != 0)
		return !fo_coordinator_refuse(refusal, psprintf("The term of this coordinator is " INT64_FORMAT ".", group->cfg.term),
									  "Ask that coordinator; or stop it, then drop the group here and register it again.",
									  "coordinator \"%s\" has taken over group \"%s\" with term " INT64_FORMAT,
									  group->newer_owner, group->cfg.name, group->newer_term);
	if (fo_coordinator_is_elsewhere(group))
		return !fo_coordinator_refuse(refusal, "That one counts: two groups must not act on one server.",
									  "Unregister one of the two.",
									  "primary \"%s\" of group \"%s\" is the same server as peer \"%s\" of group \"%s\"",
									  group->cfg.primary_peer, group->cfg.name,
									  fo_coordinator_primary(group)->view.other_name, fo_coordinator_primary(group)->view.other_group);
	if (group->is_claiming)
		return !fo_coordinator_refuse(refusal, "It looks at every peer before, in case that another one has taken it over.",
									  "Try again in a moment.",
									  "this coordinator is about to take over group \"%s\"", group->cfg.name);
	if (!fo_coordinator_is_confirmed(group))
		return !fo_coordinator_refuse(refusal, "After its start a majority has to, so that no two coordinators act for one group.",
									  psprintf("Bring standbys back; or call failover_acknowledge(%s) if no other coordinator is alive.",
											   quote_literal_cstr(group->cfg.name)),
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
may_leave_behind(const FoGroup *group, const FoPeer *primary, const FoMove *move, FoRefusal *refusal)
{
	const FoPeer *receiver = find_receiver(group, primary);

	/* Its commits find no standby any more once these are stopped. */
	if (fo_core_sync_proof(&group->view, NULL) == FO_SYNC_PROOF_COVERED)
		return true;
	if (receiver != NULL)
		return fo_coordinator_refuse(refusal, "It may acknowledge commits that a new primary would not have, and the setting \"prefer\" is consistency.",
									 psprintf("Mend the network between the coordinator and the primary; or make sure that it is down, then %s.",
											  with_force(move)),
									 "primary \"%s\" does not answer the coordinator, but standby \"%s\" still receives from it",
									 primary->cfg.name, receiver->cfg.name);
	if (!is_old_primary_contained(primary))
		return fo_coordinator_refuse(refusal, "It has no lease that would end, and the setting \"prefer\" is consistency.",
									 psprintf("Make sure that it is down, then %s.", with_force(move)),
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

/* The primary is where it is wished to be: nothing to do, now or later. */
static bool
refuse_as_moot(const FoGroup *group, const FoMove *move, FoRefusal *refusal)
{
	const char *name = group->cfg.primary_peer;

	(void) fo_coordinator_refuse(refusal, psprintf("It is the primary of group \"%s\" in term " INT64_FORMAT ".", group->cfg.name, group->cfg.term),
								 move->kind == FO_OPERATION_FAILBACK
								 ? "There is nothing to fail back: failover_status().preferred_primary is where that leads."
								 : "Name another target, or none for the best candidate; failover_candidates() ranks them.",
								 "peer \"%s\" is the primary already", name);
	refusal->is_moot = true;
	return false;
}

/* Does the state of the group allow to move the primary at all? */
static bool
may_move(FoGroup *group, FoPeer *target, const FoMove *move, FoRefusal *refusal)
{
	FoPeer	   *primary = fo_coordinator_primary(group);
	char		why[FO_ERROR_LEN];

	fo_coordinator_freeze_view(group);
	if (!fo_coordinator_run_may_yield(group))
		return fo_coordinator_refuse_running(refusal, group);
	if (target != NULL && target == primary)
		return refuse_as_moot(group, move, refusal);
	if (group->view.is_paused)
		return fo_coordinator_refuse_paused(refusal, group);
	if (group->view.blocked_until != 0 && !move->is_forced)
		return fo_coordinator_refuse_blocked(refusal, group, move->kind == FO_OPERATION_FAILOVER ? with_force(move) : NULL);
	if (fo_coordinator_is_nobody_eligible(group, target, move->is_forced, why, sizeof(why)))
		return fo_coordinator_refuse_nobody(refusal, group, target, why);
	return primary == NULL || move->is_forced || group->cfg.settings.prefer != FO_PREFER_CONSISTENCY ||
		may_leave_behind(group, primary, move, refusal);
}

/* Can the primary hand over gracefully? */
static bool
may_switch_over(FoGroup *group, FoRefusal *refusal)
{
	const FoPeer *primary = fo_coordinator_primary(group);

	if (fo_coordinator_can_switch_over(primary))
		return true;
	if (primary != NULL && primary->node_schema != NULL && fo_core_peer_answers(&primary->view))
		return fo_coordinator_refuse(refusal, "It has to take connections, to write, and to hold a lease.",
									 "See failover_evaluate(); failover_trigger() moves the primary without it.",
									 "primary \"%s\" is not well enough to hand over", primary->cfg.name);
	if (primary != NULL && fo_core_peer_answers(&primary->view))
		return fo_coordinator_refuse(refusal, "The node library stops a primary and starts it as a standby.",
									 "Preload the library there with failover.role = node and create the extension, or use failover_trigger().",
									 "primary \"%s\" has no node library: it cannot be demoted gracefully", primary->cfg.name);
	return fo_coordinator_refuse(refusal, primary != NULL ? fo_coordinator_explain_silence(primary) : "No primary is known.",
								 "failover_trigger() moves the primary without it.",
								 "the primary of group \"%s\" does not answer", group->cfg.name);
}

/* Could the primary be promoted again once it is a standby?  A drill ends where it began. */
static bool
may_return(const FoPeer *primary, FoRefusal *refusal)
{
	if (!primary->cfg.is_promotable)
		return fo_coordinator_refuse(refusal, "A drill ends where it began.",
									 "Call failover_alter_peer() with promotable => true, or failover_switchover().",
									 "primary \"%s\" is not promotable: a drill could not return to it", primary->cfg.name);
	if (primary->view.is_in_maintenance)
		return fo_coordinator_refuse(refusal, fo_catalog_explain_maintenance(&primary->cfg),
									 psprintf("failover_set_maintenance(%s, %s, false) ends it.",
											  quote_literal_cstr(primary->group->cfg.name), quote_literal_cstr(primary->cfg.name)),
									 "primary \"%s\" is in maintenance: a drill could not return to it", primary->cfg.name);
	return true;
}

/* What the peers have said of themselves, in their order. */
static FoPeerFacts *
copy_facts(const FoGroup *group)
{
	FoPeerFacts *facts = palloc(Max(group->peers_n, 1) * sizeof(FoPeerFacts));

	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i]->facts != NULL)
			facts[i] = *group->peers[i]->facts;
		else
			fo_core_facts_init(&facts[i]);
		fo_coordinator_put_return(group->peers[i], &facts[i]);
	}
	return facts;
}

bool
fo_coordinator_is_return_barred(FoGroup *group, const FoPeer *target, FoRefusal *refusal)
{
	FoPreflightInput input = {.group = &group->view};
	FoPreflightFinding finding;
	int			index = -1;
	bool		is_barred;

	if (!fo_coordinator_is_surveyed(group))
	{
		(void) fo_coordinator_refuse(refusal, "A planned move leaves the old primary as a standby, if it can be one.",
									 "Try again in a moment.",
									 "the peers of group \"%s\" are being asked for their settings", group->cfg.name);
		refusal->is_early = true;
		return true;
	}
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i] == target)
			index = i;
	}
	input.facts = copy_facts(group);
	is_barred = fo_core_preflight_bars_return(&input, index, &finding);
	if (is_barred)
		(void) fo_coordinator_refuse(refusal, "A planned move leaves the old primary as a standby.",
									 psprintf("%s failover_trigger() moves the primary all the same.", finding.hint),
									 "primary \"%s\" could not serve as a standby, as preflight says of peer \"%s\": %s",
									 group->cfg.primary_peer, group->peers[finding.peer]->cfg.name, finding.finding);
	pfree(unconstify(FoPeerFacts *, input.facts));
	return is_barred;
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
		return fo_coordinator_refuse_unknown(refusal, group, move->target);
	if (move->kind == FO_OPERATION_FAILOVER && fo_coordinator_can_switch_over(primary))
		order.kind = FO_OPERATION_SWITCHOVER;
	if (!may_move(group, target, move, refusal) ||
		(move->kind != FO_OPERATION_FAILOVER && !may_switch_over(group, refusal)) ||
		(move->kind == FO_OPERATION_DRILL && !may_return(primary, refusal)) ||
		(move->kind != FO_OPERATION_FAILOVER && fo_coordinator_is_return_barred(group, target, refusal)))
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
