/*-------------------------------------------------------------------------
 *
 * rejoin.c
 *		Turns this server into a standby of the new primary, at start.
 *
 * Runs in the postmaster, in _PG_init: the lock file is held and the control
 * file was read, recovery has not begun.  Each phase of the request is durable
 * before the work of it begins, and each work may be repeated, so a kill at
 * any moment is answered by doing at the next start what the state file says.
 *
 *	 REQUESTED	 stopped cleanly?	no: start, recover, fenced; the worker asks again
 *				 planned?			configure as standby (if its end has not done that already)
 *				 compare histories	same: configure as standby
 *									diverged: rewind
 *									timelines of one number: clone
 *									WAL since then is gone at the source: clone
 *	 REWINDING	 move the data aside, pg_rewind them; before it changes anything
 *				 it is held up, until the WAL is kept from which it can be repeated
 *	 CLONING	 where rewinding is impossible and a copy is allowed: pg_basebackup
 *	 DISPLACING	 the copy is complete: move the old data aside
 *	 RETURNING	 move the rewound data, or the copy, into place, configure as standby
 *	 FOLLOWING	 the re-executed server begins as a standby
 *
 * What was decided is only in effect for a process that reads configuration
 * and control file afresh, therefore the postmaster executes itself again at
 * the end of it (restart.c).
 *
 * A crashed server cannot be rewound here: pg_rewind would run a server of its
 * own for the recovery and meet our lock file.  It recovers in the ordinary
 * way, without a lease, and is asked again.
 *
 * A copy is made where a rewind cannot succeed, or at the last attempt.
 *
 * As long as nothing was modified, a failure lets the server start as it is,
 * fenced, where SQL can tell why.  After that it cannot start before the work
 * is finished: it tries again after pauses, then ends with the reason in the
 * log, and the next start goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/xlog.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "guc.h"
#include "core/text.h"
#include "node/rejoin.h"

/* For the promotion of the new primary, which takes a fraction of that. */
#define PROMOTION_MS 1000

/* Where a rewind cannot help; appended to the reason. */
#define CLONE_HINT "; set failover.allow_clone = on there, or replace its data by a base backup"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

/* The state on disk; what it says is done next, even if this process is killed now. */
static void
enter(FoNodeState *state, FoRejoinPhase phase)
{
	state->rejoin.phase = phase;
	fo_node_state_write(state, FATAL);
}

/* Let the server start as it is.  What is not consistent is a standby already: its worker watches over it (arrival.c). */
static void
await_next(FoNodeState *state, FoRejoinPhase phase)
{
	state->rejoin.is_unseen = state->rejoin.is_inconsistent;
	enter(state, state->rejoin.is_inconsistent ? FO_REJOIN_NONE : phase);
}

static void
begin_attempt(FoNodeState *state)
{
	state->rejoin.attempts++;
	state->rejoin.attempted_at = GetCurrentTimestamp();
	enter(state, state->rejoin.phase);
}

static ControlFileData *
read_control_file(const char *directory)
{
	bool		is_intact;
	ControlFileData *control = get_controlfile(directory, &is_intact);

	if (!is_intact)
		ereport(FATAL,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the control file of this server is damaged")));
	return control;
}

static bool
is_shut_down(const ControlFileData *control)
{
	return control->state == DB_SHUTDOWNED || control->state == DB_SHUTDOWNED_IN_RECOVERY;
}

/* Changes with each start of the operating system; '' where it cannot be had. */
static void
read_boot_id(char *to, size_t size)
{
	int			fd = open(BOOT_ID_PATH, O_RDONLY);
	ssize_t		length;

	memset(to, 0, size);
	if (fd < 0)
		return;
	length = read(fd, to, size - 1);
	close(fd);
	to[Max(length, 0)] = '\0';
}

/* ---- outcomes ---- */

/* It did not work, and nothing was touched: let the server start as it is. */
static void
give_up(FoNodeState *state, bool is_final)
{
	ereport(LOG,
			(errmsg("failover: could not become a standby, starting without the lease"),
			 errdetail("%s", state->rejoin.report)));
	state->rejoin.attempted_at = GetCurrentTimestamp();	/* the pause begins now */
	await_next(state, is_final ? FO_REJOIN_FAILED : FO_REJOIN_REQUESTED);
}

/* It did not work, and the data are of no use as they are: pause before the next attempt, or end if there were enough. */
static void
pause_or_end(FoNodeState *state)
{
	FoRejoin   *rejoin = &state->rejoin;
	int			begun = rejoin->attempts;

	if (begun >= rejoin->max_attempts)
	{
		rejoin->attempts = 0;	/* the next start has as many again */
		enter(state, rejoin->phase);
		ereport(FATAL,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot start: this server was being made a standby, and that could not be completed"),
				 errdetail("%s", rejoin->report),
				 errhint("Remove the cause and start the server again, or set failover.allow_clone = on, or replace its data directory by a new base backup.")));
	}
	ereport(LOG,
			(errmsg("failover: could not become a standby yet, attempt %d of %d", begun, rejoin->max_attempts),
			 errdetail("%s", rejoin->report)));
	fo_node_pause((int64) rejoin->backoff_ms << Min(Max(begun - 1, 0), 6));
	begin_attempt(state);
}

/* The data are in place and complete.  False with a report if that could not be written down. */
static bool
configure(FoNodeState *state)
{
	FoRejoin   *rejoin = &state->rejoin;

	if (!fo_node_configure_standby(rejoin->conninfo, rejoin->slot, rejoin->report, sizeof(rejoin->report)))
		return false;
	rejoin->is_touched = rejoin->is_modified = false;
	rejoin->phase = FO_REJOIN_FOLLOWING;
	return true;
}

/* What starts next is a standby.  Does not return. */
static void
start_configured(FoNodeState *state)
{
	fo_node_state_write(state, FATAL);
	fo_node_reexecute();
}

/* Nothing is to be done to the data: just follow.  Returns if the server is to start as it is. */
static void
follow(FoNodeState *state)
{
	if (configure(state))
		start_configured(state);
	give_up(state, false);
}

/* The re-executed server: it begins recovery as a standby. */
static void
finish(FoNodeState *state)
{
	fo_node_keep_drop();
	fo_node_data_drop(FO_NODE_DATA_DIR);
	fo_node_data_drop(FO_NODE_CLONE_DIR);
	state->rejoin.finished_at = GetCurrentTimestamp();
	await_next(state, FO_REJOIN_NONE);
	ereport(LOG,
			(errmsg("failover: starting as a standby, %lld ms after the request",
					(long long) ((state->rejoin.finished_at - state->rejoin.requested_at) / 1000)),
			 errdetail("%s", state->rejoin.report)));
}

/* RETURNING.  What this server was is gone, so it cannot start before it is configured.  Does not return. */
static void
return_data(FoNodeState *state)
{
	FoRejoin   *rejoin = &state->rejoin;
	char		done[FO_NODE_REPORT_LEN];
	const char *slots;

	fo_node_data_move_in(rejoin->is_cloned ? FO_NODE_CLONE_DIR : FO_NODE_DATA_DIR);
	slots = fo_node_slots_drop_logical();
	fo_core_mend_cut(done, sizeof(done),
					 snprintf(done, sizeof(done), "%s%s%s", rejoin->report,
							  slots != NULL ? "; dropped its logical slots: " : "", slots != NULL ? slots : ""));
	while (!configure(state))
		pause_or_end(state);
	strlcpy(rejoin->report, done, sizeof(rejoin->report));
	start_configured(state);
}

/* ---- copying the source ---- */

/* DISPLACING */
static void
displace_data(FoNodeState *state)
{
	fo_node_data_move_out();
	enter(state, FO_REJOIN_RETURNING);
	return_data(state);
}

/*
 * Replace the data by a copy of the source.  Returns, with the phase as it was,
 * if that is not allowed, not possible or did not work.
 */
static void
try_clone(FoNodeState *state)
{
	FoRejoin   *rejoin = &state->rejoin;
	FoRejoinPhase fallback = rejoin->is_touched ? FO_REJOIN_REWINDING : FO_REJOIN_REQUESTED;
	FoTime		begin = fo_node_clock();
	size_t		room = sizeof(rejoin->report) - sizeof(CLONE_HINT) + 1;
	int			length = (int) strlen(rejoin->report);
	const char *source;

	if (!fo_guc_allow_clone)
	{
		/* What to do must not be cut off. */
		rejoin->report[room - 1] = '\0';
		fo_core_mend_cut(rejoin->report, room, length);
		strlcat(rejoin->report, CLONE_HINT, sizeof(rejoin->report));
		return;
	}
	source = fo_node_find_upstream(rejoin);
	if (source == NULL)
		source = rejoin->conninfo;
	if (!fo_node_clone_is_possible(source, rejoin->report, sizeof(rejoin->report)))
		return;
	ereport(LOG,
			(errmsg("failover: copying the new primary"),
			 errdetail("%s", rejoin->report)));
	enter(state, FO_REJOIN_CLONING);
	if (!fo_node_clone_fetch(source, rejoin->slot, rejoin->report, sizeof(rejoin->report)))
	{
		enter(state, fallback);
		return;
	}
	rejoin->rewind_ms = (fo_node_clock() - begin) / 1000;
	snprintf(rejoin->report, sizeof(rejoin->report), "copied the new primary in %lld ms", (long long) rejoin->rewind_ms);
	fo_node_follow_other(rejoin, source);
	rejoin->is_touched = true;
	rejoin->is_cloned = true;
	rejoin->is_inconsistent = false;	/* it brings the WAL that it needs */
	enter(state, FO_REJOIN_DISPLACING);
	displace_data(state);
}

/* ---- rewinding ---- */

/* The data are those of the new primary. Does not return. */
static void
end_rewind(FoNodeState *state)
{
	state->rejoin.is_inconsistent = true;
	enter(state, FO_REJOIN_RETURNING);
	return_data(state);
}

/* Nothing was changed: the data go back, and the server starts as it is. */
static void
undo_rewind(FoNodeState *state, bool is_clone_wanted)
{
	enter(state, FO_REJOIN_REWINDING);	/* who is killed meanwhile need not complete what was not begun */
	fo_node_data_move_in(FO_NODE_DATA_DIR);
	state->rejoin.is_touched = false;
	if (is_clone_wanted)
		try_clone(state);
	give_up(state, false);
	fo_node_keep_drop();
	fo_node_data_drop(FO_NODE_DATA_DIR);
}

/* REWINDING: the rewind itself, as often as the request allows.  Returns as undo_rewind() does. */
static void
rewind_data(FoNodeState *state)
{
	FoRejoin   *rejoin = &state->rejoin;
	char		reason[FO_NODE_REPORT_LEN];

	strlcpy(reason, rejoin->report, sizeof(reason));
	for (;;)
	{
		FoTime		begin = fo_node_clock();
		StringInfoData output;
		bool		is_clone_wanted;
		bool		is_done = fo_node_rewind(state, &output);

		rejoin->rewind_ms = (fo_node_clock() - begin) / 1000;
		if (is_done)
			break;
		if (rejoin->is_modified && !is_shut_down(read_control_file(FO_NODE_DATA_DIR)))
		{
			fo_node_rewind_sync();	/* it was complete, but for its way to the disk */
			break;
		}
		rejoin->rewind_ms = -1;
		fo_core_mend_cut(rejoin->report, sizeof(rejoin->report),
						 snprintf(rejoin->report, sizeof(rejoin->report), "%s; %s", fo_node_problem(output.data), reason));
		/* What may pass is no reason to throw the data away while attempts are left. */
		is_clone_wanted = fo_node_rewind_is_hopeless(output.data) || rejoin->attempts >= rejoin->max_attempts;
		if (!rejoin->is_modified)
		{
			undo_rewind(state, is_clone_wanted);
			return;
		}
		if (is_clone_wanted)
			try_clone(state);
		pause_or_end(state);
		fo_node_keep_restore();
	}
	fo_core_mend_cut(rejoin->report, sizeof(rejoin->report),
					 snprintf(rejoin->report, sizeof(rejoin->report), "rewound in %lld ms: %s",
							  (long long) rejoin->rewind_ms, reason));
	end_rewind(state);
}

/* Histories have diverged: rewind.  Returns as rewind_data() does. */
static void
begin_rewind(FoNodeState *state)
{
	if (!fo_node_data_can_move_out())
	{
		strlcpy(state->rejoin.report, "\"global\" is a mount point or lies elsewhere: this server cannot be rewound",
				sizeof(state->rejoin.report));
		give_up(state, true);
		return;
	}
	/* WAL that an earlier attempt has kept is older than what was written since. */
	fo_node_keep_drop();
	read_boot_id(state->rejoin.boot_id, sizeof(state->rejoin.boot_id));
	state->rejoin.is_touched = true;
	state->rejoin.is_modified = false;
	enter(state, FO_REJOIN_REWINDING);
	fo_node_data_move_out();
	rewind_data(state);
}

/* The server was killed in REWINDING.  Returns as rewind_data() does. */
static void
resume_rewind(FoNodeState *state)
{
	FoRejoin   *rejoin = &state->rejoin;
	char		boot_id[sizeof(rejoin->boot_id)];

	fo_node_data_move_out();
	begin_attempt(state);
	if (is_shut_down(read_control_file(FO_NODE_DATA_DIR)))
	{
		if (rejoin->is_modified)
			fo_node_keep_restore();
		rewind_data(state);
		return;
	}

	/* The control file is what pg_rewind writes last, but before it makes everything durable. */
	read_boot_id(boot_id, sizeof(boot_id));
	while (boot_id[0] == '\0' || strcmp(boot_id, rejoin->boot_id) != 0)
	{
		strlcpy(rejoin->report, "the host went down before the rewind had reached its disk", sizeof(rejoin->report));
		try_clone(state);
		pause_or_end(state);
	}
	fo_node_rewind_sync();
	end_rewind(state);
}

/* The server was killed in CLONING. Returns if it is to start as it is. */
static void
resume_clone(FoNodeState *state)
{
	begin_attempt(state);
	strlcpy(state->rejoin.report, "interrupted while copying the new primary", sizeof(state->rejoin.report));
	try_clone(state);
	if (state->rejoin.is_touched)
		resume_rewind(state);
	else
		give_up(state, false);
}

/* ---- a new request ---- */

static void
begin_rejoin(FoNodeState *state)
{
	FoRejoin   *rejoin = &state->rejoin;
	ControlFileData *control = read_control_file(DataDir);

	if (!is_shut_down(control) && rejoin->phase != FO_REJOIN_NONE)
	{
		/* Recovery will add WAL that the new primary has not received: nothing is planned any more. */
		rejoin->kind = FO_REJOIN_KIND_REJOIN;
		strlcpy(rejoin->report, "this server had not been shut down cleanly and has to recover first", sizeof(rejoin->report));
		/* A stop of ours that does not end is not to be repeated for ever. */
		if (rejoin->phase == FO_REJOIN_STOPPING)
			begin_attempt(state);
		await_next(state, FO_REJOIN_REQUESTED);
		return;
	}
	if (rejoin->attempts >= rejoin->max_attempts && !rejoin->is_inconsistent)
	{
		enter(state, FO_REJOIN_REQUESTED);
		return;					/* the worker gives up */
	}

	begin_attempt(state);
	if (rejoin->is_inconsistent && !fo_node_turn_to_primary(rejoin))
	{
		give_up(state, false);
		return;
	}
	if (rejoin->kind == FO_REJOIN_KIND_DEMOTE)
	{
		strlcpy(rejoin->report, "demoted", sizeof(rejoin->report));
		follow(state);
		return;
	}
	switch (fo_node_compare_source(rejoin, control))
	{
		case FO_SOURCE_SAME:
			if (rejoin->is_inconsistent && rejoin->attempts > rejoin->max_attempts)
			{
				strlcat(rejoin->report, ", but what recovery needs does not come from it", sizeof(rejoin->report));
				try_clone(state);
			}
			follow(state);
			break;
		case FO_SOURCE_DIVERGED:
			begin_rewind(state);
			break;
		case FO_SOURCE_TWIN:
		case FO_SOURCE_WAL_GONE:
			try_clone(state);
			give_up(state, true);
			break;
		case FO_SOURCE_UNREACHABLE:
			give_up(state, false);
			break;
		case FO_SOURCE_FOREIGN:
			give_up(state, true);
			break;
	}
}

/*
 * Rewound, not consistent yet, and started again.  If it ended before it had
 * replayed anything it would end so again: look whom it can follow instead.
 */
static void
resume_arrival(FoNodeState *state)
{
	if (state->rejoin.is_unseen)
		begin_rejoin(state);
	else
		await_next(state, FO_REJOIN_NONE);
}

void
fo_node_rejoin_at_exit(FoNodeState *state)
{
	FoRejoin   *rejoin = &state->rejoin;

	if (rejoin->kind != FO_REJOIN_KIND_DEMOTE || !is_shut_down(read_control_file(DataDir)))
		return;

	/*
	 * Clients wait for the new primary, and where it shares a disk with this
	 * server every flush here would hold up its promotion.  Before that there
	 * is nothing to receive anyway.
	 */
	fo_node_await_primary(rejoin->conninfo, PROMOTION_MS);
	if (!configure(state))
	{
		ereport(LOG,
				(errmsg("failover: could not become a standby at the end of the shutdown, the start tries again"),
				 errdetail("%s", rejoin->report)));
		return;
	}
	rejoin->attempts++;
	rejoin->attempted_at = GetCurrentTimestamp();
	strlcpy(rejoin->report, "demoted", sizeof(rejoin->report));
	/* An error would end the process instead of restarting it. */
	fo_node_state_write(state, LOG);
}

void
fo_node_rejoin_at_start(FoNodeState *state)
{
	switch (state->rejoin.phase)
	{
		case FO_REJOIN_NONE:
			if (state->rejoin.is_inconsistent)
				resume_arrival(state);
			break;
		case FO_REJOIN_FAILED:
			break;
		case FO_REJOIN_REQUESTED:
		case FO_REJOIN_STOPPING:
			begin_rejoin(state);
			break;
		case FO_REJOIN_REWINDING:
			resume_rewind(state);
			break;
		case FO_REJOIN_CLONING:
			resume_clone(state);
			break;
		case FO_REJOIN_DISPLACING:
			displace_data(state);
			break;
		case FO_REJOIN_RETURNING:
			return_data(state);
			break;
		case FO_REJOIN_FOLLOWING:
			finish(state);
			break;
	}
}
