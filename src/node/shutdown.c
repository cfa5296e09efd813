/*-------------------------------------------------------------------------
 *
 * shutdown.c
 *		Has the primary that this standby follows said its last word?
 *
 * The record of a shutdown checkpoint is the last one that a primary writes; it
 * panics rather than write another.  A standby that has it has everything, a
 * while before its walreceiver is told to end: the primary has to bring its
 * control file to disk, and all its standbys have to confirm.
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
#include "utils/pg_lsn.h"

#include "node/node.h"

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

/* (from_lsn) */
Datum
failover_node_is_shut_down(PG_FUNCTION_ARGS)
{
	XLogRecPtr	from = PG_GETARG_LSN(0);

	fo_node_require();
	if (!RecoveryInProgress())
		PG_RETURN_BOOL(false);
	fo_node_expect_promotion();
	PG_RETURN_BOOL(!XLogRecPtrIsInvalid(from) && from < GetXLogReplayRecPtr(NULL) && ends_with_shutdown(from));
}
