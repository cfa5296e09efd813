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

/* A fenced primary waits for a standby of this name, which never exists. */
#define FO_SYNC_FENCE_NAME "failover_fence"

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

/* Are these two application names the same to PostgreSQL? */
extern bool fo_core_sync_is_same_name(const char *a, const char *b);

/* Parse; text NULL or '' gives NONE. Never fails: what it cannot read is INVALID. */
extern void fo_core_sync_parse(FoSyncNames *names, const char *text);

/* Is a standby with this application_name listed? */
extern bool fo_core_sync_lists(const FoSyncNames *names, const char *application_name);

/*
 * The question of coverage, put one standby at a time: begin, tell of each
 * standby that carries the group's data and whether it was heard (read after
 * freezing), then ask.  The listed standbys are those told of whose application
 * name is listed, and one unheard standby for each listed name that nobody told
 * of bears, for ANY and FIRST alike: somebody of that name may have confirmed
 * commits.  Names given as the primary's own never count.
 */
typedef struct FoSyncCoverage
{
	const FoSyncNames *names;	/* must live as long */
	bool		is_borne[FO_SYNC_MAX_NAMES];	/* somebody told of bears this listed name */
	int32_t		listed;			/* listed standbys told of */
	int32_t		heard;			/* of those, heard */
} FoSyncCoverage;

extern void fo_core_sync_cover_begin(FoSyncCoverage *coverage, const FoSyncNames *names);
extern void fo_core_sync_cover_self(FoSyncCoverage *coverage, const char *own_name);
extern void fo_core_sync_cover_add(FoSyncCoverage *coverage, const char *application_name, bool is_heard);

/*
 * Is the most advanced of the heard standbys certain to hold every commit that
 * was acknowledged under these names?  True if at least n-k+1 of the n listed
 * standbys were heard.  NONE and INVALID: false, nothing is certain.
 */
extern bool fo_core_sync_cover_ask(const FoSyncCoverage *coverage);

#endif							/* FO_CORE_SYNCNAMES_H */
