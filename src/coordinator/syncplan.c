/*-------------------------------------------------------------------------
 *
 * syncplan.c
 *		Which standbys are to confirm commits, seen over time.
 *
 * core/syncset.h judges a standby at one moment; here are the waits that keep
 * a hiccup from becoming a change, and the two signs of trouble that only time
 * shows: a receiver that says "streaming" and stands still, and a primary that
 * counts fewer members than a commit needs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/formatting.h"

#include "coordinator/record.h"
#include "coordinator/syncmode.h"

/* How long a member must have been lost before it leaves, and well before it comes back. */
#define LEAVE_AFTER_US FO_MS(500)
#define JOIN_AFTER_US FO_MS(1000)

/* A receiver that has not moved for so long, while the primary has, confirms nothing. */
#define STUCK_AFTER_US FO_MS(1500)

/* For how long the primary's word counts against a member's silence. */
#define VOUCHED_US FO_MS(1500)

/* ---- names ---- */

/* What a standby calls itself upstream, or will when it follows somebody. */
static const char *
standby_name(const FoPeer *peer)
{
	const char *name = NULL;
	char	   *plain;

	if (peer->view.observed.at != 0 && peer->view.observed.in_recovery)
		return peer->view.observed.application_name;
	if (peer->cfg.follow_conninfo != NULL)
		name = fo_catalog_conninfo_get(peer->cfg.follow_conninfo, "application_name");
	if (name != NULL && name[0] != '\0')
		return name;
	plain = palloc(FO_NAME_LEN);
	fo_core_plain_name(peer->cfg.name, plain);
	return plain;
}

void
fo_coordinator_sync_compose(const FoGroup *group, const FoPeer *primary, const bool *is_member, FoSyncSet *set)
{
	const char **names = palloc0(Max(group->peers_n, 1) * sizeof(char *));
	bool	   *is_named = palloc0(Max(group->peers_n, 1) * sizeof(bool));

	for (int i = 0; i < group->peers_n; i++)
	{
		names[i] = standby_name(group->peers[i]);
		is_named[i] = is_member[i] && group->peers[i] != primary && fo_core_sync_is_nameable(names[i]);
	}
	fo_core_sync_compose(&group->cfg.settings, group->peers_n, names, is_named, set);
	pfree(is_named);
	pfree(names);
}

/* As the action's SQL compares names; palloc'd. */
static char *
lower_name(const char *name)
{
	return asc_tolower(name, strlen(name));
}

static void
add_element(StringInfo sql, const char *name)
{
	appendStringInfo(sql, "%s%s", sql->len > 0 ? ", " : "ARRAY[", quote_literal_cstr(lower_name(name)));
}

static char *
end_array(StringInfo sql)
{
	appendStringInfoString(sql, sql->len > 0 ? "]::text[]" : "ARRAY[]::text[]");
	return sql->data;
}

/* SQL of an array of the names in the set to be; without any, the set is "*". */
char *
fo_coordinator_sync_member_names(const FoSyncSet *set)
{
	StringInfoData sql;
	FoSyncNames wanted;

	initStringInfo(&sql);
	fo_core_sync_parse(&wanted, set->names_n > 0 ? set->text : "");
	for (int i = 0; i < wanted.names_n; i++)
		add_element(&sql, wanted.names[i]);
	return end_array(&sql);
}

char *
fo_coordinator_sync_doubtful_names(const FoSyncPlan *plan)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < plan->group->peers_n; i++)
	{
		if (plan->is_doubtful[i])
			add_element(&sql, standby_name(plan->group->peers[i]));
	}
	return end_array(&sql);
}

int
fo_coordinator_sync_count_bearers(const FoSyncPlan *plan)
{
	FoSyncNames names;
	int			n = 0;

	fo_core_sync_parse(&names, plan->set.text);
	for (int i = 0; i < plan->group->peers_n; i++)
	{
		if (plan->group->peers[i] != plan->primary && fo_core_sync_lists(&names, standby_name(plan->group->peers[i])))
			n++;
	}
	return n;
}

/* ---- who is fit ---- */

/* Does it stay where it is, although the primary has gone on? */
static bool
is_stuck(FoPeer *peer, const FoPeer *primary)
{
	FoSyncMember *member = &peer->sync;

	if (peer->view.observed.lsn >= member->goal)
	{
		member->goal = primary->view.observed.lsn;
		member->goal_at = primary->view.observed.at;
		return false;
	}
	return peer->view.observed.at - Max(member->goal_at, peer->view.lsn_moved_at) > STUCK_AFTER_US;
}

static FoSyncFitness
watch_member(FoSyncPlan *plan, int index)
{
	FoPeer	   *peer = plan->group->peers[index];
	FoSyncMember *member = &peer->sync;
	FoSyncFitness fitness = fo_core_sync_fitness(&plan->group->view, index, &member->why);

	if (fitness >= FO_SYNC_BEHIND && is_stuck(peer, plan->primary))
	{
		fitness = FO_SYNC_UNFIT;
		member->why = "receives nothing although the primary has gone on";
	}
	if (fitness != FO_SYNC_SILENT)
		member->vouched_until = 0;
	if (fitness > FO_SYNC_SILENT)
		member->unfit_since = 0;
	else if (member->unfit_since == 0)
		member->unfit_since = plan->now;

	if (fitness != FO_SYNC_FIT || peer->view.health.health != FO_HEALTH_HEALTHY)
		member->fit_since = 0;
	else if (member->fit_since == 0)
	{
		/* News: what could not be done before may be possible now. */
		member->fit_since = plan->now;
		plan->group->sync.retry_at = 0;
	}
	return fitness;
}

/* Has this moment come?  If not, look again then. */
bool
fo_coordinator_sync_has_come(FoSyncPlan *plan, FoTime moment)
{
	if (plan->now >= moment)
		return true;
	if (plan->due == 0 || moment < plan->due)
		plan->due = moment;
	return false;
}

static void
add_reason(FoSyncPlan *plan, const FoPeer *peer, const char *what)
{
	appendStringInfo(&plan->reason, "%s\"%s\" %s", plan->reason.len > 0 ? ", " : "", peer->cfg.name, what);
}

/* ---- who is in ---- */

static void
plan_member(FoSyncPlan *plan, int index)
{
	FoPeer	   *peer = plan->group->peers[index];
	FoSyncFitness fitness = watch_member(plan, index);
	bool		is_managed = plan->group->cfg.is_sync_managed;
	bool		is_present = is_managed && fo_core_sync_lists(&plan->present, standby_name(peer));

	if (plan->group->cfg.settings.sync_mode == FO_SYNC_STRICT)
		plan->is_member[index] = peer->cfg.is_promotable;
	else if (is_present && fitness <= FO_SYNC_SILENT &&
			 fo_coordinator_sync_has_come(plan,
										  Max(peer->sync.unfit_since + LEAVE_AFTER_US, peer->sync.vouched_until)))
	{
		plan->is_doubtful[index] = fitness == FO_SYNC_SILENT;
		add_reason(plan, peer, peer->sync.why);
	}
	else if (is_present)
		plan->is_member[index] = true;
	else if (peer->sync.fit_since != 0 && (!is_managed || fo_coordinator_sync_has_come(plan, peer->sync.fit_since + JOIN_AFTER_US)))
	{
		plan->is_member[index] = true;
		plan->is_growing = true;
		add_reason(plan, peer, "has caught up");
	}
}

/*
 * The primary counts fewer members than a commit needs, by its own words and
 * for longer than a reconnect takes: commits wait, whatever the members say.
 */
static bool
is_short(FoSyncPlan *plan)
{
	FoSyncWatch *watch = &plan->group->sync;
	const FoGroupConfig *cfg = &plan->group->cfg;
	const FoObservation *seen = &plan->primary->view.observed;

	if (!cfg->is_sync_managed || strcmp(seen->sync_names, cfg->sync_names) != 0 ||
		seen->sync_standbys >= plan->present.required)
	{
		watch->short_since = 0;
		return false;
	}
	if (watch->short_since == 0)
		watch->short_since = seen->at;
	return seen->at - watch->short_since >= STUCK_AFTER_US;
}

/* Commits that wait are told once, and once that they do not any more. */
static void
note_blocked(FoSyncPlan *plan, bool is_blocked)
{
	FoSyncWatch *watch = &plan->group->sync;

	if (watch->is_blocked == is_blocked)
		return;
	watch->is_blocked = is_blocked;
	if (is_blocked)
		fo_coordinator_record(plan->group, plan->primary, "sync_blocked", FO_WARNING, NULL,
							  "commits wait: %d of the %d synchronous standbys that must confirm them stream",
							  plan->primary->view.observed.sync_standbys, plan->present.required);
	else
		fo_coordinator_record(plan->group, plan->primary, "sync_unblocked", FO_NOTICE, NULL,
							  "commits do not wait any more");
}

void
fo_coordinator_sync_plan(FoSyncPlan *plan, FoGroup *group, FoPeer *primary)
{
	bool		is_blocked;

	memset(plan, 0, sizeof(*plan));
	plan->group = group;
	plan->primary = primary;
	plan->now = group->view.now;
	plan->is_member = palloc0(Max(group->peers_n, 1) * sizeof(bool));
	plan->is_doubtful = palloc0(Max(group->peers_n, 1) * sizeof(bool));
	initStringInfo(&plan->reason);
	fo_core_sync_parse(&plan->present, group->cfg.sync_names);
	for (int i = 0; i < group->peers_n; i++)
	{
		if (group->peers[i] != primary)
			plan_member(plan, i);
	}

	is_blocked = is_short(plan);
	if (is_blocked && group->cfg.settings.sync_mode == FO_SYNC_QUORUM)
	{
		memset(plan->is_member, 0, group->peers_n * sizeof(bool));
		plan->is_growing = false;
		resetStringInfo(&plan->reason);
		appendStringInfo(&plan->reason, "the primary sees only %d of them stream", primary->view.observed.sync_standbys);
	}
	note_blocked(plan, is_blocked);
	fo_coordinator_sync_compose(group, primary, plan->is_member, &plan->set);

	/* Who is merely not heard by us goes in any case if enough others confirm. */
	if (plan->set.required >= plan->present.required)
		memset(plan->is_doubtful, 0, group->peers_n * sizeof(bool));
}

/* ---- the primary's word ---- */

void
fo_coordinator_sync_note_vouched(FoGroup *group, const char *lines)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		char	   *name = lower_name(standby_name(group->peers[i]));
		size_t		length = strlen(name);

		for (const char *line = lines; line != NULL; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		{
			if (strncmp(line, name, length) == 0 && (line[length] == '\n' || line[length] == '\0'))
				group->peers[i]->sync.vouched_until = fo_net_now() + VOUCHED_US;
		}
	}
}
