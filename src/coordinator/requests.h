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

/*
 * Take every posted request and begin to serve it.  load is called before each:
 * what its user has committed before asking may not be loaded yet.  True if the
 * layout of what is published changes by that.
 */
extern bool fo_coordinator_serve_requests(FoWorld *world, bool (*load) (void));

/* Answer the checks whose results are published. */
extern void fo_coordinator_answer_checks(FoWorld *world);

#endif							/* FO_COORDINATOR_REQUESTS_H */
