/*-------------------------------------------------------------------------
 *
 * keep.c
 *		Keeps the WAL that a rewind needs to be repeated.
 *
 * pg_rewind reads this server's WAL from the last common checkpoint on to find
 * out what to copy, and then replaces pg_wal like everything else.  Killed half
 * way it could not find out again.  So that WAL is copied when pg_rewind has
 * said where it begins, and put back before the next attempt.  Where it cannot
 * be copied nothing is rewound.  Relation files need nothing: what was copied
 * will be copied again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "common/file_perm.h"
#include "storage/copydir.h"
#include "storage/fd.h"

#include "node/rejoin.h"

#define KEEP_DIR "failover_wal"
#define TARGET_WAL FO_NODE_DATA_DIR "/" XLOGDIR

/* Call visit with the name of each entry of a directory; a directory that is not there has none. */
static void
for_each_entry(const char *path, void (*visit) (const char *name, void *argument), void *argument)
{
	DIR		   *directory = AllocateDir(path);
	struct dirent *entry;

	if (directory == NULL && errno == ENOENT)
		return;
	while ((entry = ReadDir(directory, path)) != NULL)
		visit(entry->d_name, argument);
	FreeDir(directory);
}

typedef struct WalRange
{
	XLogSegNo	from;
	XLogSegNo	to;
	int			segment_size;
	bool		is_counting;	/* count only */
	uint64		segments;
} WalRange;

/* Segments of the range, of whatever timeline, and all history files. */
static bool
is_in_range(const char *name, const WalRange *range)
{
	TimeLineID	timeline;
	XLogSegNo	segment;

	if (IsTLHistoryFileName(name))
		return true;
	if (!IsXLogFileName(name))
		return false;
	XLogFromFileName(name, &timeline, &segment, range->segment_size);
	return segment >= range->from && segment <= range->to;
}

/* Complete or not at all: a copy that was interrupted must not be taken for the file. */
static void
copy_segment(const char *from_directory, const char *to_directory, const char *name)
{
	char	   *from = psprintf("%s/%s", from_directory, name);
	char	   *to = psprintf("%s/%s", to_directory, name);
	char	   *temporary = psprintf("%s.copy", to);

	(void) unlink(temporary);
	copy_file(from, temporary);
	(void) durable_rename(temporary, to, ERROR);
}

static void
keep_segment(const char *name, void *argument)
{
	WalRange   *range = argument;

	if (!is_in_range(name, range))
		return;
	range->segments++;
	if (range->is_counting)
		return;
	fo_node_ask_for_time();
	copy_segment(TARGET_WAL, KEEP_DIR, name);
}

/* Is there room for that many segments, and as much again? */
static bool
has_room(const WalRange *range)
{
	struct statvfs space;

	return statvfs(KEEP_DIR, &space) == 0 &&
		(uint64) space.f_bavail * space.f_frsize / 2 >= range->segments * (uint64) range->segment_size;
}

/* Copy the range.  NULL, or what went wrong: an error here must not end a postmaster whose data are untouched. */
static char *
keep_range(WalRange *range)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *volatile problem = NULL;

	PG_TRY();
	{
		for_each_entry(TARGET_WAL, keep_segment, range);
		fsync_fname(".", true);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		problem = psprintf("could not keep WAL: %s", error->message);
		FreeErrorData(error);
	}
	PG_END_TRY();
	return problem;
}

char *
fo_node_keep_wal(XLogRecPtr from, XLogRecPtr to, int segment_size)
{
	WalRange	range = {.segment_size = segment_size, .is_counting = true};
	char	   *problem;

	XLByteToSeg(from, range.from, segment_size);
	XLByteToSeg(to, range.to, segment_size);
	for_each_entry(TARGET_WAL, keep_segment, &range);
	range.is_counting = false;
	if (mkdir(KEEP_DIR, pg_dir_create_mode) != 0 && errno != EEXIST)
		problem = psprintf("could not create directory \"%s\": %s", KEEP_DIR, strerror(errno));
	else if (!has_room(&range))
		problem = psprintf("no room to keep " UINT64_FORMAT " MB of WAL", (range.segments * (uint64) segment_size) >> 20);
	else
		problem = keep_range(&range);
	if (problem != NULL)
		fo_node_keep_drop();	/* a part is of no use, and takes room */
	return problem;
}

static void
restore_segment(const char *name, void *argument)
{
	if (!IsXLogFileName(name) && !IsTLHistoryFileName(name))
		return;
	fo_node_ask_for_time();
	copy_segment(KEEP_DIR, TARGET_WAL, name);
}

void
fo_node_keep_restore(void)
{
	for_each_entry(KEEP_DIR, restore_segment, NULL);
}

void
fo_node_keep_drop(void)
{
	fo_node_data_drop(KEEP_DIR);
	fsync_fname(".", true);
}
