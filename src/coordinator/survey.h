/*-------------------------------------------------------------------------
 *
 * survey.h
 *		Serves failover_preflight: asks the peers of a group for facts about
 *		themselves, and answers when they are published.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_SURVEY_H
#define FO_COORDINATOR_SURVEY_H

#include "coordinator/world.h"

/* Begin to serve the request in that slot. */
extern void fo_coordinator_begin_survey(FoGroup *group, int slot);

/* After publishing: answer the requests whose facts have come, or that have waited for long enough. */
extern void fo_coordinator_answer_surveys(FoWorld *world);

#endif							/* FO_COORDINATOR_SURVEY_H */
