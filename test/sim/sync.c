/*-------------------------------------------------------------------------
 *
 * sync.c
 *		The primary's synchronous_standby_names, where the group manages them:
 *		syncmode.c and syncplan.c of src/coordinator, in small.
 *
 * A change is written down beside what it replaces, then the primary is told,
 * and when the new set has confirmed all that was acknowledged before, the old
 * one is forgotten.  Until then a failover has to find enough under both.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

#include "core/evidence.h"
#include "core/syncset.h"

/* Shorter lives than in src/coordinator. */
#define LEAVE_AFTER_US FO_MS(500)
#define JOIN_AFTER_US FO_MS(300)
#define CHANGE_TIMEOUT_US FO_MS(800)
#define RETRY_US FO_MS(250)

static FoTime
clock_of(const World *w, const Coordinator *c)
{
	return world_clock(w, COORDINATOR_HOST(c->index));
}

/* The text of a set of peers, and its parts for a server that is to have it. */
void
sync_compose(const World *w, const bool *is_member, Order *order)
{
	static const char *const names[PEERS_MAX] = {"a", "b", "c", "d", "e"};
	FoSyncSet	set;
	FoSyncNames parsed;

	fo_core_sync_compose(&w->settings, w->peers_n, names, is_member, &set);
	fo_core_sync_parse(&parsed, set.text);
	order->sync_k = set.required;
	order->sync_mask = 0;
	for (int i = 0; i < w->peers_n; i++)
		coordinator_set(&order->sync_mask, i, fo_core_sync_lists(&parsed, names[i]));
	memcpy(order->sync_names, set.text, SYNC_TEXT_LEN);
}

void
sync_freeze_view(const World *w, Coordinator *c)
{
	FoGroupView *view = &c->view;
	const char *seen = c->state.primary < 0 ? "" : c->views[c->state.primary].observed.sync_names;

	view->is_sync_managed = w->settings.sync_mode != FO_SYNC_OFF;
	fo_core_copy_text(view->sync_names, SYNC_TEXT_LEN, c->state.is_sync_managed ? c->state.sync_names : seen);
	fo_core_copy_text(view->sync_before, SYNC_TEXT_LEN, c->state.is_sync_managed ? c->state.sync_before : seen);
	if (w->mutant == MUTANT_NOBODY_COVERS && view->sync_names[0] == '\0' && view->sync_before[0] == '\0')
		view->is_sync_managed = false;
}

/* What another primary acknowledges is on no standby until that is shown. */
void
sync_primary_changed(const World *w, Coordinator *c)
{
	if (w->mutant == MUTANT_PROOF_FORGOTTEN && c->state.is_pending)
		return;
	memset(c->state.sync_names, 0, sizeof(c->state.sync_names));
	memset(c->state.sync_before, 0, sizeof(c->state.sync_before));
	c->state.is_sync_managed = w->settings.sync_mode != FO_SYNC_OFF && c->state.primary >= 0;
	if (c->state.is_sync_managed)
		fo_core_copy_text(c->state.sync_names, SYNC_TEXT_LEN, c->views[c->state.primary].observed.sync_names);
	memset(c->unfit_since, 0, sizeof(c->unfit_since));
	memset(c->fit_since, 0, sizeof(c->fit_since));
}

static bool
is_in_set(const Coordinator *c, int peer)
{
	FoSyncNames names;

	fo_core_sync_parse(&names, c->state.sync_names);
	return c->state.is_sync_managed && fo_core_sync_lists(&names, c->views[peer].observed.application_name);
}

static bool
is_member_wanted(const World *w, Coordinator *c, int peer)
{
	const char *why;
	FoSyncFitness fitness = fo_core_sync_fitness(&c->view, peer, &why);
	FoTime		now = c->view.now;

	if (w->settings.sync_mode == FO_SYNC_STRICT)
		return true;
	if (fitness > FO_SYNC_SILENT)
		c->unfit_since[peer] = 0;
	else if (c->unfit_since[peer] == 0)
		c->unfit_since[peer] = now;
	if (fitness != FO_SYNC_FIT)
		c->fit_since[peer] = 0;
	else if (c->fit_since[peer] == 0)
		c->fit_since[peer] = now;
	if (is_in_set(c, peer))
		return c->unfit_since[peer] == 0 || now - c->unfit_since[peer] < LEAVE_AFTER_US;
	return c->fit_since[peer] != 0 && now - c->fit_since[peer] >= JOIN_AFTER_US;
}

static bool
may_touch(const World *w, const Coordinator *c)
{
	const FoPeerView *primary = c->state.primary < 0 ? NULL : &c->views[c->state.primary];

	if (w->settings.sync_mode == FO_SYNC_OFF || primary == NULL || c->state.is_pending || c->run.is_active)
		return false;
	if (c->verdict.kind != FO_VERDICT_NONE && c->verdict.kind != FO_VERDICT_ALERT && c->verdict.kind != FO_VERDICT_HOLD)
		return false;
	for (int i = 0; i < w->peers_n; i++)
	{
		if (c->views[i].last_attempt_at == 0)
			return false;
	}
	return fo_core_peer_answers(primary) && !primary->observed.in_recovery;
}

bool
sync_is_settled(const World *w, const Coordinator *c)
{
	if (w->settings.sync_mode == FO_SYNC_OFF)
		return true;
	return c->state.is_sync_managed && strcmp(c->state.sync_names, c->state.sync_before) == 0
		&& strcmp(c->state.sync_names, c->views[c->state.primary].observed.sync_names) == 0;
}

void
sync_manage(World *w, Coordinator *c)
{
	bool		is_member[PEERS_MAX] = {false};
	Order		order = {.command = CMD_SYNC_NAMES};
	Durable    *state = &c->state;
	int			primary = state->primary;
	Task	   *task;

	if (!c->is_alive || !may_touch(w, c))
		return;
	for (int i = 0; i < w->peers_n; i++)
		is_member[i] = i != primary && is_member_wanted(w, c, i);
	sync_compose(w, is_member, &order);
	if (sync_is_settled(w, c) && strcmp(order.sync_names, state->sync_names) == 0)
		return;
	task = task_of_peer(c, TASK_MEND, primary);
	if (task != NULL && task->order.command == CMD_SYNC_NAMES && strcmp(task->order.sync_names, order.sync_names) != 0)
	{
		task->owner = TASK_NONE;
		task = NULL;
	}
	if (task != NULL || clock_of(w, c) < c->sync_retry_at)
		return;
	if (w->mutant == MUTANT_NAMES_UNNOTED)
		fo_core_copy_text(state->sync_before, SYNC_TEXT_LEN, order.sync_names);
	else
		fo_core_sync_intend(state->is_sync_managed, state->sync_names, state->sync_before,
							c->views[primary].observed.sync_names, order.sync_names);
	fo_core_copy_text(state->sync_names, SYNC_TEXT_LEN, order.sync_names);
	state->is_sync_managed = true;
	TELL(w, COORDINATOR_HOST(c->index), "tells %c to wait for %s", 'a' + primary, order.sync_names);
	faults_aim(w, primary);
	if (coordinator_commit(w, c))
		(void) task_start(w, c, TASK_MEND, primary, &order, CHANGE_TIMEOUT_US);
}

/* The primary has the set, and the set has confirmed all that was acknowledged before; or it was not to be. */
void
sync_ended(World *w, Coordinator *c, const Task *task, bool is_done)
{
	if (task->peer != c->state.primary)
		return;
	if (task->is_applied)
		fo_core_copy_text(c->views[task->peer].observed.sync_names, SYNC_TEXT_LEN, task->order.sync_names);
	c->sync_retry_at = is_done ? 0 : clock_of(w, c) + RETRY_US;
	if (!is_done)
		return;
	memcpy(c->state.sync_before, c->state.sync_names, sizeof(c->state.sync_before));
	(void) coordinator_commit(w, c);
}

/* A failover begins: leave the primary alone. */
void
sync_cancel(Coordinator *c)
{
	Task	   *task = c->state.primary < 0 ? NULL : task_of_peer(c, TASK_MEND, c->state.primary);

	if (task != NULL && task->order.command == CMD_SYNC_NAMES)
		task->owner = TASK_NONE;
}
