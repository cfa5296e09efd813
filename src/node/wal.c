/*-------------------------------------------------------------------------
 *
 * wal.c
 *		What WAL this server has in its own pg_wal.
 *
 * Read as files, while the server does not run, by the child that asks the
 * source (source.c) and by the postmaster at start (hold.c, segment.c).  Nothing is
 * validated but addresses: a page tells its own, and a segment that was
 * recycled still bears those of its former use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog_internal.h"

#include "node/rejoin.h"

bool
fo_node_wal_read(const char *segment, uint32 offset, char *bytes, int length)
{
	char		path[MAXPGPATH];
	int			fd;
	bool		is_read;

	snprintf(path, sizeof(path), XLOGDIR "/%s", segment);
	fd = open(path, O_RDONLY | PG_BINARY, 0);
	if (fd < 0)
		return false;
	is_read = pg_pread(fd, bytes, length, offset) == length;
	close(fd);
	return is_read;
}

bool
fo_node_wal_has(uint32 timeline, XLogRecPtr address, int segment_size)
{
	char		segment[MAXFNAMELEN];
	XLogPageHeaderData header;

	address -= address % XLOG_BLCKSZ;
	XLogFileName(segment, timeline, address / segment_size, segment_size);
	return fo_node_wal_read(segment, (uint32) (address % segment_size), (char *) &header, sizeof(header)) &&
		header.xlp_magic == XLOG_PAGE_MAGIC && header.xlp_pageaddr == address;
}

/*
 * A segment whose last page is there counts as complete.  Its last bytes may be
 * missing: then the source is taken to have a segment that it may have removed,
 * which is better than to copy a server that could follow.
 */
XLogRecPtr
fo_node_wal_end(uint32 timeline, XLogRecPtr known, int segment_size)
{
	XLogRecPtr	start = known - known % segment_size;
	XLogRecPtr	end = known;

	while (fo_node_wal_has(timeline, start, segment_size))
	{
		end = Max(known, start);
		if (!fo_node_wal_has(timeline, start + segment_size - XLOG_BLCKSZ, segment_size))
			break;
		start += segment_size;
		end = start;
	}
	return end;
}
