/*-------------------------------------------------------------------------
 *
 * internal.h
 *		What the files of this room use of each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_SHARED_INTERNAL_H
#define FO_SHARED_INTERNAL_H

#include "shared/shared.h"

/* Set the latches of launcher and worker, where they run.  Takes the lock. */
extern void fo_shared_wake(void);

#endif							/* FO_SHARED_INTERNAL_H */
