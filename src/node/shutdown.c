/*-------------------------------------------------------------------------
 *
 * shutdown.c
 *		Has the primary that this standby follows said its last word?
 *
 * The record of a shutdown checkpoint is the last one that a primary writes; it
 * panics rather than write another.  A standby that has it has everything, a
 * while before its walreceiver is told to end: the primary has to bring its
 * control file to disk, and all its standbys have to confirm.  Who waits here is
 * told before that walreceiver ends: a startup process that then finds no order to
 * promote begins another walreceiver, whose end the promotion has to wait for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "access/xlogrecovery.h"
#include "access/xlogutils.h"
#include "catalog/pg_control.h"
#include "miscadmin.h"
#include "replication/walreceiver.h"
#include "storage/latch.h"
#include "utils/pg_lsn.h"

#include "compat.h"
#include "node/node.h"

#define RECHECK_MS 1			/* nobody tells a backend what was replayed */
#define WAIT_MOST_MS 1000		/* it has a snapshot meanwhile */

PG_FUNCTION_INFO_V1(failover_node_is_shut_down);

static bool
is_shutdown_record(XLogReaderState *reader)
{
	return XLogRecGetRmid(reader) == RM_XLOG_ID &&
		(XLogRecGetInfo(reader) & ~XLR_INFO_MASK) == XLOG_CHECKPOINT_SHUTDOWN;
}

/* Is it the last of the records from there on that were replayed? */
static bool
ends_with_shutdown(XLogRecPtr from)
{
	XLogReaderState *reader = XLogReaderAllocate(wal_segment_size, NULL,
												 XL_ROUTINE(.page_read = &read_local_xlog_page_no_wait,
															.segment_open = &wal_segment_open,
															.segment_close = &wal_segment_close),
												 palloc0(sizeof(ReadLocalXLogPageNoWaitPrivate)));
	bool		is_last = false;
	char	   *problem;

	if (reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (!XLogRecPtrIsInvalid(XLogFindNextRecord(reader, from)))
	{
		while (XLogReadRecord(reader, &problem) != NULL)
			is_last = is_shutdown_record(reader);
	}
	XLogReaderFree(reader);
	return is_last;
}

/*
 * For so long at most, or until no more is received.  The WAL is read again, from the
 * same position on, each time that more of it was replayed: it is little.
 */
static bool
await_shutdown(XLogRecPtr from, int wait_ms)
{
	uint32		wait_event = fo_compat_wait_event("FailoverShutdown");
	FoTime		deadline = fo_node_clock() + FO_MS(wait_ms);
	XLogRecPtr	seen = from;

	for (;;)
	{
		XLogRecPtr	replayed = GetXLogReplayRecPtr(NULL);

		if (replayed > seen && ends_with_shutdown(from))
			return true;
		seen = Max(seen, replayed);
		if (fo_node_clock() >= deadline || !WalRcvRunning())
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, RECHECK_MS, wait_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* (from_lsn, wait_ms) */
Datum
failover_node_is_shut_down(PG_FUNCTION_ARGS)
{
	XLogRecPtr	from = PG_GETARG_LSN(0);
	int			wait_ms = PG_GETARG_INT32(1);

	fo_node_require();
	if (wait_ms < 0 || wait_ms > WAIT_MOST_MS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wait_ms must be between 0 and %d", WAIT_MOST_MS),
				 errhint("Ask again to wait for longer.")));
	PG_RETURN_BOOL(RecoveryInProgress() && !XLogRecPtrIsInvalid(from) && await_shutdown(from, wait_ms));
}
