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
 * All of it may be repeated after an interruption.  The directory "global" is
 * exchanged in one step with a stub that holds the control file, so that there
 * is never none.
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
#include "storage/copydir.h"
#include "storage/fd.h"

#include "node/rejoin.h"

#define CONTROL_FILE "global/pg_control"
#define REAL_GLOBAL_FILE "global/pg_filenode.map"	/* is in the real directory, not in the stub */

/* Directories that move; pg_replslot is this server's own and holds the state file. */
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

/* Can the directory be exchanged for another one?  Not if something is mounted there, of the same file system or another. */
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
	return is_fixed("global", around.st_dev) ? "global" : NULL;
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

/* Exchange two directories in one step, where the file system can. */
static void
exchange(const char *ours, const char *theirs)
{
	char	   *spare = psprintf("%s.spare", theirs);

#ifdef RENAME_EXCHANGE
	if (renameat2(AT_FDCWD, ours, AT_FDCWD, theirs, RENAME_EXCHANGE) == 0)
		return;
#endif
	move(theirs, spare);
	move(ours, theirs);
	move(spare, ours);
}

/* A directory that cannot be renamed, because something is mounted there, is shown to the program by a link. */
static void
move_directory_out(const char *name)
{
	char	   *to = psprintf(FO_NODE_DATA_DIR "/%s", name);

	if (!exists(name) || exists(to))
		return;
	if (rename(name, to) == 0)
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
	if (exists(REAL_GLOBAL_FILE))
	{
		make_directory(FO_NODE_DATA_DIR "/global");
		copy_durably(CONTROL_FILE, FO_NODE_DATA_DIR "/" CONTROL_FILE);
		exchange("global", FO_NODE_DATA_DIR "/global");
	}
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
	if (exists(psprintf("%s/" REAL_GLOBAL_FILE, from)))
		exchange("global", psprintf("%s/global", from));
	fsync_fname(from, true);
	fsync_fname(".", true);
}

bool
fo_node_data_is_out(void)
{
	return exists(FO_NODE_DATA_DIR "/" REAL_GLOBAL_FILE);
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
