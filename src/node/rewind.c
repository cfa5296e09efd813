/*-------------------------------------------------------------------------
 *
 * rewind.c
 *		One run of pg_rewind on the data that were moved aside.
 *
 * pg_rewind asks postgres for the target's restore_command, and would not find
 * it: the target holds data only, and neither what ALTER SYSTEM has set nor what
 * a configuration file elsewhere says.  So the command that this server has
 * read is written to a file of its own for it.  The file lies in the target and
 * goes away with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "access/xlogrecovery.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"

#include "node/rejoin.h"

#define REWIND_CONF FO_NODE_DATA_DIR "/failover_rewind.conf"

/* What pg_rewind says when it knows where to begin, and when it is about to change files. */
#define REWIND_BEGINS "rewinding from last common checkpoint at "
#define REWIND_MODIFIES "need to copy "

/*
 * Failures that no repetition cures: WAL that is gone, pages that no hint bits
 * were logged for, histories without a common part, a standby that was killed
 * and cannot recover.
 */
static const char *const hopeless[] = {
	"could not find previous WAL record",
	"could not read WAL record",
	"needs to use either data checksums",
	"could not find common ancestor",
	"must be shut down cleanly",
	NULL
};

/* A command that failed may succeed later. */
#define FAILED_COMMAND "from archive"

/* One run of pg_rewind. */
typedef struct RewindRun
{
	FoNodeState *state;
	bool		is_changing;	/* it has said that it changes files now */
	const char *problem;		/* why it was not allowed to go on; NULL = it was */
} RewindRun;

bool
fo_node_rewind_is_hopeless(const char *output)
{
	if (strstr(output, FAILED_COMMAND) != NULL)
		return false;
	for (int i = 0; hopeless[i] != NULL; i++)
	{
		if (strstr(output, hopeless[i]) != NULL)
			return true;
	}
	return false;
}

/* The WAL without which a rewind from that position cannot be repeated.  NULL, or why it is not kept. */
static char *
keep_wal(uint64 begin)
{
	bool		is_intact;
	ControlFileData *control = get_controlfile(FO_NODE_DATA_DIR, &is_intact);
	char	   *problem = fo_node_keep_wal(begin, Max(control->checkPoint, control->minRecoveryPoint), control->xlog_seg_size);

	pfree(control);
	return problem;
}

/*
 * Watches pg_rewind.  Held up as soon as it has said where it begins, which is
 * before it changes anything, it waits until we are prepared for its being
 * interrupted.  If we cannot be it ends there: a disk that is full now fills up
 * under it as well, and data that are half rewound could not be completed.
 */
static void
watch_rewind(pid_t child, const char *output, void *argument)
{
	RewindRun  *run = argument;
	FoNodeState *state = run->state;
	const char *begins = strstr(output, REWIND_BEGINS);
	const char *problem;
	uint32		high;
	uint32		low;

	if (strstr(output, REWIND_MODIFIES) != NULL)
		run->is_changing = true;
	if (state->rejoin.is_modified || run->problem != NULL || begins == NULL || strchr(begins, '\n') == NULL)
		return;
	if (sscanf(begins, REWIND_BEGINS "%X/%X", &high, &low) != 2)
		return;

	(void) kill(child, SIGSTOP);
	problem = run->is_changing ? "it was under way before WAL could be kept" : keep_wal(((uint64) high << 32) | low);
	if (problem != NULL && !run->is_changing)
	{
		run->problem = problem;
		(void) kill(child, SIGKILL);
		return;
	}
	if (problem != NULL)
		ereport(LOG, (errmsg("failover: the rewind cannot be repeated if it is interrupted: %s", problem)));
	state->rejoin.is_modified = true;
	fo_node_state_write(state, FATAL);
	(void) kill(child, SIGCONT);
}

/* Is there a restore_command that pg_rewind can be told?  A line break could not be written to the file. */
static bool
has_restore_command(void)
{
	return recoveryRestoreCommand != NULL && recoveryRestoreCommand[0] != '\0' &&
		strpbrk(recoveryRestoreCommand, "\r\n") == NULL;
}

static bool
write_configuration(void)
{
	FILE	   *file = fopen(REWIND_CONF, "w");
	char	   *escaped = escape_single_quotes_ascii(recoveryRestoreCommand);
	bool		is_written = file != NULL && escaped != NULL && fprintf(file, "restore_command = '%s'\n", escaped) > 0;

	if (file != NULL && fclose(file) != 0)
		is_written = false;
	free(escaped);
	return is_written;
}

bool
fo_node_rewind(FoNodeState *state, StringInfo output)
{
	RewindRun	run = {.state = state};
	bool		was_modified = state->rejoin.is_modified;
	const char *source = fo_node_source_conninfo(state->rejoin.conninfo);
	const char *arguments[10];
	int			n = 0;

	arguments[n++] = "--target-pgdata";
	arguments[n++] = psprintf("%s/" FO_NODE_DATA_DIR, DataDir);
	arguments[n++] = "--source-server";
	arguments[n++] = source;
	arguments[n++] = "--no-ensure-shutdown";
	arguments[n++] = "--progress";
	initStringInfo(output);
	if (has_restore_command())
	{
		if (!write_configuration())
		{
			appendStringInfo(output, "could not write file \"%s\": %s", REWIND_CONF, strerror(errno));
			return false;
		}
		arguments[n++] = "--restore-target-wal";
		arguments[n++] = psprintf("--config-file=%s/" REWIND_CONF, DataDir);
	}
	arguments[n] = NULL;
	if (fo_node_run_program("pg_rewind", arguments, source, output, watch_rewind, &run) == 0)
		return true;
	if (run.problem != NULL)
		appendStringInfo(output, "\nerror: %s", run.problem);
	if (!was_modified)
		state->rejoin.is_modified = run.is_changing;	/* or it failed before the first change */
	return false;
}

void
fo_node_rewind_sync(void)
{
	const char *const arguments[] = {
		"--sync-only", "-D", psprintf("%s/" FO_NODE_DATA_DIR, DataDir), NULL
	};
	StringInfoData output;

	initStringInfo(&output);
	if (fo_node_run_program("initdb", arguments, NULL, &output, NULL, NULL) != 0)
		ereport(FATAL,
				(errcode(ERRCODE_IO_ERROR),
				 errmsg("could not make the rewound data durable"),
				 errdetail("%s", fo_node_problem(output.data))));
}
