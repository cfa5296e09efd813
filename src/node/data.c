/*-------------------------------------------------------------------------
 *
 * data.c
 *		Moves the data aside while another program works on them, and back.
 *
 * pg_rewind makes everything in its target directory look like the source's:
 * configuration files come with the source's port, slot name and
 * primary_conninfo, keys and pg_hba.conf are overwritten, logs, the lock file
 * and whatever the source does not have are removed, our state file included.
 * Killed half way it leaves a directory that starts as a primary.
 *
 * So it never sees the data directory.  What is PostgreSQL's own (base, pg_wal
 * and their like) is renamed into a subdirectory, which becomes pg_rewind's
 * target, and comes back when it is complete; what is this server's own stays
 * where it is.  Meanwhile the data directory holds PG_VERSION and the control
 * file, enough for a postmaster to reach this library, and nothing that it
 * could serve without it.
 *
 * All of it may be repeated after an interruption.  The directory "global" stays
 * where it is and always holds a control file, because a postmaster that finds
 * none ends before it loads this library; what else is in it moves file by file.
 * File systems that could exchange two directories in one step are not the only
 * ones.  The map of the relations, without which no server starts, leaves first
 * and comes back last, when everything else is on disk: so it tells which of the
 * directories is whole, and nobody can start from a part.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/copydir.h"
#include "storage/fd.h"

#include "node/rejoin.h"

#define GLOBAL "global"
#define CONTROL_NAME "pg_control"
#define MAP_NAME "pg_filenode.map"
#define CONTROL_FILE GLOBAL "/" CONTROL_NAME
#define MAP_FILE GLOBAL "/" MAP_NAME

/* Directories that move; pg_replslot is this server's own (slots.c), and holds the state file. */
static const char *const moved_directories[] = {
	"base", "pg_commit_ts", "pg_dynshmem", "pg_logical", "pg_multixact", "pg_notify", "pg_serial",
	"pg_snapshots", "pg_stat", "pg_stat_tmp", "pg_subtrans", "pg_tblspc", "pg_twophase", XLOGDIR,
	"pg_xact", NULL
};

/* Files that belong to them, if they are there. */
static const char *const moved_files[] = {"backup_label", "tablespace_map", NULL};

static bool
exists(const char *path)
{
	struct stat status;

	if (lstat(path, &status) == 0)
		return true;
	if (errno != ENOENT)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	return false;
}

/* Is it no directory that can be replaced?  None is where something is mounted, of the same file system or another. */
static bool
is_fixed(const char *path, dev_t device)
{
	struct stat status;

	if (lstat(path, &status) != 0)
		return errno != ENOENT;
	if (!S_ISDIR(status.st_mode) || status.st_dev != device)
		return true;
#ifdef STATX_ATTR_MOUNT_ROOT
	{
		struct statx more;

		return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &more) == 0 &&
			(more.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
	}
#else
	return false;
#endif
}

const char *
fo_node_data_fixed(void)
{
	const char *data = fo_node_data_is_out() ? FO_NODE_DATA_DIR : ".";
	struct stat around;

	if (lstat(".", &around) != 0)
		return ".";
	for (int i = 0; moved_directories[i] != NULL; i++)
	{
		if (is_fixed(psprintf("%s/%s", data, moved_directories[i]), around.st_dev))
			return moved_directories[i];
	}
	return is_fixed(GLOBAL, around.st_dev) ? GLOBAL : NULL;
}

bool
fo_node_data_can_move_out(void)
{
	struct stat around;

	return lstat(".", &around) == 0 && !is_fixed(GLOBAL, around.st_dev);
}

static void
move(const char *from, const char *to)
{
	if (rename(from, to) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not rename \"%s\" to \"%s\": %m", from, to)));
}

static void
make_directory(const char *path)
{
	if (mkdir(path, pg_dir_create_mode) != 0 && errno != EEXIST)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", path)));
}

static void
copy_durably(const char *from, const char *to)
{
	char	   *temporary = psprintf("%s.tmp", to);

	(void) unlink(temporary);
	copy_file(unconstify(char *, from), temporary);
	(void) durable_rename(temporary, to, FATAL);
}

/* Move what is in a "global" into the other, but for the control file and the map. */
static void
move_most_of_global(const char *from, const char *to)
{
	List	   *names = NIL;
	ListCell   *cell;
	DIR		   *directory = AllocateDir(from);
	struct dirent *entry;

	/* All names before the first is moved: not every file system can be read while it changes. */
	while ((entry = ReadDirExtended(directory, from, FATAL)) != NULL)
	{
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			strcmp(entry->d_name, CONTROL_NAME) != 0 && strcmp(entry->d_name, MAP_NAME) != 0)
			names = lappend(names, pstrdup(entry->d_name));
	}
	FreeDir(directory);
	foreach(cell, names)
		move(psprintf("%s/%s", from, (char *) lfirst(cell)), psprintf("%s/%s", to, (char *) lfirst(cell)));
}

static void
make_durable(const char *one, const char *other)
{
	fsync_fname(one, true);
	fsync_fname(other, true);
}

/*
 * The copy of the control file is written once, before a program may change it;
 * unless an earlier return had come as far as taking it back.
 */
static void
move_global_out(void)
{
	bool		is_whole = exists(MAP_FILE);

	make_directory(FO_NODE_DATA_DIR "/" GLOBAL);
	if (is_whole || !exists(FO_NODE_DATA_DIR "/" CONTROL_FILE))
		copy_durably(CONTROL_FILE, FO_NODE_DATA_DIR "/" CONTROL_FILE);
	if (is_whole)
	{
		move(MAP_FILE, FO_NODE_DATA_DIR "/" MAP_FILE);
		make_durable(GLOBAL, FO_NODE_DATA_DIR "/" GLOBAL);
	}
	move_most_of_global(GLOBAL, FO_NODE_DATA_DIR "/" GLOBAL);
	make_durable(GLOBAL, FO_NODE_DATA_DIR "/" GLOBAL);
}

static void
move_global_in(const char *from)
{
	char	   *control = psprintf("%s/" CONTROL_FILE, from);

	if (!exists(psprintf("%s/" MAP_FILE, from)))
		return;
	from = psprintf("%s/" GLOBAL, from);
	move_most_of_global(from, GLOBAL);
	if (exists(control))
		move(control, CONTROL_FILE);
	make_durable(from, GLOBAL);
	move(psprintf("%s/" MAP_NAME, from), MAP_FILE);
	make_durable(from, GLOBAL);
}

static bool
is_link(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

/*
 * A directory that cannot be renamed, because something is mounted there, is shown
 * to the program by a link.  So is a link: one that is relative leads nowhere from elsewhere.
 */
static void
move_directory_out(const char *name)
{
	char	   *to = psprintf(FO_NODE_DATA_DIR "/%s", name);

	if (!exists(name) || exists(to))
		return;
	if (!is_link(name) && rename(name, to) == 0)
		return;
	if (symlink(psprintf("%s/%s", DataDir, name), to) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not rename \"%s\" to \"%s\": %m", name, to)));
}

void
fo_node_data_move_out(void)
{
	make_directory(FO_NODE_DATA_DIR);
	if (!exists(FO_NODE_DATA_DIR "/PG_VERSION"))
		copy_durably("PG_VERSION", FO_NODE_DATA_DIR "/PG_VERSION");
	move_global_out();
	for (int i = 0; moved_directories[i] != NULL; i++)
		move_directory_out(moved_directories[i]);
	for (int i = 0; moved_files[i] != NULL; i++)
	{
		if (exists(moved_files[i]))
			move(moved_files[i], psprintf(FO_NODE_DATA_DIR "/%s", moved_files[i]));
	}
	fsync_fname(FO_NODE_DATA_DIR, true);
	fsync_fname(".", true);
}

void
fo_node_data_move_in(const char *from)
{
	for (int i = 0; moved_directories[i] != NULL; i++)
	{
		char	   *path = psprintf("%s/%s", from, moved_directories[i]);

		if (!exists(path))
			continue;
		if (!exists(moved_directories[i]))
			move(path, moved_directories[i]);
		else if (unlink(path) != 0)	/* the link that stood for it */
			ereport(FATAL,
					(errcode_for_file_access(),
					 errmsg("could not remove link \"%s\": %m", path)));
	}
	for (int i = 0; moved_files[i] != NULL; i++)
	{
		char	   *path = psprintf("%s/%s", from, moved_files[i]);

		if (exists(path))
			move(path, moved_files[i]);
	}
	move_global_in(from);
	fsync_fname(from, true);
	fsync_fname(".", true);
}

bool
fo_node_data_is_out(void)
{
	return exists(FO_NODE_DATA_DIR "/" MAP_FILE);
}

static void
remove_directory(void *path)
{
	(void) rmtree(path, true);
}

/* In a child: it may take long. */
void
fo_node_data_drop(const char *path)
{
	StringInfoData output;

	if (!exists(path))
		return;
	initStringInfo(&output);
	(void) fo_node_run(remove_directory, unconstify(char *, path), 0, &output);
	if (exists(path))
		ereport(LOG,
				(errmsg("failover: could not remove directory \"%s\"", path),
				 errdetail("%s", output.data)));
	pfree(output.data);
}
