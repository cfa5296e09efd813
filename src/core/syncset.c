/*-------------------------------------------------------------------------
 *
 * syncset.c
 *		Which standbys are to confirm commits, and how that is written.
 *
 *-------------------------------------------------------------------------
 */
#include "core/syncset.h"

#include <string.h>

#include "core/evidence.h"
#include "core/text.h"

/* As far behind as a standby may be when it is added, whatever max_lag allows to a candidate. */
#define ADD_LAG_MAX (INT64_C(16) * 1024 * 1024)

/* Longer names are cut by some of those who show them. */
#define NAME_LEN_MAX (FO_NAME_LEN - 2)

bool
fo_core_sync_is_nameable(const char *application_name)
{
	const char *c;

	for (c = application_name; *c != '\0'; c++)
	{
		if (*c < ' ' || *c > '~')
			return false;
	}
	return c != application_name && c - application_name <= NAME_LEN_MAX && strcmp(application_name, "*") != 0;
}

static bool
is_far_behind(const FoGroupView *group, const FoPeerView *peer)
{
	const FoPeerView *primary = fo_core_primary(group);
	int64_t		allowed = group->settings.max_lag < ADD_LAG_MAX ? group->settings.max_lag : ADD_LAG_MAX;

	return primary != NULL && primary->observed.lsn > peer->observed.lsn
		&& (int64_t) (primary->observed.lsn - peer->observed.lsn) > allowed;
}

FoSyncFitness
fo_core_sync_fitness(const FoGroupView *group, int index, const char **why)
{
	const FoPeerView *peer = &group->peers[index];
	const FoObservation *observed = &peer->observed;

	*why = "is not to take over";
	if (index == group->primary || !peer->is_promotable || peer->is_in_maintenance)
		return FO_SYNC_UNFIT;
	*why = "cannot take over as it is";
	if (peer->is_fenced || peer->is_history_rejected || !fo_core_is_same_system(group, peer))
		return FO_SYNC_UNFIT;
	*why = "refuses connections";
	if (peer->error == FO_ERROR_REFUSED)
		return FO_SYNC_UNFIT;
	*why = "does not answer";
	if (!fo_core_peer_answers(peer))
		return FO_SYNC_SILENT;
	*why = "does not receive from the primary";
	if (!observed->in_recovery || observed->receiver != FO_RECEIVER_STREAMING || peer->received_at < observed->at)
		return FO_SYNC_UNFIT;
	*why = "cannot take over as it is";
	if (observed->is_replay_paused || observed->apply_delay_ms > 0 || observed->has_upstream_password
		|| !observed->is_privileged || observed->is_inoperable)
		return FO_SYNC_UNFIT;
	*why = "has an application_name that is not plain ASCII, or too long";
	if (!fo_core_sync_is_nameable(observed->application_name))
		return FO_SYNC_UNFIT;
	*why = "is far behind";
	return is_far_behind(group, peer) ? FO_SYNC_BEHIND : FO_SYNC_FIT;
}

/* Does another member before this one bear the same name? */
static bool
is_repeated(const char *const *names, const bool *is_member, int index)
{
	int			i;

	for (i = 0; i < index; i++)
	{
		if (is_member[i] && fo_core_sync_is_same_name(names[i], names[index]))
			return true;
	}
	return false;
}

static void
add_quoted(FoText *text, const char *name)
{
	char		c[2] = {0};

	fo_core_text_add(text, "\"");
	for (; *name != '\0'; name++)
	{
		c[0] = *name;
		fo_core_text_add(text, *name == '"' ? "\"\"" : c);
	}
	fo_core_text_add(text, "\"");
}

void
fo_core_sync_compose(const FoSettings *settings, int names_n, const char *const *names,
					 const bool *is_member, FoSyncSet *set)
{
	char		list[FO_SYNC_NAMES_LEN - sizeof("ANY 0123456789 ()")];
	FoText		text;
	int32_t		members_n = 0;
	int			i;

	memset(set, 0, sizeof(*set));
	fo_core_text_begin(&text, list, sizeof(list));
	for (i = 0; i < names_n; i++)
	{
		FoText		before = text;

		if (!is_member[i])
			continue;
		if (is_repeated(names, is_member, i))
		{
			members_n++;
			continue;
		}
		if (text.used > 0)
			fo_core_text_add(&text, ", ");
		add_quoted(&text, names[i]);
		if (text.is_cut || set->names_n == FO_SYNC_MAX_NAMES)
		{
			/* Take back what had no room, and go on: a shorter name may fit. */
			text = before;
			list[text.used] = '\0';
			set->is_cut = true;
			continue;
		}
		members_n++;
		set->names_n++;
	}

	set->required = (int32_t) settings->sync_standbys;
	if (settings->sync_mode == FO_SYNC_QUORUM && members_n < set->required)
		set->required = members_n;
	if (set->required == 0)
		return;
	fo_core_text_begin(&text, set->text, sizeof(set->text));
	fo_core_text_add(&text, "ANY ");
	fo_core_text_add_integer(&text, set->required);
	fo_core_text_add(&text, " (");
	fo_core_text_add(&text, set->names_n > 0 ? list : "*");
	fo_core_text_add(&text, ")");
}

/* ---- what commits may have been acknowledged under ---- */

/*
 * Is everything that was acknowledged under the one setting vouched for by
 * whoever vouches for the other?  That takes n-k+1 of the other's n names, so
 * at most k-1 of them are missing, which is no more than the one allows.
 */
static bool
is_vouched_by(const char *setting, const char *other)
{
	FoSyncNames one;
	FoSyncNames whole;
	int32_t		i;

	fo_core_sync_parse(&one, setting);
	fo_core_sync_parse(&whole, other);
	if (one.required == 0 || whole.required == 0 || one.required < whole.required)
		return false;
	for (i = 0; i < one.names_n; i++)
	{
		if (!fo_core_sync_lists(&whole, one.names[i]))
			return false;
	}
	return true;
}

/* Add the names that are not in the text yet; it holds a list of quoted names. */
static void
add_names(FoText *list, const FoSyncNames *names, const FoSyncNames *present)
{
	int32_t		i;

	for (i = 0; i < names->names_n; i++)
	{
		if (present != NULL && fo_core_sync_lists(present, names->names[i]))
			continue;
		if (list->used > 0)
			fo_core_text_add(list, ", ");
		if (strcmp(names->names[i], "*") == 0)
			fo_core_text_add(list, "*");
		else
			add_quoted(list, names->names[i]);
	}
}

/*
 * One setting that vouches for what was acknowledged under either of two: all
 * of their names, and the smaller number.  Written over the first.  '' if there
 * is none, or no room for it.
 */
static void
combine(char *setting, const char *other)
{
	char		list[FO_SYNC_NAMES_LEN - sizeof("ANY 0123456789 ()")];
	FoSyncNames one;
	FoSyncNames two;
	FoText		text;

	fo_core_sync_parse(&one, setting);
	fo_core_sync_parse(&two, other);
	fo_core_text_begin(&text, list, sizeof(list));
	add_names(&text, &one, NULL);
	add_names(&text, &two, &one);
	memset(setting, 0, FO_SYNC_NAMES_LEN);
	if (one.required == 0 || two.required == 0 || text.is_cut)
		return;
	fo_core_text_begin(&text, setting, FO_SYNC_NAMES_LEN);
	fo_core_text_add(&text, "ANY ");
	fo_core_text_add_integer(&text, one.required < two.required ? one.required : two.required);
	fo_core_text_add(&text, " (");
	fo_core_text_add(&text, list);
	fo_core_text_add(&text, ")");
}

void
fo_core_sync_intend(bool is_managed, char *names, char *before, const char *observed, const char *wanted)
{
	bool		is_foreign = !is_managed || (strcmp(observed, names) != 0 && strcmp(observed, before) != 0
											 && !is_vouched_by(observed, before));
	char		former[FO_SYNC_NAMES_LEN];

	if (is_managed && !is_foreign && strcmp(wanted, names) == 0)
		return;
	memset(former, 0, sizeof(former));
	if (!is_managed)
		fo_core_copy_text(former, sizeof(former), observed);
	else if (is_foreign)
	{
		/* Somebody else's setting, on its way back to ours. */
		if (strcmp(wanted, names) == 0 && strcmp(names, before) == 0)
			fo_core_copy_text(former, sizeof(former), observed);
	}
	else
	{
		fo_core_copy_text(former, sizeof(former), names);
		if (strcmp(names, before) != 0 && strcmp(wanted, before) != 0)
			combine(former, before);
	}
	fo_core_copy_text(before, FO_SYNC_NAMES_LEN, former);
	fo_core_copy_text(names, FO_SYNC_NAMES_LEN, wanted);
}
