/*-------------------------------------------------------------------------
 *
 * loop.c
 *		Descriptors in an epoll set of our own, timers in a pairing heap.
 *
 * A WaitEventSet cannot forget a descriptor, so with thousands of sessions
 * that come and go it would have to be rebuilt all the time; an epoll set is
 * itself a descriptor and takes one place in the worker's WaitEventSet.
 *
 * Stale events.  One epoll_wait() may report descriptor A and B, and A's
 * callback may close B and open another descriptor that gets B's number.  So
 * an event does not carry a pointer but the index of a slot and the slot's
 * generation, which changes whenever a source lets go of the slot; an event
 * whose generation is not the slot's is dropped.  That also covers sources
 * whose memory is gone.
 *
 * libpq may close its socket and open another inside PQconnectPoll().  The
 * kernel drops a closed descriptor from the set by itself, so registering the
 * "same" one may find nothing to modify; both cases are handled by watch().
 *
 * Order of a turn: first all descriptors, then the timers that were due when
 * the turn began.  An answer that has arrived while this process was stopped
 * is thereby read before the deadline that it would have missed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "utils/memutils.h"

#include "net/hangup.h"
#include "net/loop.h"

/* Events taken from the kernel at once, and how often in one turn. */
#define EVENTS_PER_WAIT 256
#define WAITS_PER_TURN 64

/* A deadline that fires this late is no verdict on the one who was to meet it. */
#define LATE_US 50000

typedef struct FoSlot
{
	FoSource   *source;			/* NULL = free */
	uint32		generation;		/* of the present or next user */
	int			next_free;		/* while free: index of the next free slot, -1 = none */
} FoSlot;

struct FoLoop
{
	MemoryContext cxt;
	MemoryContextCallback on_reset; /* closes the epoll set with the context */
	int			epoll_fd;
	FoSlot	   *slots;
	int			slots_n;
	int			free_slot;		/* head of the free list, -1 = none */
	pairingheap *timers;
	FoTime		turn_at;		/* when the running, or last, turn began */
};

FoTime
fo_net_now(void)
{
	struct timespec ts;

#ifdef CLOCK_BOOTTIME
	if (clock_gettime(CLOCK_BOOTTIME, &ts) == 0)
		return (FoTime) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
#endif
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (FoTime) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int
compare_timers(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const FoTimer *ta = pairingheap_const_container(FoTimer, node, a);
	const FoTimer *tb = pairingheap_const_container(FoTimer, node, b);

	/* A pairing heap has its greatest on top: the earliest is the greatest. */
	if (ta->at != tb->at)
		return ta->at < tb->at ? 1 : -1;
	return 0;
}

/*
 * The server's own descriptors are capped by max_files_per_process; ours come
 * on top, so take all that the system allows.  Failing is no reason to stop.
 */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		elog(DEBUG1, "could not raise the limit of open files: %m");
}

static void
close_epoll(void *arg)
{
	close(((FoLoop *) arg)->epoll_fd);
}

FoLoop *
fo_net_loop_create(MemoryContext cxt)
{
	FoLoop	   *loop = MemoryContextAllocZero(cxt, sizeof(FoLoop));
	MemoryContext old;

	raise_descriptor_limit();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not create an epoll set: %m")));
	loop->cxt = cxt;
	loop->free_slot = -1;
	loop->on_reset.func = close_epoll;
	loop->on_reset.arg = loop;
	MemoryContextRegisterResetCallback(cxt, &loop->on_reset);
	old = MemoryContextSwitchTo(cxt);
	loop->timers = pairingheap_allocate(compare_timers, NULL);
	MemoryContextSwitchTo(old);
	return loop;
}

int
fo_net_loop_fd(const FoLoop *loop)
{
	return loop->epoll_fd;
}

/* Double the slots, all new ones free. */
static void
grow_slots(FoLoop *loop)
{
	int			old_n = loop->slots_n;
	int			new_n = Max(16, old_n * 2);

	if (loop->slots == NULL)
		loop->slots = MemoryContextAllocZero(loop->cxt, new_n * sizeof(FoSlot));
	else
		loop->slots = repalloc_huge(loop->slots, new_n * sizeof(FoSlot));
	for (int i = old_n; i < new_n; i++)
	{
		loop->slots[i].source = NULL;
		loop->slots[i].generation = 1;
		loop->slots[i].next_free = i + 1 < new_n ? i + 1 : -1;
	}
	loop->free_slot = old_n;
	loop->slots_n = new_n;
}

static void
take_slot(FoLoop *loop, FoSource *source)
{
	if (loop->free_slot < 0)
		grow_slots(loop);
	source->slot = (uint32) loop->free_slot;
	loop->free_slot = loop->slots[source->slot].next_free;
	loop->slots[source->slot].source = source;
}

static void
release_slot(FoLoop *loop, FoSource *source)
{
	FoSlot	   *slot = &loop->slots[source->slot];

	Assert(slot->source == source);
	slot->source = NULL;
	slot->generation++;
	slot->next_free = loop->free_slot;
	loop->free_slot = (int) source->slot;
}

/*
 * A failure of epoll_ctl() is logged and the source stays silent: its owner
 * has a deadline, and an ERROR here would leave libpq's state half changed.
 */
void
fo_net_loop_watch(FoLoop *loop, FoSource *source, int fd, int events)
{
	struct epoll_event event = {0};

	if (source->is_registered && source->fd != fd)
		fo_net_loop_unwatch(loop, source);
	event.events = ((events & FO_READABLE) ? EPOLLIN | EPOLLRDHUP : 0) |
		((events & FO_WRITABLE) ? EPOLLOUT : 0);
	if (source->is_registered)
	{
		event.data.u64 = ((uint64) loop->slots[source->slot].generation << 32) | source->slot;
		if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
		{
			source->events = events;
			return;
		}
		/* The descriptor was closed and another has got its number. */
		release_slot(loop, source);
		source->is_registered = false;
	}
	take_slot(loop, source);
	event.data.u64 = ((uint64) loop->slots[source->slot].generation << 32) | source->slot;
	source->fd = fd;
	source->events = events;
	source->is_registered = true;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return;
	if (errno == EEXIST && epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
		return;
	ereport(LOG,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("could not watch descriptor %d: %m", fd)));
}

void
fo_net_loop_unwatch(FoLoop *loop, FoSource *source)
{
	struct epoll_event unused = {0};

	if (!source->is_registered)
		return;
	/* Fails, harmlessly, if libpq has closed the descriptor already. */
	(void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, &unused);
	release_slot(loop, source);
	source->is_registered = false;
}

/*
 * A timer armed inside a turn waits for the next one, whatever its time is:
 * one that re-arms itself for now or the past cannot hold up the loop.
 */
void
fo_net_loop_arm(FoLoop *loop, FoTimer *timer, FoTime at)
{
	fo_net_loop_disarm(loop, timer);
	timer->at = Max(at, loop->turn_at + 1);
	timer->is_armed = true;
	pairingheap_add(loop->timers, &timer->node);
}

void
fo_net_loop_disarm(FoLoop *loop, FoTimer *timer)
{
	if (!timer->is_armed)
		return;
	pairingheap_remove(loop->timers, &timer->node);
	timer->is_armed = false;
}

bool
fo_net_loop_extend(FoLoop *loop, FoTimer *timer, FoTime began_at, int64 timeout_ms)
{
	FoTime		now = fo_net_now();
	FoTime		late_us = now - timer->at;
	FoTime		left_us = began_at + 3 * FO_MS(timeout_ms) - now;

	if (late_us < LATE_US || left_us <= 0)
		return false;
	fo_net_loop_arm(loop, timer, now + Min(Min(late_us, FO_MS(timeout_ms)), left_us));
	return true;
}

long
fo_net_loop_timeout_ms(const FoLoop *loop)
{
	FoTimer    *first;
	FoTime		wait_us;

	if (pairingheap_is_empty(loop->timers))
		return -1;
	first = pairingheap_container(FoTimer, node, pairingheap_first(loop->timers));
	wait_us = first->at - fo_net_now();
	if (wait_us <= 0)
		return 0;
	return (long) Min((wait_us + 999) / 1000, INT_MAX);
}

static void
run_event(FoLoop *loop, const struct epoll_event *event)
{
	uint32		index = (uint32) (event->data.u64 & 0xFFFFFFFF);
	uint32		generation = (uint32) (event->data.u64 >> 32);
	FoSource   *source;
	int			events = 0;

	if (index >= (uint32) loop->slots_n)
		return;
	source = loop->slots[index].source;
	if (source == NULL || loop->slots[index].generation != generation)
		return;
	if (event->events & (EPOLLIN | EPOLLRDHUP))
		events |= FO_READABLE;
	if (event->events & EPOLLOUT)
		events |= FO_WRITABLE;
	/* An error or a hang-up wakes whoever waits for anything: its read or write will tell. */
	if (event->events & (EPOLLERR | EPOLLHUP))
		events |= FO_READABLE | FO_WRITABLE;
	events &= source->events;
	if ((events & FO_READABLE) && fo_net_is_hung_up(source->fd, event->events))
		events |= FO_HUNG_UP;
	if (events != 0)
		source->callback(source->arg, events);
}

static void
run_sources(FoLoop *loop)
{
	struct epoll_event events[EVENTS_PER_WAIT];

	for (int round = 0; round < WAITS_PER_TURN; round++)
	{
		int			n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_WAIT, 0);

		for (int i = 0; i < n; i++)
			run_event(loop, &events[i]);
		if (n < EVENTS_PER_WAIT)
			break;
	}
}

void
fo_net_loop_dispatch(FoLoop *loop)
{
	loop->turn_at = fo_net_now();
	run_sources(loop);
	while (!pairingheap_is_empty(loop->timers))
	{
		FoTimer    *timer = pairingheap_container(FoTimer, node, pairingheap_first(loop->timers));

		if (timer->at > loop->turn_at)
			break;
		fo_net_loop_disarm(loop, timer);
		timer->callback(timer->arg);
	}
}
