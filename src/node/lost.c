/*-------------------------------------------------------------------------
 *
 * lost.c
 *		What the group has lost of this server's WAL.
 *
 * Whoever becomes a standby of another history gives up what it wrote beyond
 * the fork.  Before that goes away its commits are counted, record by record,
 * in a child of the starting postmaster (child.c).  What follows the last
 * commit nobody misses: above all what the server's own recovery has added
 * since it crashed, and its shutdown checkpoint.  Nor does anybody miss the
 * coordinator's write checks, transactions that consist of one message.  Where the
 * records are gone, or too many, all that was written counts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/rmgr.h"
#include "access/xact.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "lib/stringinfo.h"
#include "replication/message.h"

#include "core/types.h"
#include "node/rejoin.h"

#define COUNT_TIMEOUT_MS 10000	/* some gigabytes; a rejoin is not held up for longer */

#define WORD_LOST "lost"		/* bytes up to the end of the last commit, commits */

/* What is to be read. */
typedef struct Span
{
	uint32		timeline;
	XLogRecPtr	fork;			/* the first record begins here, or behind a page header */
	XLogRecPtr	last;			/* begin of the server's last record */
	int			segment_size;
	TransactionId check;		/* has written a write check's message and nothing else so far */
} Span;

/* ---- in the child ---- */

/* A file that cannot be opened fails to be read. */
static void
open_segment(XLogReaderState *reader, XLogSegNo number, TimeLineID *timeline)
{
	char		path[MAXPGPATH];

	XLogFilePath(path, *timeline, number, reader->segcxt.ws_segsize);
	reader->seg.ws_file = open(path, O_RDONLY | PG_BINARY, 0);
}

static void
close_segment(XLogReaderState *reader)
{
	close(reader->seg.ws_file);
	reader->seg.ws_file = -1;
}

static int
read_page(XLogReaderState *reader, XLogRecPtr address, int wanted, XLogRecPtr record, char *page)
{
	const Span *span = reader->private_data;
	WALReadError error;

	return WALRead(reader, page, address, XLOG_BLCKSZ, span->timeline, &error) ? XLOG_BLCKSZ : -1;
}

static bool
is_write_check(XLogReaderState *reader)
{
	const xl_logical_message *message = (const xl_logical_message *) XLogRecGetData(reader);

	return XLogRecGetRmid(reader) == RM_LOGICALMSG_ID && message->transactional && message->message_size == 0 &&
		message->prefix_size == sizeof(FO_WRITE_CHECK_PREFIX) && strcmp(message->message, FO_WRITE_CHECK_PREFIX) == 0;
}

/* Does the record make something durable that a client may have been told of? */
static bool
is_commit(XLogReaderState *reader, Span *span)
{
	TransactionId writer = XLogRecGetXid(reader);
	bool		is_check = writer == span->check && TransactionIdIsValid(writer);

	if (is_write_check(reader))
		span->check = writer;
	else if (is_check)
		span->check = InvalidTransactionId;
	if (XLogRecGetRmid(reader) != RM_XACT_ID || is_check)
		return false;
	switch (XLogRecGetInfo(reader) & XLOG_XACT_OPMASK)
	{
		case XLOG_XACT_COMMIT:
		case XLOG_XACT_COMMIT_PREPARED:
		case XLOG_XACT_PREPARE:
			return true;
		default:
			return false;
	}
}

/* Body of the child.  Says nothing if the WAL cannot be read up to its last record. */
static void
count_commits(void *argument)
{
	Span	   *span = argument;
	XLogReaderState *reader = XLogReaderAllocate(span->segment_size, NULL,
												 XL_ROUTINE(.page_read = read_page,.segment_open = open_segment,.segment_close = close_segment), span);
	uint64		bytes = 0;
	uint64		commits = 0;
	char	   *problem;

	if (reader == NULL)
		return;
	XLogBeginRead(reader, span->fork);
	do
	{
		if (XLogReadRecord(reader, &problem) == NULL)
			return;
		if (is_commit(reader, span))
		{
			bytes = reader->EndRecPtr - span->fork;
			commits++;
		}
	} while (reader->ReadRecPtr < span->last);
	printf(WORD_LOST " " UINT64_FORMAT " " UINT64_FORMAT "\n", bytes, commits);
}

/* ---- in the postmaster ---- */

bool
fo_node_count_lost(FoRejoin *rejoin, const ControlFileData *control, XLogRecPtr fork)
{
	Span		span = {
		.timeline = control->checkPointCopy.ThisTimeLineID,
		.fork = fork,
		.last = control->checkPoint,
		.segment_size = control->xlog_seg_size
	};
	StringInfoData output;
	const char *line;
	long long	bytes = 0;
	long long	commits = 0;

	/* A standby has acknowledged nothing. */
	if (control->state != DB_SHUTDOWNED)
		return false;
	if (control->checkPoint >= fork)
	{
		initStringInfo(&output);
		(void) fo_node_run(count_commits, &span, COUNT_TIMEOUT_MS, &output);
		line = fo_node_find_line(output.data, WORD_LOST);
		if (line == NULL || sscanf(line, "%lld %lld", &bytes, &commits) != 2)
		{
			bytes = control->checkPoint - fork;	/* at most */
			commits = -1;
		}
	}
	rejoin->is_loss_known = true;
	rejoin->lost_bytes = bytes;
	rejoin->lost_commits = commits;
	return commits >= 0;
}
