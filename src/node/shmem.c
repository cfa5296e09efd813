/*-------------------------------------------------------------------------
 *
 * shmem.c
 *		The node's shared memory: lease, term and request, and every change of
 *		them.
 *
 * Writers take the lock for the whole change, the state file included: first
 * the file, then memory, so that nothing is promised to a coordinator that a
 * crash would forget.  The end of a lease alone is the other way round: it
 * holds at once, also where the disk is full.  Only a new term, a fence or a
 * request touches the file; an ordinary heartbeat moves a few words of memory.
 *
 * The memory is set up again after the crash of a backend, too.  Then the
 * lease is gone, as after any start, and the state is read from the file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "compat.h"
#include "node/node.h"

#define TRANCHE "failover_node"

/* How long the worker may take to start after the server. */
#define WORKER_START_MS 5000

FoNodeShared *fo_node = NULL;

/* This transaction has posted a request or orders a promotion: wake the worker at its end, when the answer is about to leave. */
static bool is_wake_due = false;

/* This transaction has prepared a promotion, and is to order it. */
static bool is_promise_new = false;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();

	RequestAddinShmemSpace(MAXALIGN(sizeof(FoNodeShared)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

static void
initialize(FoNodeShared *node)
{
	memset(node, 0, sizeof(*node));
	node->lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	fo_core_lease_init(&node->lease);
	node->state.fenced_term = node->lease.fenced_term;
	if (fo_node_state_read(&node->state))
	{
		node->lease.term = node->state.term;
		node->lease.fenced_term = node->state.fenced_term;
	}
	if (!pg_strong_random(&node->incarnation, sizeof(node->incarnation)))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not draw a random number for this start of the server")));
	node->incarnation &= PG_INT64_MAX;

	pg_atomic_init_u64(&node->valid_until, 0);
	pg_atomic_init_u32(&node->is_armed, node->state.is_armed ? 1 : 0);
	pg_atomic_init_u32(&node->is_refusal_logged, 0);
	pg_atomic_init_u64(&node->told_at, 0);
	pg_atomic_init_u64(&node->told_since, 0);
	pg_atomic_init_u64(&node->held_until, 0);
	pg_atomic_init_u64(&node->sent_on_until, 0);
	pg_atomic_init_u64(&node->opened_at, 0);
	ConditionVariableInit(&node->clients);
}

static void
startup_memory(void)
{
	bool		is_found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	fo_node = ShmemInitStruct(TRANCHE, sizeof(FoNodeShared), &is_found);
	if (!is_found)
		initialize(fo_node);
	LWLockRelease(AddinShmemInitLock);
	fo_node_silent_install();
}

static void
wake_worker(void)
{
	LWLockAcquire(fo_node->lock, LW_SHARED);
	if (fo_node->worker_latch != NULL)
		SetLatch(fo_node->worker_latch);
	LWLockRelease(fo_node->lock);
}

/*
 * The promotion that was prepared has been refused, for want of space for
 * example: the next one may have to begin another timeline.  Unless it has been
 * ordered all the same, and the transaction was cancelled after that.
 */
static void
withdraw_promise(void)
{
	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	if (access(PROMOTE_SIGNAL_FILE, F_OK) != 0 && !PromoteIsTriggered())
	{
		fo_node->promised_timeline = 0;
		fo_node_release_clients();
		fo_node_drop_reservations(LOG);
	}
	LWLockRelease(fo_node->lock);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	if (is_wake_due)
		wake_worker();
	if (is_promise_new && event == XACT_EVENT_ABORT)
		withdraw_promise();
	is_wake_due = is_promise_new = false;
}

void
fo_node_shmem_install(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_memory;
}

void
fo_node_require(void)
{
	if (fo_node != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this server does not run the node library"),
			 errhint("Set shared_preload_libraries = 'failover' and failover.role = 'node', and restart the server.")));
}

/* ---- helpers; the lock is held ---- */

/* Make the lease visible to the gate. */
static void
publish(void)
{
	bool		holds = fo_core_lease_holds(&fo_node->lease, fo_node_clock());

	pg_atomic_write_u64(&fo_node->valid_until, (uint64) fo_node->lease.valid_until);
	pg_atomic_write_u32(&fo_node->is_armed, fo_node->state.is_armed ? 1 : 0);
	if (holds && pg_atomic_exchange_u32(&fo_node->is_refusal_logged, 0) != 0)
		ereport(LOG,
				(errhidestmt(true),
				 errmsg("failover: this server holds the lease of term %lld again, commits are accepted",
						(long long) fo_node->lease.term)));
}

/* Write the state if it differs from what is on disk. */
static void
commit_state(const FoNodeState *next)
{
	if (memcmp(next, &fo_node->state, sizeof(*next)) == 0)
		return;
	fo_node_state_write(next, ERROR);
	fo_node->state = *next;
}

/* Two coordinators: the one with the older term is refused, and of two in the same term the second. */
static void
check_term(int64 term, const char *coordinator)
{
	const FoNodeState *state = &fo_node->state;

	if (term < state->term)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("term %lld is older than term %lld of this server", (long long) term, (long long) state->term),
				 errdetail("The newer term was set by coordinator \"%s\".", state->coordinator),
				 errhint("Another coordinator has taken over this server, or this one was restored from a backup: stop one of the two.")));
	if (term == state->term && coordinator[0] != '\0' && state->coordinator[0] != '\0' &&
		strcmp(coordinator, state->coordinator) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("term %lld of this server belongs to another coordinator", (long long) term),
				 errdetail("It was set by coordinator \"%s\".", state->coordinator),
				 errhint("Stop one of the two coordinators; the one that is to stay takes over with its next, higher term.")));
}

/* Fill in a name, if one was given.  The rest of the field is zeroed, so that states compare as bytes. */
static void
note_name(char *to, const char *from)
{
	if (from[0] != '\0')
		strncpy(to, from, FO_NAME_LEN - 1);
}

static void
note_term(FoNodeState *state, int64 term, const char *coordinator)
{
	if (term > state->term)
	{
		memset(state->coordinator, 0, sizeof(state->coordinator));
		state->is_released = false;
	}
	state->term = term;
	state->is_armed = !state->is_released;
	note_name(state->coordinator, coordinator);
}

/* The state that a fence leads to. */
static FoNodeState
fenced_state(int64 term, const char *coordinator, const char *holder)
{
	FoNodeState next = fo_node->state;

	check_term(term, coordinator);
	next.is_released = false;
	note_term(&next, term, coordinator);
	next.fenced_term = term;
	memset(next.holder, 0, sizeof(next.holder));
	note_name(next.holder, holder);
	return next;
}

/* Who is granted a lease is wanted as a primary: a request to become a standby that has not stopped it yet is void. */
static void
cancel_request(int64 term)
{
	FoNodeState next = fo_node->state;

	if (next.rejoin.phase != FO_REJOIN_REQUESTED && next.rejoin.phase != FO_REJOIN_FAILED)
		return;
	memset(&next.rejoin, 0, sizeof(next.rejoin));
	snprintf(next.rejoin.report, sizeof(next.rejoin.report), "cancelled by the lease of term %lld", (long long) term);
	commit_state(&next);
}

/* ---- changes ---- */

FoGrant
fo_node_hear(const FoNodeHeartbeat *heartbeat)
{
	FoNodeState next;
	FoLease		before;
	FoTime		offer;
	FoGrant		grant;

	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	check_term(heartbeat->term, heartbeat->coordinator);
	before = fo_node->lease;
	next = fo_node->state;
	if (heartbeat->valid_until != 0)
		next.is_released = false;
	note_term(&next, heartbeat->term, heartbeat->coordinator);
	note_name(next.group, heartbeat->group);
	note_name(next.peer, heartbeat->peer);
	note_name(next.holder, heartbeat->holder);
	commit_state(&next);

	/* A clock reading of an earlier start of this server says nothing about this one. */
	offer = heartbeat->incarnation == fo_node->incarnation ? heartbeat->valid_until : 0;
	grant = fo_core_lease_hear(&fo_node->lease, heartbeat->term,
							   heartbeat->standbys_n >= 0 ? heartbeat->standbys_version : 0,
							   offer, heartbeat->lease_us, fo_node_clock());
	if (grant == FO_GRANT_TAKEN)
		cancel_request(heartbeat->term);
	if (heartbeat->standbys_n >= 0 && grant != FO_GRANT_OLD_LIST)
	{
		fo_node->standbys_n = heartbeat->standbys_n;
		memcpy(fo_node->standbys, heartbeat->standbys, sizeof(fo_node->standbys[0]) * heartbeat->standbys_n);
	}
	fo_node->heard_at = fo_node_clock();
	publish();
	if (grant == FO_GRANT_TAKEN)
		fo_node_wake_clients();

	/* The worker plans its turns by the lease it knows: a new kind of lease must not find it asleep. */
	if (fo_node->worker_latch != NULL &&
		(fo_node->lease.version != before.version || fo_node->lease.is_renewable != before.is_renewable ||
		 fo_node->lease.lease_us != before.lease_us))
		SetLatch(fo_node->worker_latch);
	LWLockRelease(fo_node->lock);
	return grant;
}

/* With the lock held: the lease ends, and the state becomes that. */
static void
end_lease(const FoNodeState *next)
{
	fo_core_lease_fence(&fo_node->lease, next->fenced_term);
	publish();					/* before the disk is waited for... */
	commit_state(next);
	publish();					/* ...and again: it may have been disarmed until now */
	fo_node_release_clients();	/* nobody is to take writes here any moment */
}

void
fo_node_fence(int64 term, const char *coordinator, const char *holder)
{
	FoNodeState next;
	bool		is_news;

	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	next = fenced_state(term, coordinator, holder);
	is_news = next.fenced_term != fo_node->state.fenced_term || strcmp(next.holder, fo_node->state.holder) != 0;
	end_lease(&next);
	LWLockRelease(fo_node->lock);
	if (!is_news)
		return;
	ereport(LOG,
			(errhidestmt(true),
			 errmsg("failover: fenced in term %lld, commits are refused", (long long) term),
			 holder[0] != '\0' ? errdetail("The primary is now peer \"%s\".", holder) : 0));
}

/*
 * The worker starts with the server, a moment after the first sessions may ask
 * for something.  Where it does not, requests would wait for ever.
 */
static void
require_worker(void)
{
	FoTime		deadline = fo_node_clock() + FO_MS(WORKER_START_MS);

	for (;;)
	{
		bool		has_run;

		LWLockAcquire(fo_node->lock, LW_SHARED);
		has_run = fo_node->has_worker_run;
		LWLockRelease(fo_node->lock);
		if (has_run)
			return;
		if (fo_node_clock() >= deadline)
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("the background worker of the node library does not run on this server"),
					 errhint("Raise max_worker_processes and restart the server.")));
		CHECK_FOR_INTERRUPTS();
		pg_usleep(10 * 1000);
	}
}

void
fo_node_request_rejoin(int64 term, const char *coordinator, const char *holder, const FoRejoin *request)
{
	FoNodeState next;

	require_worker();
	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	next = fenced_state(term, coordinator, holder);
	if (next.rejoin.phase == FO_REJOIN_STOPPING)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this server is already stopping to become a standby"),
				 errhint("Ask again when it has come back.")));
	next.rejoin = *request;
	next.rejoin.phase = FO_REJOIN_REQUESTED;
	next.rejoin.term = term;
	end_lease(&next);
	LWLockRelease(fo_node->lock);
	is_wake_due = true;
}

void
fo_node_prepare_promotion(int64 term, uint32 timeline, const char *coordinator)
{
	FoNodeState next;

	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	check_term(term, coordinator);
	next = fo_node->state;
	note_term(&next, term, coordinator);
	commit_state(&next);
	if (fo_node->promised_timeline == 0 && !PromoteIsTriggered())
	{
		is_promise_new = true;
		fo_node_reserve_timelines(timeline, term);
		fo_node->promised_timeline = timeline;
	}
	fo_node->promised_at = fo_node_clock();
	fo_node->promised_to = MyProcPid;
	fo_node_hold_clients();
	LWLockRelease(fo_node->lock);
	is_wake_due = true;
}

void
fo_node_release(void)
{
	FoNodeState next;

	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	next = fo_node->state;
	next.is_armed = false;
	next.is_released = true;
	memset(next.coordinator, 0, sizeof(next.coordinator));
	memset(next.group, 0, sizeof(next.group));
	memset(next.peer, 0, sizeof(next.peer));
	memset(next.holder, 0, sizeof(next.holder));
	memset(&next.rejoin, 0, sizeof(next.rejoin));
	commit_state(&next);
	publish();
	LWLockRelease(fo_node->lock);
	ereport(LOG, (errmsg("failover: released from its group, commits need no lease any more")));
}

bool
fo_node_advance_rejoin(const FoRejoin *known, FoRejoinPhase phase)
{
	FoNodeState next;
	bool		is_known;

	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	next = fo_node->state;
	is_known = next.rejoin.phase == known->phase && next.rejoin.requested_at == known->requested_at &&
		strcmp(next.rejoin.conninfo, known->conninfo) == 0;
	if (is_known)
	{
		next.rejoin.phase = phase;
		commit_state(&next);
	}
	LWLockRelease(fo_node->lock);
	return is_known;
}

void
fo_node_note_arrival(bool is_consistent)
{
	FoNodeState next;

	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	next = fo_node->state;
	next.rejoin.is_unseen = false;
	next.rejoin.is_inconsistent = !is_consistent;
	commit_state(&next);
	LWLockRelease(fo_node->lock);
}

void
fo_node_renew(int64 standbys_version, const FoTime *written_at)
{
	LWLockAcquire(fo_node->lock, LW_EXCLUSIVE);
	if (standbys_version == fo_node->lease.version &&
		fo_core_lease_renew(&fo_node->lease, fo_node->standbys_n, written_at, fo_node_clock()))
		publish();
	LWLockRelease(fo_node->lock);
}
