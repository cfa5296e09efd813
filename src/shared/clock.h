/*-------------------------------------------------------------------------
 *
 * clock.h
 *		The monotonic clock by which everything in shared memory is dated.
 *
 * Every process of one server that reads this clock reads the same one, so a
 * backend may compare the times the worker published with its own present.
 * net/loop.c reads the same clock under its own name: the rooms do not know
 * each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_SHARED_CLOCK_H
#define FO_SHARED_CLOCK_H

#include <time.h>

#include "core/types.h"

/* CLOCK_BOOTTIME goes on while the machine sleeps: silence during a suspend is silence. */
#ifdef CLOCK_BOOTTIME
#define FO_SHARED_CLOCK CLOCK_BOOTTIME
#else
#define FO_SHARED_CLOCK CLOCK_MONOTONIC
#endif

/* Microseconds since some moment before the server started. */
static inline FoTime
fo_shared_now(void)
{
	struct timespec now;

	clock_gettime(FO_SHARED_CLOCK, &now);
	return (FoTime) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif							/* FO_SHARED_CLOCK_H */
