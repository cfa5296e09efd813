/*-------------------------------------------------------------------------
 *
 * history.h
 *		Timeline histories: where a timeline ends, and where two histories part.
 *
 * A history is the text of a PostgreSQL history file, as TIMELINE_HISTORY
 * answers it and as pg_wal has it: a line "timeline position reason" for each
 * timeline before the present one, from the oldest on, where position is
 * where that one ends.  Empty lines and comments mean nothing.  The first
 * timeline has no file, so its history is "".
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_HISTORY_H
#define FO_CORE_HISTORY_H

#include "core/types.h"

/* Where that timeline ends in the history; 0 = it is not in it. */
extern FoLsn fo_core_history_end(const char *history, uint32_t timeline);

/*
 * Up to where two servers have the same history, neither of which need contain
 * the other's present timeline; 0 = nothing in common.  Of one history and the
 * same present timeline it is UINT64_MAX.
 */
extern FoLsn fo_core_history_parting(const char *one, uint32_t one_timeline,
									 const char *other, uint32_t other_timeline);

#endif							/* FO_CORE_HISTORY_H */
