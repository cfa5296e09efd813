/*-------------------------------------------------------------------------
 *
 * survey.h
 *		Asks the peers of a group for facts about themselves: for failover_preflight,
 *		which is answered when they are published, and before a planned move.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_SURVEY_H
#define FO_COORDINATOR_SURVEY_H

#include "coordinator/world.h"

/* Begin to serve the request in that slot; the primary tries whom it could follow (sources.h), or everybody does. */
extern void fo_coordinator_begin_survey(FoGroup *group, int slot, bool is_everybody_trying);

/* After publishing: answer the requests whose facts have come, or that have waited for long enough. */
extern void fo_coordinator_answer_surveys(FoWorld *world);

/*
 * Have the peers said a moment ago what there is to say, or failed to?  Else they are
 * asked: try again.
 */
extern bool fo_coordinator_is_surveyed(FoGroup *group);

#endif							/* FO_COORDINATOR_SURVEY_H */
