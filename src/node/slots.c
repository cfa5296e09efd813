/*-------------------------------------------------------------------------
 *
 * slots.c
 *		Logical replication slots that this server's former data leave behind.
 *
 * What a slot has sent, and where it goes on, are positions in the history that
 * a rewound or copied server gives up.  In the one that it takes over they mean
 * something else: a slot that was read beyond the fork would, once this server is
 * the primary again, begin behind what was written there, and its subscriber
 * miss that without an error.  pg_rewind and pg_basebackup leave no slot in their
 * target for this reason; but slots lie in pg_replslot, which they do not see
 * (data.c).  Physical slots stay: their readers know themselves where they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "replication/slot.h"
#include "storage/fd.h"

#include "node/rejoin.h"

#define SLOTS_DIR "pg_replslot"
#define BEING_DROPPED ".tmp"	/* PostgreSQL removes such a directory when it starts */

/* The first part of a slot's file, as slot.c of PostgreSQL writes it. */
#define SLOT_FILE_MAGIC 0x1051CA1

typedef struct SlotFile
{
	uint32		magic;
	uint32		checksum;
	uint32		version;
	uint32		length;
	NameData	name;
	Oid			database;		/* of a logical slot; those of a physical one have none */
} SlotFile;

static bool
is_logical(const char *slot)
{
	SlotFile	file = {0};
	int			fd = OpenTransientFile(psprintf(SLOTS_DIR "/%s/state", slot), O_RDONLY | PG_BINARY);
	bool		is_read;

	if (fd < 0)
		return false;
	is_read = read(fd, &file, sizeof(file)) == sizeof(file);
	CloseTransientFile(fd);
	return is_read && file.magic == SLOT_FILE_MAGIC && OidIsValid(file.database);
}

/* Names of the logical slots, palloc'd. */
static List *
find_logical(void)
{
	List	   *slots = NIL;
	DIR		   *directory = AllocateDir(SLOTS_DIR);
	struct dirent *entry;

	while ((entry = ReadDirExtended(directory, SLOTS_DIR, FATAL)) != NULL)
	{
		/* No dot is allowed in the name of a slot. */
		if (strchr(entry->d_name, '.') == NULL && is_logical(entry->d_name))
			slots = lappend(slots, pstrdup(entry->d_name));
	}
	FreeDir(directory);
	return slots;
}

/* Gone once its name is: what is left of it PostgreSQL removes, if it is not removed here. */
static void
drop(const char *slot)
{
	char	   *path = psprintf(SLOTS_DIR "/%s", slot);
	char	   *dropped = psprintf("%s" BEING_DROPPED, path);

	fo_node_data_drop(dropped); /* of an earlier attempt, which was killed */
	if (rename(path, dropped) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not rename \"%s\" to \"%s\": %m", path, dropped)));
	fsync_fname(SLOTS_DIR, true);
	fo_node_data_drop(dropped);
}

const char *
fo_node_slots_drop_logical(void)
{
	List	   *slots = find_logical();
	StringInfoData names;
	ListCell   *cell;

	if (slots == NIL)
		return NULL;
	initStringInfo(&names);
	foreach(cell, slots)
	{
		const char *slot = lfirst(cell);

		drop(slot);
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", slot);
	}
	ereport(LOG,
			(errmsg("failover: dropped the logical replication slots of this server: %s", names.data),
			 errdetail("Their positions were in the history that it has given up.")));
	return names.data;
}
