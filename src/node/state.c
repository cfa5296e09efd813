/*-------------------------------------------------------------------------
 *
 * state.c
 *		The node's state file: what must survive a restart, a crash and a
 *		rewind.
 *
 * It lies in pg_replslot: PostgreSQL leaves plain files there alone, and
 * pg_basebackup does not copy them, because what is in this directory belongs
 * to one server.  So a term, a fence or a request never travels to a clone.
 *
 * The file holds two copies of one fixed struct, each with a checksum and a
 * number that counts up.  A change overwrites the older copy in place, as
 * PostgreSQL does with its control file: blocks that are there already need one
 * flush and no change of the directory, so that a fence costs less than a
 * millisecond.  A write that is torn spoils only a copy that nobody relied on.
 * The file may be written by the postmaster before there is shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/pg_crc32c.h"
#include "storage/fd.h"

#include "compat.h"
#include "node/node.h"

#define STATE_PATH "pg_replslot/failover.state"
#define STATE_TEMPORARY STATE_PATH ".tmp"
#define STATE_MAGIC 0x464f4e34	/* changes with the layout */
#define COPIES_N 2

/* Copies do not share a block of the file system. */
#define COPY_SIZE 4096

typedef struct StateCopy
{
	uint32		magic;
	pg_crc32c	checksum;		/* of what follows */
	uint64		number;			/* counts the writes: the higher one holds */
	FoNodeState state;
} StateCopy;

StaticAssertDecl(sizeof(StateCopy) <= COPY_SIZE, "a copy of the state must fit its place");

/* The whole file. */
typedef union StateFile
{
	StateCopy	copy;			/* of each place, at its beginning */
	char		place[COPY_SIZE];
} StateFile[COPIES_N];

const char *
fo_node_phase_name(FoRejoinPhase phase)
{
	switch (phase)
	{
		case FO_REJOIN_NONE:
			return "none";
		case FO_REJOIN_REQUESTED:
			return "requested";
		case FO_REJOIN_STOPPING:
			return "stopping";
		case FO_REJOIN_REWINDING:
			return "rewinding";
		case FO_REJOIN_CLONING:
			return "cloning";
		case FO_REJOIN_DISPLACING:
			return "displacing";
		case FO_REJOIN_RETURNING:
			return "returning";
		case FO_REJOIN_FOLLOWING:
			return "following";
		case FO_REJOIN_FAILED:
			return "failed";
	}
	return "unknown";
}

static pg_crc32c
checksum_of(const StateCopy *copy)
{
	pg_crc32c	checksum;

	INIT_CRC32C(checksum);
	COMP_CRC32C(checksum, (const char *) copy + offsetof(StateCopy, number),
				sizeof(*copy) - offsetof(StateCopy, number));
	FIN_CRC32C(checksum);
	return checksum;
}

/* Which of the copies holds; -1 if none can be trusted. */
static int
newest(const StateFile file)
{
	int			found = -1;

	for (int i = 0; i < COPIES_N; i++)
	{
		const StateCopy *copy = &file[i].copy;

		if (copy->magic == STATE_MAGIC && EQ_CRC32C(copy->checksum, checksum_of(copy)) &&
			(found < 0 || copy->number > file[found].copy.number))
			found = i;
	}
	return found;
}

/* Read what there is of the file; the rest is zeroed. */
static void
read_file(int fd, StateFile file)
{
	memset(file, 0, sizeof(StateFile));
	if (pg_pread(fd, file, sizeof(StateFile), 0) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", STATE_PATH)));
}

bool
fo_node_state_read(FoNodeState *state)
{
	StateFile	file;
	int			found;
	int			fd = OpenTransientFile(STATE_PATH, O_RDONLY | PG_BINARY);

	if (fd < 0)
	{
		if (errno == ENOENT)
			return false;
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", STATE_PATH)));
	}
	read_file(fd, file);
	CloseTransientFile(fd);

	found = newest(file);
	if (found < 0)
		ereport(FATAL,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is damaged or was written by another version of the library", STATE_PATH),
				 errhint("It tells whether this server is fenced and whether a rewind was under way. If you are sure that no other server of its group is a primary and that no rewind was interrupted, remove it.")));
	*state = file[found].copy.state;
	return true;
}

/* Write to a file that is open, from an offset on, to the disk. */
static bool
write_through(int fd, const void *bytes, size_t length, off_t offset)
{
	errno = 0;
	if (pg_pwrite(fd, bytes, length, offset) != (ssize_t) length)
	{
		if (errno == 0)
			errno = ENOSPC;
		return false;
	}
	return pg_fdatasync(fd) == 0;
}

/* Close, report if it did not work; errno is that of the failure. */
static bool
close_written(int fd, const char *path, bool is_written, int elevel)
{
	int			reason = errno;

	CloseTransientFile(fd);
	errno = reason;
	if (!is_written)
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", path)));
	return is_written;
}

/* The first write: the file appears as a whole. */
static void
create_file(StateFile file, int elevel)
{
	int			fd = OpenTransientFile(STATE_TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);

	if (fd < 0)
	{
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", STATE_TEMPORARY)));
		return;
	}
	if (close_written(fd, STATE_TEMPORARY, write_through(fd, file, sizeof(StateFile), 0), elevel))
		(void) durable_rename(STATE_TEMPORARY, STATE_PATH, elevel);
}

void
fo_node_state_write(const FoNodeState *state, int elevel)
{
	StateFile	file;
	int			before = -1;
	int			at;
	int			fd = OpenTransientFile(STATE_PATH, O_RDWR | PG_BINARY);

	if (fd < 0 && errno != ENOENT)
	{
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", STATE_PATH)));
		return;
	}
	if (fd < 0)
		memset(file, 0, sizeof(file));
	else
	{
		read_file(fd, file);
		before = newest(file);
	}

	at = before == 0 ? 1 : 0;
	memset(file[at].place, 0, COPY_SIZE);
	file[at].copy.magic = STATE_MAGIC;
	file[at].copy.number = before < 0 ? 1 : file[before].copy.number + 1;
	file[at].copy.state = *state;
	file[at].copy.checksum = checksum_of(&file[at].copy);

	if (fd < 0)
		create_file(file, elevel);
	else
		(void) close_written(fd, STATE_PATH,
							 write_through(fd, file[at].place, COPY_SIZE, (off_t) at * COPY_SIZE), elevel);
}
