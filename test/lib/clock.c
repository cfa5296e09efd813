/*-------------------------------------------------------------------------
 *
 * clock.c
 *		A library to preload (LD_PRELOAD) into a server whose clocks a test wants
 *		to move.
 *
 * FAILOVER_TEST_CLOCK names a file of two 64-bit numbers of nanoseconds: what to
 * add to the clock of the day, and what to add to the clocks that count from
 * boot.  It is mapped, so a change is seen by every process at once.  The first
 * is what an administrator or a time server does to a machine, the second what
 * the suspension of a virtual machine does to it.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000

static const volatile int64_t *offsets = NULL;

__attribute__((constructor)) static void
map_offsets(void)
{
	const char *path = getenv("FAILOVER_TEST_CLOCK");
	int			fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void	   *map;

	if (fd < 0)
		return;
	map = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		offsets = map;
}

/* The system call itself: the C library's function is the one replaced here. */
int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			result = (int) syscall(SYS_clock_gettime, clock, now);
	int64_t		offset = 0;
	int64_t		ns;

	if (result != 0 || offsets == NULL)
		return result;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		offset = offsets[0];
	else if (clock == CLOCK_BOOTTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE)
		offset = offsets[1];
	if (offset == 0)
		return 0;
	ns = now->tv_nsec + offset % NS_PER_S;
	now->tv_sec += offset / NS_PER_S + (ns >= NS_PER_S) - (ns < 0);
	now->tv_nsec = ns + (ns < 0 ? NS_PER_S : 0) - (ns >= NS_PER_S ? NS_PER_S : 0);
	return 0;
}

int
gettimeofday(struct timeval *now, void *zone)
{
	struct timespec precise;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &precise);
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *now)
{
	struct timespec precise;

	clock_gettime(CLOCK_REALTIME, &precise);
	if (now != NULL)
		*now = precise.tv_sec;
	return precise.tv_sec;
}
