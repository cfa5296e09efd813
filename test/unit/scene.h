/*-------------------------------------------------------------------------
 *
 * scene.h
 *		A group to judge: a healthy one to begin with, and what may happen to it.
 *
 * scene_begin() sets up primary pg1 and standbys pg2 and pg3, all well, in
 * `group` and `peers`.  The helpers change one peer each; times are given in
 * seconds before now.  Peers are numbered from 0: PG1, PG2, PG3, PG4.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SCENE_H
#define SCENE_H

#include "core/candidate.h"
#include "core/syncnames.h"
#include "core/verdict.h"
#include "unit.h"

#define SCENE_PEERS 8
#define SYSTEM_ID UINT64_C(7300000000000000001)
#define SECONDS(s) ((FoTime) ((s) * 1e6))

enum
{
	PG1, PG2, PG3, PG4
};

extern FoGroupView group;
extern FoPeerView peers[SCENE_PEERS];

extern void scene_begin(void);

/* A fourth peer, a healthy standby too. */
extern void add_peer(void);

/* The group forgets who its primary is. */
extern void forget_primary(void);

/* The peer has been failing for so long, with so many checks. */
extern void fail(int peer, FoErrorClass error, double since, int failures);

/* The peer's own process ended its session, and its host refuses connections since. */
extern void die(int peer, double since, int failures);

/* A standby has noticed that its receiver is gone, since the trouble began. */
extern void lose(int peer);

/* It says "streaming", and nothing has come for a long time. */
extern void stand_still(int peer);

/* It receives, a moment ago. */
extern void receive(int peer);

/* It has not been heard of for so long, without having failed a check yet. */
extern void go_unheard(int peer, double since);

/* It has never received anything from the primary. */
extern void never_received(int peer);

/* It was asked to reconnect, with this outcome so long ago. */
extern void probe(int peer, FoProbeState state, double since);

/* It is out of recovery, on this timeline. */
extern void promote(int peer, uint32_t timeline);

/* Are the members that were heard enough under these names of a primary that calls itself so (NULL = not known)? */
extern bool is_covered_by(const FoSyncNames *names, const char *self,
						  int members_n, const char *const *members, const bool *is_heard);

/* A view in which anything may be true; names unique, indexes valid. */
extern void scene_random(void);

/* The same peers in another order. */
extern void scene_shuffle(void);

/* Index of a name; -1 if there is none. */
extern int	find_peer(const char *name);

/* Name of an index; "" for -1. */
extern const char *peer_name(int peer);

#endif							/* SCENE_H */
