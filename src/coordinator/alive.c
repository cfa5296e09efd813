/*-------------------------------------------------------------------------
 *
 * alive.c
 *		A mark in the data directory that says when the coordinator was last
 *		at work, so that a restarted one knows how long it was away.
 *
 * Runs in the coordinator worker.  A table would cost a commit a second; this
 * is sixteen bytes, overwritten in place and never flushed: after a crash of
 * the operating system it is some seconds old, and being believed to have been
 * away longer than one was is the harmless error.
 *
 * Overwriting allocates nothing, so a full disk does not stop it once the file
 * exists.  A checksum covers the time: a write that was torn, or a file of
 * somebody else's, reads as no mark at all.  The file is opened for each
 * write: kept open, it might be one that was removed or replaced meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "port/pg_crc32c.h"
#include "storage/fd.h"

#include "coordinator/alive.h"

/* Relative to the data directory, where every server process works. */
#define ALIVE_FILE "failover.alive"

#define ALIVE_MAGIC 0x464f414c	/* "FOAL" */

typedef struct Mark
{
	uint32		magic;
	pg_crc32c	crc;			/* of at */
	int64		at;				/* TimestampTz */
} Mark;

StaticAssertDecl(sizeof(Mark) == 16, "the mark is one small write");

static pg_crc32c
checksum(int64 at)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &at, sizeof(at));
	FIN_CRC32C(crc);
	return crc;
}

/* False with errno set. */
static bool
write_mark(const Mark *mark)
{
	int			fd = BasicOpenFile(ALIVE_FILE, O_RDWR | O_CREAT | PG_BINARY);
	ssize_t		written;
	int			write_errno;

	if (fd < 0)
		return false;

	errno = 0;
	written = pg_pwrite(fd, mark, sizeof(*mark), 0);
	write_errno = errno;
	close(fd);

	/* A short write that does not say why ran out of space. */
	errno = written >= 0 && write_errno == 0 ? ENOSPC : write_errno;
	return written == sizeof(*mark);
}

void
fo_coordinator_alive_touch(TimestampTz now)
{
	static TimestampTz touched_at = 0;
	static bool is_trouble_logged = false;
	Mark		mark = {ALIVE_MAGIC, checksum(now), now};

	/* A clock that was put back must not silence us until it has caught up. */
	if (now >= touched_at && now - touched_at < USECS_PER_SEC)
		return;
	touched_at = now;

	if (write_mark(&mark))
	{
		is_trouble_logged = false;
		return;
	}
	if (is_trouble_logged)
		return;
	is_trouble_logged = true;
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not write file \"%s\": %m", ALIVE_FILE)));
}

TimestampTz
fo_coordinator_alive_read(void)
{
	Mark		mark;
	int			fd = BasicOpenFile(ALIVE_FILE, O_RDONLY | PG_BINARY);
	ssize_t		got;

	if (fd < 0)
		return 0;
	got = pg_pread(fd, &mark, sizeof(mark), 0);
	close(fd);

	if (got != sizeof(mark) || mark.magic != ALIVE_MAGIC ||
		!EQ_CRC32C(mark.crc, checksum(mark.at)))
		return 0;
	return mark.at;
}
