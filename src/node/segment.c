/*-------------------------------------------------------------------------
 *
 * segment.c
 *		Completes, before a promotion, the segment in which a timeline began.
 *
 * A standby that changes to its primary's new timeline asks for its WAL from the
 * beginning of a segment on, though it has that segment of the old one and has
 * replayed most of it.  Where the primary dies in this moment, the new timeline's
 * file ends before what has been replayed.  PostgreSQL reads the last record again
 * when it is promoted, from the newest timeline of which it has a file: it finds
 * none there, PANICs, and after that the server does not even start without a
 * source of WAL.
 *
 * Up to where the new timeline begins the two files are the same, and nothing
 * behind that has been replayed: what is missing is copied from the old one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecovery.h"
#include "replication/walreceiver.h"
#include "storage/fd.h"

#include "node/node.h"

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
