/*-------------------------------------------------------------------------
 *
 * sources.h
 *		Has a peer try whether it could follow the others, and be rewound from
 *		them: for failover_preflight, and before a planned move.
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

/* Put what came of it last with the primary of today, which might have to follow the peer, into facts about the peer. */
extern void fo_coordinator_put_return(const FoPeer *peer, FoPeerFacts *facts);

/* The peer goes: end what is under way. */
extern void fo_coordinator_sources_stop(FoPeer *peer);

#endif							/* FO_COORDINATOR_SOURCES_H */
