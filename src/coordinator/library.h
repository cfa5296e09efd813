/*-------------------------------------------------------------------------
 *
 * library.h
 *		Has the server of a session the node library?  Private to the monitor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_LIBRARY_H
#define FO_COORDINATOR_LIBRARY_H

#include "coordinator/world.h"
#include "net/link.h"

/* One for each peer, the owner's; it lives as long as the peer's link. */
typedef struct FoLibraryLook
{
	FoPeer	   *peer;
	void		(*known) (FoPeer *peer, bool is_prepared);	/* is_prepared: heartbeats can be sent in this session */
} FoLibraryLook;

/*
 * Ask in the peer's session, which is up.  Sets peer->node_schema (NULL = it has
 * no library) and with it the peer's node_term, node_incarnation and clock.
 * known is called once, never before this returns, also if the session is lost.
 */
extern void fo_coordinator_library_look(FoLibraryLook *look);

/* Does a heartbeat fail with this because the extension was dropped, made anew or changed?  Then look again. */
extern bool fo_coordinator_library_is_change(const FoNetError *error);

#endif							/* FO_COORDINATOR_LIBRARY_H */
