/*-------------------------------------------------------------------------
 *
 * renames.c
 *		A library to preload (LD_PRELOAD) into a server that a test wants to kill
 *		between two renames, while its "global" moves aside or comes back.
 *
 * FAILOVER_TEST_RENAMES names a file with a number: after so many renames from
 * or to the directories beside "global" the process kills itself.  The number
 * goes down to 0, where it stays.  And as on some file systems, two directories
 * cannot be exchanged in one step.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
is_counted(const char *path)
{
	return strncmp(path, "failover_data/global", strlen("failover_data/global")) == 0;
}

static void
count_down(void)
{
	const char *path = getenv("FAILOVER_TEST_RENAMES");
	char		text[16] = "";
	int			fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	int			left;

	if (fd < 0)
		return;
	left = read(fd, text, sizeof(text) - 1) > 0 ? atoi(text) : 0;
	if (left > 0)
	{
		int			length = snprintf(text, sizeof(text), "%-8d\n", left - 1);

		if (pwrite(fd, text, length, 0) != length)
			abort();
	}
	close(fd);
	if (left == 1)
		kill(getpid(), SIGKILL);
}

/* The system call itself: the C library's function is the one replaced here. */
int
rename(const char *from, const char *to)
{
	int			result = (int) syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);

	if (result == 0 && (is_counted(from) || is_counted(to)))
		count_down();
	return result;
}

int
renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned int flags)
{
	(void) from_directory, (void) from, (void) to_directory, (void) to, (void) flags;
	errno = EINVAL;
	return -1;
}
