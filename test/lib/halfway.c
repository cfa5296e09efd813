/*-------------------------------------------------------------------------
 *
 * halfway.c
 *		A library to preload (LD_PRELOAD) into a standby that is never to have more
 *		than a part of a timeline's first segment.
 *
 * FAILOVER_TEST_HALFWAY is that timeline, as its segments' names begin: whoever
 * writes to one of them, with a position, has its connections shut down.  It is the
 * walreceiver that writes so: it gets no more than what it has read by then.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
is_of_timeline(int fd)
{
	const char *timeline = getenv("FAILOVER_TEST_HALFWAY");
	char		link[64];
	char		path[PATH_MAX + 1];
	const char *name;
	ssize_t		length;

	if (timeline == NULL)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, PATH_MAX);
	if (length <= 0)
		return 0;
	path[length] = '\0';
	name = strrchr(path, '/');
	return name != NULL && strncmp(name + 1, timeline, strlen(timeline)) == 0;
}

/* As if whoever is at the other end had died. */
static void
shut_down(void)
{
	for (int fd = 0; fd < 256; fd++)
	{
		struct sockaddr address;
		socklen_t	length = sizeof(address);

		if (getpeername(fd, &address, &length) == 0 && address.sa_family == AF_INET)
			shutdown(fd, SHUT_RDWR);
	}
}

/* The system call itself: the C library's function is the one replaced here. */
ssize_t
pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	ssize_t		written = syscall(SYS_pwrite64, fd, bytes, size, offset);

	if (is_of_timeline(fd))
		shut_down();
	return written;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
	return pwrite(fd, bytes, size, offset);
}
