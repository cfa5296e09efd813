/*-------------------------------------------------------------------------
 *
 * listener.h
 *		A session with a peer in which nothing is ever asked.  Private to the
 *		monitor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_LISTENER_H
#define FO_COORDINATOR_LISTENER_H

#include "coordinator/world.h"

typedef struct FoListener FoListener;

/* One for each peer; it has a session only while the peer's death would have to be proven. */
extern FoListener *fo_coordinator_listener_create(FoPeer *peer);
extern void fo_coordinator_listener_destroy(FoListener *listener);

/*
 * The peer has answered, or settings have changed: connect or disconnect as its
 * role wants.  has_other: there is another session in which its end would show.
 */
extern void fo_coordinator_listener_apply(FoListener *listener, bool has_other);

/* Is its session up, so that the end of the peer's process would be heard? */
extern bool fo_coordinator_listener_is_up(const FoListener *listener);

#endif							/* FO_COORDINATOR_LISTENER_H */
