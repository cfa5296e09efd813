/*-------------------------------------------------------------------------
 *
 * requests.h
 *		What SQL functions ask of the worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_REQUESTS_H
#define FO_COORDINATOR_REQUESTS_H

#include "coordinator/world.h"

/* Take every posted request and begin to serve it. */
extern void fo_coordinator_serve_requests(FoWorld *world);

/* Answer the checks whose results are published. */
extern void fo_coordinator_answer_checks(FoWorld *world);

#endif							/* FO_COORDINATOR_REQUESTS_H */
