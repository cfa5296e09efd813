/*-------------------------------------------------------------------------
 *
 * timeline.c
 *		Which timeline a promotion of this server begins.
 *
 * PostgreSQL takes the first number after its own of which it finds no history
 * file.  Where two candidates were ordered to promote one after the other, the
 * second may never have seen the file of the first, and take the same number.
 * Then nobody can tell the two histories apart: pg_rewind finds one timeline
 * and says that there is nothing to do, a standby of the one appends WAL of the
 * other.
 *
 * So the coordinator says which number is free, and every lower one that is
 * missing here is reserved before the order: by a history file in pg_wal that
 * holds a comment and no history.  PostgreSQL steps over it.  It has to stay
 * after the promotion, because walreceivers fetch the file of every number up
 * to the newest.
 *
 * A reservation without a later timeline would keep a standby from starting:
 * recovery would aim for a timeline that has no parent.  It would keep it from
 * following, too, who has begun just that timeline.  A server that was restarted
 * before its promotion drops those, in the postmaster, before recovery begins;
 * one that refused to be promoted does at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/timeline.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecovery.h"
#include "storage/fd.h"

#include "node/node.h"

#define TEMPORARY XLOGDIR "/failover.history.tmp"
#define MARK "# failover: "

/* More would be a mistake of the coordinator's. */
#define RESERVATIONS_MAX 1000

static bool
exists(TimeLineID timeline)
{
	char		path[MAXPGPATH];
	struct stat status;

	TLHistoryFilePath(path, timeline);
	return stat(path, &status) == 0;
}

/* Durable on return; ERROR if that cannot be had. */
static void
reserve(TimeLineID timeline, int64 term)
{
	char		path[MAXPGPATH];
	char		text[128];
	int			fd;
	int			length;

	length = snprintf(text, sizeof(text), MARK "another candidate may have begun timeline %u before term %lld\n",
					  timeline, (long long) term);
	fd = OpenTransientFile(TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);
	if (fd >= 0)
		errno = 0;				/* a short write sets none */
	if (fd < 0 || write(fd, text, length) != length || pg_fsync(fd) != 0)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", TEMPORARY)));
	}
	CloseTransientFile(fd);
	TLHistoryFilePath(path, timeline);
	(void) durable_rename(TEMPORARY, path, ERROR);
	ereport(LOG, (errmsg("failover: timeline %u is left out, another server may have begun it", timeline)));
}

void
fo_node_reserve_timelines(uint32 wanted, int64 term)
{
	TimeLineID	own;

	(void) GetXLogReplayRecPtr(&own);
	if (wanted <= own + 1)
		return;
	if (wanted - own > RESERVATIONS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeline %u is too far from timeline %u of this server", wanted, own),
				 errhint("At most %d timelines can be left out.", RESERVATIONS_MAX)));
	for (TimeLineID timeline = own + 1; timeline < wanted; timeline++)
	{
		if (!exists(timeline))
			reserve(timeline, term);
	}
}

/* ---- dropped again ---- */

/* The highest timeline with a history file; 0 = there is none. */
static TimeLineID
newest_history(void)
{
	DIR		   *directory = AllocateDir(XLOGDIR);
	struct dirent *entry;
	TimeLineID	newest = 0;

	if (directory == NULL)
		return 0;
	while ((entry = ReadDirExtended(directory, XLOGDIR, LOG)) != NULL)
	{
		if (IsTLHistoryFileName(entry->d_name))
			newest = Max(newest, (TimeLineID) strtoul(entry->d_name, NULL, 16));
	}
	FreeDir(directory);
	return newest;
}

static bool
is_reservation(const char *path)
{
	char		text[sizeof(MARK)] = "";
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	ssize_t		length;

	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(MARK) - 1);
	CloseTransientFile(fd);
	return length == sizeof(MARK) - 1 && memcmp(text, MARK, sizeof(MARK) - 1) == 0;
}

void
fo_node_drop_reservations(int elevel)
{
	struct stat status;

	if (stat(STANDBY_SIGNAL_FILE, &status) != 0)
		return;
	for (;;)
	{
		char		path[MAXPGPATH];
		TimeLineID	newest = newest_history();

		TLHistoryFilePath(path, newest);
		if (newest == 0 || !is_reservation(path) || durable_unlink(path, elevel) != 0)
			return;
	}
}
