/*-------------------------------------------------------------------------
 *
 * shared.c
 *		The shared memory itself: asking for it at server start, laying it out,
 *		and telling the worker when committed configuration has changed.
 *
 * One chunk holds FoShared, then the group slots, then the peer slots.  There
 * can be as many groups as peers: a group without peers has nothing to watch,
 * but must be shown.
 *
 * Waking the worker for a change of configuration happens after the commit, in
 * a transaction callback: a worker that were woken earlier would read the old
 * rows and go back to sleep.  The generation counter is what makes a change
 * certain to be seen; the latch only makes it be seen at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "guc.h"
#include "shared/internal.h"

#define TRANCHE "failover"

FoShared   *fo_shared = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* This transaction has changed configuration. */
static bool is_config_changed = false;

static Size
groups_offset(void)
{
	return MAXALIGN(sizeof(FoShared));
}

static Size
peers_offset(int max_groups)
{
	return MAXALIGN(add_size(groups_offset(), mul_size(max_groups, sizeof(FoGroupSlot))));
}

static Size
shared_size(void)
{
	return add_size(peers_offset(fo_guc_max_peers),
					mul_size(fo_guc_max_peers, sizeof(FoPeerSlot)));
}

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();

	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche(TRANCHE, 1);
}

/* Fresh memory is zeroed by us: it is so after a crash-restart too, when nobody runs and nothing is published. */
static void
initialize(FoShared *shared)
{
	memset(shared, 0, shared_size());
	shared->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	shared->max_groups = fo_guc_max_peers;
	shared->max_peers = fo_guc_max_peers;

	pg_atomic_init_u64(&shared->config_generation, 1);
	pg_atomic_init_u64(&shared->checks_total, 0);
	pg_atomic_init_u64(&shared->check_failures_total, 0);
	pg_atomic_init_u64(&shared->connects_total, 0);
	pg_atomic_init_u64(&shared->knocks_total, 0);
	pg_atomic_init_u64(&shared->operations_total, 0);
	pg_atomic_init_u64(&shared->turns_total, 0);
	pg_atomic_init_u64(&shared->turned_at, 0);

	for (int i = 0; i < FO_REQUESTS_MAX; i++)
		ConditionVariableInit(&shared->requests[i].changed);
}

static void
startup_memory(void)
{
	bool		is_found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	fo_shared = ShmemInitStruct("failover", shared_size(), &is_found);
	if (!is_found)
		initialize(fo_shared);
	LWLockRelease(AddinShmemInitLock);
}

void
fo_shared_install_hooks(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_memory;
}

FoGroupSlot *
fo_shared_groups(void)
{
	return (FoGroupSlot *) ((char *) fo_shared + groups_offset());
}

FoPeerSlot *
fo_shared_peers(void)
{
	return (FoPeerSlot *) ((char *) fo_shared + peers_offset(fo_shared->max_groups));
}

void
fo_shared_require(void)
{
	if (fo_shared)
		return;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this server is not a failover coordinator"),
			 fo_guc_role == FO_ROLE_NODE
			 ? errdetail("Its parameter \"failover.role\" is \"node\": it is a data server.")
			 : errdetail("It has not loaded the library at its start."),
			 fo_guc_role == FO_ROLE_NODE
			 ? errhint("Call this on the coordinator.")
			 : errhint("Add \"failover\" to \"shared_preload_libraries\" and restart the server.")));
}

/* Why no worker runs, as a whole sentence. */
static const char *
worker_absence(FoWorkerState state)
{
	switch (state)
	{
		case FO_WORKER_NO_EXTENSION:
			return psprintf("The extension is not installed in database \"%s\", which \"failover.database\" names.",
							fo_guc_database);
		case FO_WORKER_NO_DATABASE:
			return psprintf("Database \"%s\", which \"failover.database\" names, does not exist.",
							fo_guc_database);
		case FO_WORKER_DOWN:
		case FO_WORKER_RUNNING:
			break;
	}
	if (RecoveryInProgress())
		return "This server is a standby: the coordinator runs on its primary.";
	return "Its worker process is starting or has failed.";
}

static const char *
worker_absence_hint(FoWorkerState state)
{
	switch (state)
	{
		case FO_WORKER_NO_EXTENSION:
			return "Run CREATE EXTENSION failover there, or set \"failover.database\" to the database that has it, and reload.";
		case FO_WORKER_NO_DATABASE:
			return "Set \"failover.database\" to the database that has the extension, and reload.";
		case FO_WORKER_DOWN:
		case FO_WORKER_RUNNING:
			break;
	}
	return "Try again in some seconds; if that does not help, see the server log.";
}

void
fo_shared_require_worker(void)
{
	FoWorkerState state;
	bool		is_running;

	fo_shared_require();

	LWLockAcquire(fo_shared->lock, LW_SHARED);
	state = fo_shared->worker_state;
	is_running = fo_shared->worker_pid != 0 && state == FO_WORKER_RUNNING;
	LWLockRelease(fo_shared->lock);

	if (is_running)
		return;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the failover coordinator is not running"),
			 errdetail("%s", worker_absence(state)),
			 errhint("%s", worker_absence_hint(state))));
}

/* A latch is valid as long as its owner's pid stands beside it; owners clear both under the exclusive lock. */
void
fo_shared_wake(void)
{
	LWLockAcquire(fo_shared->lock, LW_SHARED);
	if (fo_shared->launcher_pid != 0 && fo_shared->launcher_latch)
		SetLatch(fo_shared->launcher_latch);
	if (fo_shared->worker_pid != 0 && fo_shared->worker_latch)
		SetLatch(fo_shared->worker_latch);
	LWLockRelease(fo_shared->lock);
}

/*
 * After a commit this must not fail: it takes one lock and sets two latches.
 * A prepared transaction is committed by a session that knows nothing of what
 * it did, so the change would go unnoticed: refused, as PostgreSQL does with
 * its own session-bound commands.
 */
static void
on_transaction_end(XactEvent event, void *arg)
{
	if (!is_config_changed)
		return;

	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has changed the configuration of failover"),
					 errdetail("The coordinator is told of a change by the session that commits it."),
					 errhint("Use COMMIT.")));
			break;
		case XACT_EVENT_COMMIT:
			is_config_changed = false;
			pg_atomic_fetch_add_u64(&fo_shared->config_generation, 1);
			fo_shared_wake();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			is_config_changed = false;
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			break;
	}
}

/*
 * A rolled back subtransaction does not take the mark back: the worker then
 * reloads what it already has, and is not asked to act before that.
 */
void
fo_shared_config_changed(void)
{
	static bool is_registered = false;

	if (!fo_shared)
		return;					/* not preloaded: nobody to tell, the tables are read at the next start */

	if (!is_registered)
	{
		RegisterXactCallback(on_transaction_end, NULL);
		is_registered = true;
	}
	is_config_changed = true;
}

void
fo_shared_require_no_change(void)
{
	if (!is_config_changed)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot ask the coordinator to act in a transaction that has changed the configuration"),
			 errdetail("The coordinator would wait for the rows that this transaction keeps locked, and this transaction for the coordinator."),
			 errhint("Commit the change first.")));
}
