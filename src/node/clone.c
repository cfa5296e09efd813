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
 * Tablespaces and a pg_wal elsewhere are refused: where their copies would go
 * is for a human to decide.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <sys/stat.h>

#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "storage/fd.h"

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

bool
fo_node_clone_is_possible(char *report, size_t size)
{
	const char *data = fo_node_data_is_out() ? FO_NODE_DATA_DIR : ".";
	char		before[FO_NODE_REPORT_LEN];
	struct stat wal;
	struct stat around;
	const char *why = NULL;

	if (lstat(psprintf("%s/" XLOGDIR, data), &wal) != 0 || lstat(data, &around) != 0 ||
		!S_ISDIR(wal.st_mode) || wal.st_dev != around.st_dev)
		why = "pg_wal lies elsewhere";
	else if (!is_directory_empty(psprintf("%s/pg_tblspc", data)))
		why = "there are tablespaces";
	if (why == NULL)
		return true;
	strlcpy(before, report, sizeof(before));
	snprintf(report, size, "cannot copy the new primary, %s; %s", why, before);
	return false;
}

bool
fo_node_clone_fetch(const char *conninfo, const char *slot, char *report, size_t size)
{
	const char *arguments[12];
	StringInfoData output;
	int			n = 0;

	fo_node_data_drop(FO_NODE_CLONE_DIR);
	arguments[n++] = "pg_basebackup";
	arguments[n++] = "--pgdata";
	arguments[n++] = psprintf("%s/" FO_NODE_CLONE_DIR, DataDir);
	arguments[n++] = "--dbname";
	arguments[n++] = conninfo;
	arguments[n++] = "--checkpoint=fast";
	arguments[n++] = "--wal-method=stream";
	if (slot[0] != '\0')
	{
		arguments[n++] = "--slot";
		arguments[n++] = slot;
	}
	arguments[n] = NULL;
	initStringInfo(&output);
	if (fo_node_run_program("pg_basebackup", arguments, &output, NULL, NULL) == 0)
		return true;
	snprintf(report, size, "could not copy the new primary: %s", fo_node_problem(output.data));
	fo_node_data_drop(FO_NODE_CLONE_DIR);
	return false;
}
