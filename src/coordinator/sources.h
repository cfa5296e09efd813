/*-------------------------------------------------------------------------
 *
 * sources.h
 *		Has a peer try whether it could be rewound from the others: for
 *		failover_preflight.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_SOURCES_H
#define FO_COORDINATOR_SOURCES_H

#include "coordinator/world.h"

/* So long a peer may take for all of them, once it has a session for that: the library's own limit, and a little. */
#define FO_SOURCES_TIMEOUT_MS 4000

/* Begin, or begin anew; nothing happens without the node library, or where there is nobody to try. */
extern void fo_coordinator_try_sources(FoPeer *peer);

/* Is that under way? */
extern bool fo_coordinator_is_trying_sources(const FoPeer *peer);

/* Put what came of it last into the peer's facts, which were asked for apart from it. */
extern void fo_coordinator_put_sources(FoPeer *peer);

/* The peer goes: end what is under way. */
extern void fo_coordinator_sources_stop(FoPeer *peer);

#endif							/* FO_COORDINATOR_SOURCES_H */
