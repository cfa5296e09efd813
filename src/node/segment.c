/*-------------------------------------------------------------------------
 *
 * segment.c
 *		The segment in which a timeline began, where a standby has a part of it only.
 *
 * A standby that changes to its primary's new timeline asks for its WAL from the
 * beginning of a segment on, though it has that segment of the old one and has
 * replayed most of it.  Where the primary dies in this moment, the new timeline's
 * file ends before what has been replayed.  PostgreSQL prefers to read the newest
 * timeline of which it has a file.  When it is promoted it reads the last record
 * again, finds none there, and PANICs.  When it starts it replays what is there,
 * and ends because the next page would be of an older timeline, each time anew.
 *
 * Up to where the new timeline begins the two files are the same.  So before a
 * promotion what is missing is copied from the old one, as far as it has been replayed;
 * and before a start the new one is removed, because it has nothing of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/timeline.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecovery.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "replication/walreceiver.h"
#include "storage/fd.h"

#include "node/rejoin.h"

/* ---- before a promotion ---- */

static int
open_segment(TimeLineID timeline, XLogSegNo number, int flags, char *path)
{
	int			fd;

	XLogFilePath(path, timeline, number, wal_segment_size);
	fd = OpenTransientFile(path, flags | PG_BINARY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	return fd;
}

/* A file that is too short counts as one that cannot be read; errno tells. */
static bool
copy_bytes(int from, int to, off_t first, off_t end)
{
	PGAlignedXLogBlock block;

	for (off_t offset = first; offset < end;)
	{
		ssize_t		length = Min((off_t) sizeof(block), end - offset);

		errno = ENODATA;
		if (pg_pread(from, block.data, length, offset) != length)
			return false;
		errno = ENOSPC;
		if (pg_pwrite(to, block.data, length, offset) != length)
			return false;
		offset += length;
	}
	return pg_fsync(to) == 0;
}

void
fo_node_complete_segment(void)
{
	char		path[MAXPGPATH];
	char		old_path[MAXPGPATH];
	TimeLineID	received_timeline;
	TimeLineID	timeline;
	XLogRecPtr	received = GetWalRcvFlushRecPtr(NULL, &received_timeline);
	XLogRecPtr	replayed = GetXLogReplayRecPtr(&timeline);
	XLogSegNo	number;
	int			from;
	int			to;

	/* Of a segment that has been replayed in full nothing is read again but its end. */
	if (replayed == 0 || received_timeline <= timeline || received >= replayed)
		return;
	XLByteToPrevSeg(replayed, number, wal_segment_size);
	if (!XLByteInPrevSeg(received + 1, number, wal_segment_size))
		return;

	from = open_segment(timeline, number, O_RDONLY, old_path);
	to = open_segment(received_timeline, number, O_RDWR, path);
	if (!copy_bytes(from, to, XLogSegmentOffset(received, wal_segment_size),
					XLogSegmentOffset(replayed - 1, wal_segment_size) + 1))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not complete file \"%s\" from \"%s\": %m", path, old_path),
				 errhint("Promote another standby, or let this one receive WAL from a server on timeline %u first.", received_timeline)));
	CloseTransientFile(to);
	CloseTransientFile(from);
	ereport(LOG,
			(errmsg("failover: file \"%s\" is complete up to %X/%X, where replay has ended", path, LSN_FORMAT_ARGS(replayed)),
			 errdetail("Its timeline had been received up to %X/%X.", LSN_FORMAT_ARGS(received))));
}

/* ---- before a start ---- */

static void
remove_part(TimeLineID timeline, XLogRecPtr begin, int segment_size)
{
	char		path[MAXPGPATH];

	XLogFilePath(path, timeline, (begin - 1) / segment_size, segment_size);
	(void) durable_unlink(path, FATAL);
	ereport(LOG,
			(errmsg("failover: removed file \"%s\", which ends before timeline %u begins, at %X/%X",
					path, timeline, LSN_FORMAT_ARGS(begin)),
			 errdetail("The same WAL is in the file of the timeline before it.")));
}

void
fo_node_remove_part_of_segment(void)
{
	bool		is_intact;
	ControlFileData *control = get_controlfile(DataDir, &is_intact);
	int			size = control->xlog_seg_size;
	List	   *history;

	if (!is_intact || (control->state != DB_SHUTDOWNED_IN_RECOVERY && control->state != DB_IN_ARCHIVE_RECOVERY))
		return;

	/* From the newest timeline on; the first one does not begin anywhere. */
	history = readTimeLineHistory(findNewestTimeLine(control->checkPointCopy.ThisTimeLineID));
	for (int i = 0; i + 1 < list_length(history); i++)
	{
		const TimeLineHistoryEntry *entry = list_nth(history, i);
		const TimeLineHistoryEntry *before = list_nth(history, i + 1);
		XLogRecPtr	last = entry->begin - 1;
		char		segment[MAXFNAMELEN];
		char		first;

		XLogFileName(segment, entry->tli, last / size, size);
		if (fo_node_wal_read(segment, 0, &first, 1) && !fo_node_wal_has(entry->tli, last, size) &&
			fo_node_wal_has(before->tli, last, size))
			remove_part(entry->tli, entry->begin, size);
	}
	list_free_deep(history);
}
