/*-------------------------------------------------------------------------
 *
 * loop.h
 *		The event loop's two registers: file descriptors (in one epoll set of
 *		our own) and timers (a pairing heap on a monotonic clock).
 *
 * Runs in the coordinator worker.  It never sleeps itself: the worker waits in
 * one WaitEventSet on its latch, the postmaster and fo_net_loop_fd(), and then
 * calls fo_net_loop_dispatch().  Callbacks may add and remove descriptors and
 * timers, their own included, at any time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_LOOP_H
#define FO_NET_LOOP_H

#include "postgres.h"
#include "lib/pairingheap.h"

#include "core/types.h"

typedef struct FoLoop FoLoop;

/* Called when a descriptor is ready; events is a mask of FO_READABLE / FO_WRITABLE, and FO_HUNG_UP of a readable one. */
typedef void (*FoSourceCallback) (void *arg, int events);
typedef void (*FoTimerCallback) (void *arg);

#define FO_READABLE 1
#define FO_WRITABLE 2
#define FO_HUNG_UP 4			/* the other end has closed the connection itself; not asked for */

/* Embedded in its owner; zeroed = not registered. */
typedef struct FoSource
{
	int			fd;
	int			events;			/* mask waited for */
	bool		is_registered;
	uint32		slot;			/* loop's own: index and generation guard against stale events */
	FoSourceCallback callback;
	void	   *arg;
} FoSource;

/* Embedded in its owner; zeroed = not armed. */
typedef struct FoTimer
{
	pairingheap_node node;
	bool		is_armed;
	FoTime		at;
	FoTimerCallback callback;
	void	   *arg;
} FoTimer;

/* Monotonic time in microseconds (CLOCK_BOOTTIME where there is one: it counts suspend). */
extern FoTime fo_net_now(void);

/* Allocated in cxt and living as long.  Raises RLIMIT_NOFILE (soft to hard). */
extern FoLoop *fo_net_loop_create(MemoryContext cxt);
extern int	fo_net_loop_fd(const FoLoop *loop);

/* Watch fd.  A source watches one descriptor at a time; watching again re-registers (also if libpq swapped the socket). */
extern void fo_net_loop_watch(FoLoop *loop, FoSource *source, int fd, int events);

/* Stop watching.  Must be called before the descriptor is closed.  No-op if not registered. */
extern void fo_net_loop_unwatch(FoLoop *loop, FoSource *source);

/* Arm (or re-arm) a one-shot timer at an absolute time; disarm is a no-op if not armed. */
extern void fo_net_loop_arm(FoLoop *loop, FoTimer *timer, FoTime at);
extern void fo_net_loop_disarm(FoLoop *loop, FoTimer *timer);

/*
 * For a deadline that has just fired: if it did so late, this process was
 * stopped, starved or busy, and whoever was to answer has not had its time.
 * Then the timer is armed again for as long as was missed, and true is
 * returned; but never beyond three times timeout_ms after began_at.
 */
extern bool fo_net_loop_extend(FoLoop *loop, FoTimer *timer, FoTime began_at, int64 timeout_ms);

/* Milliseconds until the next timer, rounded up; 0 = one is due; -1 = none armed. */
extern long fo_net_loop_timeout_ms(const FoLoop *loop);

/* Run what is ready and what is due, each at most once, and return. */
extern void fo_net_loop_dispatch(FoLoop *loop);

#endif							/* FO_NET_LOOP_H */
