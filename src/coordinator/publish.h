/*-------------------------------------------------------------------------
 *
 * publish.h
 *		Copies the worker's world into shared memory, for whoever asks in SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_PUBLISH_H
#define FO_COORDINATOR_PUBLISH_H

#include "coordinator/world.h"

/* Publish the groups that have changed; is_layout_changed after a load of the configuration. */
extern void fo_coordinator_publish(FoWorld *world, bool is_layout_changed);

/* The worker ends: nothing that is published is known to be true any more. */
extern void fo_coordinator_unpublish(void);

#endif							/* FO_COORDINATOR_PUBLISH_H */
