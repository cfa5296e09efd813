/*-------------------------------------------------------------------------
 *
 * hold.c
 *		Keeps PostgreSQL from removing the WAL that a rewind will need.
 *
 * pg_rewind reads this server's WAL from the last checkpoint before the fork on.
 * PostgreSQL removes what lies before its last checkpoint, and a former primary
 * makes two of them before it can be rewound: at the end of its recovery, and
 * when it stops.  With wal_keep_size = 0 every rewind of a busy server would
 * fail.
 *
 * So where nobody has set wal_keep_size its default is max_wal_size here, about
 * what is written between two checkpoints.  A primary that was not shut down
 * keeps, whatever is set, the WAL that it has since its last checkpoint: it is
 * on its disk already.
 *
 * And a standby that has diverged is kept on its timeline, as long as it could not
 * be rewound.  Its walreceiver has fetched the history that it cannot follow, and
 * recovery, which takes the newest that it finds, would end the server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/timeline.h"
#include "access/xlog.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "node/rejoin.h"

/* Who lets WAL grow to more than that between checkpoints has to say himself how much may be kept. */
#define DEFAULT_MAX_MB 4096

/* What a server writes that has no lease, until it knows whether it is to be rewound. */
#define MARGIN_MB 64

static void
keep(int megabytes, GucSource source)
{
	SetConfigOption("wal_keep_size", psprintf("%dMB", megabytes), PGC_POSTMASTER, source);
}

void
fo_node_hold_by_default(void)
{
	keep(Min(max_wal_size_mb, DEFAULT_MAX_MB), PGC_S_DYNAMIC_DEFAULT);
}

void
fo_node_hold_after_crash(void)
{
	bool		is_intact;
	ControlFileData *control = get_controlfile(DataDir, &is_intact);
	XLogRecPtr	begin = Min(control->checkPoint, control->checkPointCopy.redo);
	XLogRecPtr	end;
	int			megabytes;

	if (!is_intact ||
		(control->state != DB_IN_PRODUCTION && control->state != DB_SHUTDOWNING && control->state != DB_IN_CRASH_RECOVERY))
		return;
	end = fo_node_wal_end(control->checkPointCopy.ThisTimeLineID, control->checkPoint, control->xlog_seg_size);
	megabytes = (int) Min((end + control->xlog_seg_size - begin) >> 20, INT_MAX - MARGIN_MB) + MARGIN_MB;
	if (megabytes <= wal_keep_size_mb)
		return;
	keep(megabytes, PGC_S_OVERRIDE);
	ereport(LOG,
			(errmsg("failover: wal_keep_size is %d MB until the next restart, should this server have to be rewound", megabytes)));
}

/* What only a restore_command would bring is not looked for. */
void
fo_node_hold_timeline(void)
{
	bool		is_intact;
	ControlFileData *control = get_controlfile(DataDir, &is_intact);
	TimeLineID	own = control->minRecoveryPointTLI;
	TimeLineID	newest;

	if (!is_intact || control->minRecoveryPoint == 0 ||
		(control->state != DB_SHUTDOWNED_IN_RECOVERY && control->state != DB_IN_ARCHIVE_RECOVERY))
		return;
	newest = findNewestTimeLine(control->checkPointCopy.ThisTimeLineID);
	if (newest <= own || tliOfPointInHistory(control->minRecoveryPoint - 1, readTimeLineHistory(newest)) == own)
		return;
	SetConfigOption("recovery_target_timeline", psprintf("%u", own), PGC_POSTMASTER, PGC_S_OVERRIDE);
	ereport(LOG,
			(errmsg("failover: staying on timeline %u: this server has replayed more of it than belongs to timeline %u", own, newest)));
}
