/*-------------------------------------------------------------------------
 *
 * syncset.h
 *		Which standbys are to confirm the commits of a primary whose
 *		synchronous_standby_names the group manages, and how the setting is
 *		written.
 *
 * The set matters twice.  While the primary lives, commits wait for it; when
 * the primary is dead, it says who must be read before anybody is promoted.
 * So a standby that could not be promoted, or not be read, has no place in it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_SYNCSET_H
#define FO_CORE_SYNCSET_H

#include "core/syncnames.h"
#include "core/view.h"

/* What a standby is good for as a member of the set, worst first. */
typedef enum FoSyncFitness
{
	FO_SYNC_UNFIT = 0,			/* does not receive, or is not to take over: it goes */
	FO_SYNC_SILENT,				/* does not answer us: it goes, unless it still confirms where that matters */
	FO_SYNC_BEHIND,				/* receives, but is far behind: it stays, and is not added */
	FO_SYNC_FIT					/* it stays, and is added */
} FoSyncFitness;

/*
 * Judge one peer of the group.  *why receives a phrase that follows its name
 * (static), for all but FIT.
 */
extern FoSyncFitness fo_core_sync_fitness(const FoGroupView *group, int index, const char **why);

/* Can a standby of this name be found in pg_stat_replication by it, on every version? */
extern bool fo_core_sync_is_nameable(const char *application_name);

/* A set as PostgreSQL reads it. */
typedef struct FoSyncSet
{
	int32_t		names_n;		/* different names */
	int32_t		required;		/* confirmations that a commit needs */
	bool		is_cut;			/* not all of the names had room */
	char		text[FO_SYNC_NAMES_LEN];	/* '' = commits wait for nobody */
} FoSyncSet;

/*
 * Write the set of those names whose is_member is true.  quorum: never more
 * confirmations than members.  strict: always as many as were asked for, also
 * if that means that commits wait; with no member at all, for any standby.
 */
extern void fo_core_sync_compose(const FoSettings *settings, int names_n, const char *const *names,
								 const bool *is_member, FoSyncSet *set);

/*
 * The primary is about to be told to have the names wanted: note in names and
 * before (FO_SYNC_NAMES_LEN bytes each, see FoGroupView) what commits may be
 * acknowledged under from now on.  observed is the setting that it was last
 * seen with; is_managed, whether names and before say anything.  Where more
 * than two settings would have to be remembered, before becomes one that needs
 * at least as many standbys to be read as each of them; or, where nothing is
 * known of a setting that somebody else has made, no set, which proves nothing.
 */
extern void fo_core_sync_intend(bool is_managed, char *names, char *before, const char *observed,
								const char *wanted);

#endif							/* FO_CORE_SYNCSET_H */
