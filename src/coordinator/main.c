/*-------------------------------------------------------------------------
 *
 * main.c
 *		The coordinator worker: one process, one event loop, nothing in it
 *		blocks.
 *
 * A turn of the loop:
 *
 *		load		the configuration, if a transaction changed it
 *		serve		requests of SQL functions
 *		dispatch	sockets and timers: observation comes in
 *		judge		groups with new evidence; operations begin
 *		flush		what happened, in one transaction
 *		publish		to shared memory; answer who waits
 *		wait		for latch, postmaster death, sockets or the next deadline
 *
 * Each turn runs inside an error barrier: an ERROR aborts the transaction, is
 * logged, and costs the turn, not the process.  Intervals are measured on a
 * monotonic clock.  When the wall clock jumps against it, or the process
 * itself was stopped for longer than it meant to sleep, what was observed
 * before proves nothing: for a moment the worker observes only (Redis Sentinel
 * calls this TILT).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>
#include <setjmp.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "coordinator/alive.h"
#include "coordinator/executor.h"
#include "coordinator/publish.h"
#include "coordinator/record.h"
#include "coordinator/requests.h"
#include "coordinator/survey.h"
#include "coordinator/takeover.h"
#include "coordinator/world.h"
#include "guc.h"
#include "shared/shared.h"

/* How often to see whether the extension is still there, and to expire old rows. */
#define HOUSEKEEPING_US FO_MS(5000)
#define EXPIRE_US FO_MS(3600 * 1000)
#define EXPIRE_AGAIN_US FO_MS(60 * 1000)
#define EXPIRE_BATCH 1000

/* A configuration that could not be loaded is tried again after this long. */
#define LOAD_AGAIN_US FO_MS(1000)

/* The wall clock may drift this far from the monotonic one between two turns. */
#define CLOCK_JUMP_US FO_MS(2000)

/* A turn that took this much longer than planned: we were not running. */
#define STOPPED_US FO_MS(3000)

/* A turn that failed is followed by a rest. */
#define ERROR_REST_MS 1000L

PGDLLEXPORT void failover_coordinator_main(Datum arg);

static FoWorld *world = NULL;
static MemoryContext turn_cxt = NULL;
static WaitEventSet *wait_set = NULL;
static FoTime housekeeping_at = 0;
static FoTime expire_at = 0;
static FoTime load_at = 0;		/* a load that failed is not tried again before */
static FoTime woke_at = 0;		/* begin of the running turn */
static FoTime planned_wake_at = 0;	/* when the last wait was to end at the latest */
static TimestampTz wall_at = 0; /* wall clock at woke_at */

/* Nobody may set our latch, or take the published state for true, after we are gone. */
static void
coordinator_exit(int code, Datum arg)
{
	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	fo_shared->worker_pid = 0;
	fo_shared->worker_latch = NULL;
	if (fo_shared->worker_state == FO_WORKER_RUNNING)
		fo_shared->worker_state = FO_WORKER_DOWN;
	LWLockRelease(fo_shared->lock);
	fo_coordinator_unpublish();
}

static void
enter_shared_memory(void)
{
	before_shmem_exit(coordinator_exit, (Datum) 0);
	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	fo_shared->worker_pid = MyProcPid;
	fo_shared->worker_latch = MyLatch;
	pg_atomic_write_u64(&fo_shared->turned_at, (uint64) fo_net_now());
	fo_shared->worker_state = FO_WORKER_RUNNING;
	LWLockRelease(fo_shared->lock);
	fo_shared_request_retake();
}

/* The extension is not (or no longer) here: leave the database alone until the launcher hears of it. */
static void
end_without_extension(void)
{
	ereport(LOG,
			(errmsg("failover coordinator ends: extension \"failover\" is not installed in database \"%s\"",
					fo_guc_database),
			 errhint("Run CREATE EXTENSION failover there; the coordinator starts by itself.")));
	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	fo_shared->worker_state = FO_WORKER_NO_EXTENSION;
	LWLockRelease(fo_shared->lock);
	proc_exit(0);
}

/* ---- clocks ---- */

/* Distrust what was observed before a jump of the wall clock or a stop of this process. */
static void
watch_clocks(void)
{
	FoTime		now = fo_net_now();
	TimestampTz wall = GetCurrentTimestamp();
	int64		drift_us = woke_at == 0 ? 0 : (wall - wall_at) - (now - woke_at);
	bool		is_jumped = drift_us > CLOCK_JUMP_US || drift_us < -CLOCK_JUMP_US;
	bool		is_stopped = planned_wake_at != 0 && now - planned_wake_at > STOPPED_US;

	woke_at = now;
	wall_at = wall;
	if (!is_jumped && !is_stopped)
		return;

	ereport(WARNING,
			(errmsg(is_jumped ? "failover coordinator: the clock jumped by %.1f s; observing only for a moment" :
					"failover coordinator was not running for %.1f s; observing only for a moment",
					(is_jumped ? drift_us : now - planned_wake_at) / 1000000.0)));
	for (int i = 0; i < world->groups_n; i++)
	{
		const FoSettings *settings = &world->groups[i]->cfg.settings;
		FoTime		until = now + FO_MS(2 * settings->check_interval + settings->check_timeout);

		world->clock_jump_until = Max(world->clock_jump_until, until);
		fo_coordinator_group_changed(world->groups[i]);
	}
}

/* ---- the turn ---- */

/*
 * Its group is gone.  Left in progress it would bar the operations of a group
 * that is given the same name, or be taken up there.
 */
static void
close_operation(FoOperationRow *row)
{
	row->status = FO_OPERATION_CANCELLED;
	row->finished_at = GetCurrentTimestamp();
	strlcpy(row->error, "its group was dropped", sizeof(row->error));
	fo_catalog_write_operation(row);
}

static void
load_operations(void)
{
	int			n;
	FoOperationRecord *records;

	fo_catalog_close_steps();
	records = fo_catalog_load_operations(turn_cxt, &n);
	for (int i = 0; i < n; i++)
	{
		FoGroup    *group = fo_coordinator_find_group(world, records[i].operation.group_name);

		if (group != NULL && group->run == NULL)
			fo_coordinator_run_resume(group, &records[i]);
		else if (group == NULL)
			close_operation(&records[i].operation);
	}
}

/* The extension may be gone, which ends us; an ERROR passes through. */
static void
load(uint64 generation)
{
	bool		is_first = !world->is_loaded;

	if (!fo_catalog_begin("loading the configuration"))
		end_without_extension();
	if (is_first)
		fo_coordinator_identify(world);
	fo_coordinator_world_load(world, generation);
	if (is_first)
		load_operations();
	fo_catalog_end();
}

/*
 * Load the configuration if it changed.  True if the layout of what is
 * published changes.  While it cannot be loaded (somebody keeps a table
 * locked), what was loaded before goes on being watched.
 */
static bool
load_configuration(void)
{
	uint64		generation = pg_atomic_read_u64(&fo_shared->config_generation);
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool is_loaded = false;

	if (!world->is_loaded)
	{
		load(generation);
		return true;
	}
	if ((generation == world->loaded_generation && !fo_coordinator_is_orphan_idle(world)) ||
		fo_net_now() < load_at)
		return false;

	fo_catalog_worker_hurry(true);
	PG_TRY();
	{
		load(generation);
		is_loaded = true;
	}
	PG_CATCH();
	{
		(void) fo_coordinator_give_up_transaction(cxt);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	fo_catalog_worker_hurry(false);
	load_at = is_loaded ? 0 : fo_net_now() + LOAD_AGAIN_US;
	return is_loaded;
}

/* Old rows go, a batch at a time, those of groups that are gone too; the rest with later turns. */
static void
expire_rows(FoTime now)
{
	FoSettings	defaults;
	TimestampTz now_wall = GetCurrentTimestamp();
	bool		is_more;

	if (now < expire_at)
		return;
	expire_at = now + EXPIRE_AGAIN_US;	/* if it fails */
	if (!fo_catalog_begin("expiring old rows"))
		end_without_extension();
	fo_core_settings_init(&defaults);
	is_more = fo_catalog_expire(NULL, now_wall - defaults.event_retention * 1000, EXPIRE_BATCH) == EXPIRE_BATCH;
	for (int i = 0; i < world->groups_n; i++)
	{
		const FoGroupConfig *cfg = &world->groups[i]->cfg;

		if (fo_catalog_expire(cfg->name, now_wall - cfg->settings.event_retention * 1000,
							  EXPIRE_BATCH) == EXPIRE_BATCH)
			is_more = true;
	}
	fo_catalog_end();
	expire_at = now + (is_more ? FO_MS(1000) : EXPIRE_US);
}

static void
housekeeping(void)
{
	FoTime		now = fo_net_now();

	fo_coordinator_alive_touch(GetCurrentTimestamp());
	if (now < housekeeping_at)
		return;
	housekeeping_at = now + HOUSEKEEPING_US;
	fo_coordinator_touch_all(world);
	if (!fo_catalog_begin("looking for the extension"))
		end_without_extension();
	fo_catalog_end();
	expire_rows(now);
	fo_coordinator_watch_copies(world);
}

static void
report_activity(void)
{
	char		activity[128];
	int			runs_n = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &world->touched)
		runs_n += dlist_container(FoGroup, touched_node, iter.cur)->run != NULL;
	snprintf(activity, sizeof(activity), "watching %d peers in %d groups, %d operations in progress",
			 world->peers_n, world->groups_n, runs_n);
	pgstat_report_activity(runs_n > 0 ? STATE_RUNNING : STATE_IDLE, activity);
}

static void
turn(void)
{
	bool		is_layout_changed;

	watch_clocks();
	pg_atomic_fetch_add_u64(&fo_shared->turns_total, 1);
	pg_atomic_write_u64(&fo_shared->turned_at, (uint64) fo_net_now());
	is_layout_changed = load_configuration();
	is_layout_changed |= fo_coordinator_serve_requests(world, load_configuration);
	fo_net_loop_dispatch(world->loop);
	fo_coordinator_judge_all(world);
	(void) fo_coordinator_flush(world, false);
	if (fo_coordinator_is_extension_gone())
		end_without_extension();
	fo_coordinator_begin_anew(world);
	fo_coordinator_publish(world, is_layout_changed);
	fo_coordinator_answer_checks(world);
	fo_coordinator_answer_surveys(world);
	fo_coordinator_settle(world);
	housekeeping();
	report_activity();
}

/* ---- waiting ---- */

static long
wait_timeout_ms(void)
{
	FoTime		now = fo_net_now();
	FoTime		flush_due = fo_coordinator_flush_due();
	long		timeout_ms = fo_net_loop_timeout_ms(world->loop);
	long		others_ms = Max((housekeeping_at - now) / 1000, 0);

	if (flush_due != 0)
		others_ms = Min(others_ms, Max((flush_due - now) / 1000, 0));
	if (timeout_ms < 0 || others_ms < timeout_ms)
		timeout_ms = others_ms;
	return Min(timeout_ms, 1000);
}

static void
wait_for_work(long timeout_ms)
{
	WaitEvent	events[3];

	planned_wake_at = fo_net_now() + FO_MS(timeout_ms);
	(void) WaitEventSetWait(wait_set, timeout_ms, events, lengthof(events), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ShutdownRequestPending)
		proc_exit(0);
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* After an ERROR: clean up as PostgresMain does, log it, rest. */
static void
recover_from_error(void)
{
	error_context_stack = NULL;
	HOLD_INTERRUPTS();
	EmitErrorReport();
	AbortCurrentTransaction();
	LWLockReleaseAll();
	MemoryContextSwitchTo(turn_cxt);
	FlushErrorState();
	MemoryContextReset(turn_cxt);
	RESUME_INTERRUPTS();
	(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ERROR_REST_MS, PG_WAIT_EXTENSION);
}

static void
set_up(void)
{
	TimestampTz alive_at;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(fo_guc_database, NULL, 0);
	fo_catalog_worker_init();
	enter_shared_memory();

	turn_cxt = AllocSetContextCreate(TopMemoryContext, "failover turn", ALLOCSET_DEFAULT_SIZES);
	world = fo_coordinator_world_create();
	alive_at = fo_coordinator_alive_read();
	world->away_us = alive_at == 0 ? -1 : Max(GetCurrentTimestamp() - alive_at, 0);

	wait_set = fo_compat_create_wait_event_set(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, fo_net_loop_fd(world->loop), NULL, NULL);
	ereport(LOG, (errmsg("failover coordinator started in database \"%s\"", fo_guc_database)));
}

void
failover_coordinator_main(Datum arg)
{
	sigjmp_buf	local_sigjmp_buf;

	set_up();
	if (sigsetjmp(local_sigjmp_buf, 1) != 0)
		recover_from_error();
	PG_exception_stack = &local_sigjmp_buf;

	for (;;)
	{
		MemoryContextSwitchTo(turn_cxt);
		MemoryContextReset(turn_cxt);
		turn();
		wait_for_work(wait_timeout_ms());
	}
}
