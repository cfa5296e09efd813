/*-------------------------------------------------------------------------
 *
 * clone.c
 *		Fetches a copy of the new primary, where a rewind is impossible.
 *
 * pg_basebackup writes into a directory inside the data directory: the only
 * place that is certain to be ours, and on the same file system, so that the
 * complete copy can take the place of the data by renames (data.c).  Until then
 * the old data stay.
 *
 * Tablespaces, and directories of the data that are mounted or lie elsewhere, are
 * refused: where their copies would go is for a human to decide.  So is a copy
 * for which there is no room, as far as the source tells its size.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <sys/statvfs.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "core/text.h"
#include "node/rejoin.h"

static bool
is_directory_empty(const char *path)
{
	DIR		   *directory = AllocateDir(path);
	struct dirent *entry;
	bool		is_empty = true;

	while (directory != NULL && (entry = ReadDir(directory, path)) != NULL)
	{
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			is_empty = false;
	}
	FreeDir(directory);
	return is_empty;
}

/* Why there is no room for a copy of that size: palloc'd, NULL = there is, or nobody knows. */
static const char *
lack_of_room(const FoSourceSize *size)
{
	struct statvfs space;
	const char *problem = size->problem;
	uint64		available;

	if (size->bytes > 0 && statvfs(".", &space) == 0)
	{
		available = (uint64) space.f_bavail * space.f_frsize;
		if (available >= size->bytes)
			return NULL;
		return psprintf("there is no room: it takes " UINT64_FORMAT " MB, " UINT64_FORMAT " MB are free",
						size->bytes >> 20, available >> 20);
	}
	if (size->bytes > 0)
		problem = strerror(errno);
	ereport(LOG,
			(errmsg("failover: could not find out whether there is room for a copy of the new primary"),
			 errdetail("%s", problem)));
	return NULL;
}

/* Why this server's data cannot be replaced by a copy: NULL = they can. */
static const char *
obstacle(const char *conninfo)
{
	const char *fixed = fo_node_data_fixed();
	FoSourceSize size;

	if (fixed != NULL)
		return psprintf("\"%s\" is a mount point or lies elsewhere", fixed);
	if (!is_directory_empty(psprintf("%s/pg_tblspc", fo_node_data_is_out() ? FO_NODE_DATA_DIR : ".")))
		return "there are tablespaces";
	fo_node_data_drop(FO_NODE_CLONE_DIR);	/* what an interrupted copy left takes room */
	fo_node_measure_source(conninfo, &size);
	if (size.tablespaces > 0)
		return "it has tablespaces";
	return lack_of_room(&size);
}

bool
fo_node_clone_is_possible(const char *conninfo, char *report, size_t size)
{
	const char *why = obstacle(conninfo);
	char		before[FO_NODE_REPORT_LEN];

	if (why == NULL)
		return true;
	strlcpy(before, report, sizeof(before));
	fo_core_mend_cut(report, size, snprintf(report, size, "cannot copy the new primary, %s; %s", why, before));
	return false;
}

bool
fo_node_clone_fetch(const char *conninfo, const char *slot, char *report, size_t size)
{
	const char *source = fo_node_source_conninfo(conninfo);
	const char *arguments[12];
	StringInfoData output;
	int			n = 0;

	arguments[n++] = "--pgdata";
	arguments[n++] = psprintf("%s/" FO_NODE_CLONE_DIR, DataDir);
	arguments[n++] = "--dbname";
	arguments[n++] = source;
	arguments[n++] = "--no-password";
	arguments[n++] = "--verbose";
	arguments[n++] = "--checkpoint=fast";
	arguments[n++] = "--wal-method=stream";
	if (slot[0] != '\0')
	{
		arguments[n++] = "--slot";
		arguments[n++] = slot;
	}
	arguments[n] = NULL;
	initStringInfo(&output);
	if (fo_node_run_program("pg_basebackup", arguments, source, &output, NULL, NULL) == 0)
		return true;
	fo_core_mend_cut(report, size, snprintf(report, size, "could not copy the new primary: %s", fo_node_problem(output.data)));
	fo_node_data_drop(FO_NODE_CLONE_DIR);
	return false;
}
