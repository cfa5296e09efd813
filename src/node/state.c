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
 * The file is one fixed struct with a checksum, replaced as a whole.  It may
 * be written by the postmaster before there is shared memory.
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
#define STATE_MAGIC 0x464f4e31	/* changes with the layout */

typedef struct StateFile
{
	uint32		magic;
	pg_crc32c	checksum;		/* of state */
	FoNodeState state;
} StateFile;

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
checksum_of(const FoNodeState *state)
{
	pg_crc32c	checksum;

	INIT_CRC32C(checksum);
	COMP_CRC32C(checksum, state, sizeof(*state));
	FIN_CRC32C(checksum);
	return checksum;
}

bool
fo_node_state_read(FoNodeState *state)
{
	StateFile	file;
	ssize_t		length;
	int			fd = OpenTransientFile(STATE_PATH, O_RDONLY | PG_BINARY);

	if (fd < 0)
	{
		if (errno == ENOENT)
			return false;
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", STATE_PATH)));
	}
	length = read(fd, &file, sizeof(file));
	CloseTransientFile(fd);

	if (length != (ssize_t) sizeof(file) || file.magic != STATE_MAGIC ||
		!EQ_CRC32C(file.checksum, checksum_of(&file.state)))
		ereport(FATAL,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is damaged or was written by another version of the library", STATE_PATH),
				 errhint("It tells whether this server is fenced and whether a rewind was under way. If you are sure that no other server of its group is a primary and that no rewind was interrupted, remove it.")));
	*state = file.state;
	return true;
}

void
fo_node_state_write(const FoNodeState *state, int elevel)
{
	StateFile	file;
	int			fd;
	bool		is_written;

	memset(&file, 0, sizeof(file));
	file.magic = STATE_MAGIC;
	file.state = *state;
	file.checksum = checksum_of(&file.state);

	fd = OpenTransientFile(STATE_TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);
	if (fd < 0)
	{
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", STATE_TEMPORARY)));
		return;
	}
	errno = 0;
	is_written = write(fd, &file, sizeof(file)) == (ssize_t) sizeof(file);
	if (!is_written && errno == 0)
		errno = ENOSPC;
	is_written = is_written && pg_fsync(fd) == 0;
	if (!is_written)
	{
		int			reason = errno;

		CloseTransientFile(fd);
		errno = reason;
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", STATE_TEMPORARY)));
		return;
	}
	CloseTransientFile(fd);
	(void) durable_rename(STATE_TEMPORARY, STATE_PATH, elevel);
}
