/*-------------------------------------------------------------------------
 *
 * peer.h
 *		Beginning and end of one peer, for world.c.  What the other files of
 *		this room call is in world.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_PEER_H
#define FO_COORDINATOR_PEER_H

#include "coordinator/world.h"

/* It is not observed before fo_coordinator_monitor_start(). */
extern FoPeer *fo_coordinator_peer_create(FoGroup *group, const FoPeerConfig *from);

/* End what is under way with it, and free it. */
extern void fo_coordinator_peer_destroy(FoPeer *peer);

/* Take over the configured fields of from; state fields stay as they are. */
extern void fo_coordinator_peer_merge(FoPeer *peer, const FoPeerConfig *from, bool is_settings_changed);

#endif							/* FO_COORDINATOR_PEER_H */
