/*-------------------------------------------------------------------------
 *
 * syncnames.h
 *		Reads PostgreSQL's synchronous_standby_names and answers the one
 *		question a failover asks of it: are the standbys we can hear enough to
 *		be sure that one of them holds every acknowledged commit?
 *
 * Grammar as in PostgreSQL's syncrep_gram.y: [FIRST|ANY] k (name, ...), k (...)
 * meaning FIRST, a bare list meaning FIRST 1, "*" matching every name, names
 * optionally double-quoted, matched without regard to case.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_SYNCNAMES_H
#define FO_CORE_SYNCNAMES_H

#include "core/types.h"

#define FO_SYNC_MAX_NAMES 64

typedef enum FoSyncMethod
{
	FO_SYNC_NAMES_NONE = 0,		/* empty: replication is asynchronous */
	FO_SYNC_NAMES_FIRST,
	FO_SYNC_NAMES_ANY,
	FO_SYNC_NAMES_INVALID		/* not understood: prove nothing from it */
} FoSyncMethod;

typedef struct FoSyncNames
{
	FoSyncMethod method;
	int32_t		required;		/* k */
	int32_t		names_n;
	char		names[FO_SYNC_MAX_NAMES][FO_NAME_LEN];
} FoSyncNames;

/* Parse; text NULL or '' gives NONE. Never fails: what it cannot read is INVALID. */
extern void fo_core_sync_parse(FoSyncNames *names, const char *text);

/* Is a standby with this application_name listed? */
extern bool fo_core_sync_lists(const FoSyncNames *names, const char *application_name);

/*
 * Of members_n standbys that carry the group's data, whose application names
 * are given, those with is_heard true have been read after freezing.  Returns
 * true if the most advanced of the heard ones is certain to hold every commit
 * that was acknowledged under this configuration: at least n-k+1 of the n
 * listed standbys were heard.  Listed names that belong to no member count
 * as unheard, for ANY and FIRST alike, unless nobody of that name could have
 * been connected (is not decidable here, so: they count).  The old primary's
 * own name, given as self, never counts.  NONE: false, nothing is certain.
 */
extern bool fo_core_sync_is_covered(const FoSyncNames *names, const char *self,
									int members_n, const char *const *members, const bool *is_heard);

#endif							/* FO_CORE_SYNCNAMES_H */
