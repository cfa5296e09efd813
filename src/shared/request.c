/*-------------------------------------------------------------------------
 *
 * request.c
 *		The queue through which SQL functions ask the worker to act, and hear
 *		how it goes.
 *
 * A request is a slot in shared memory with a condition variable: the worker
 * adds lines of progress and at last the answer, the waiting backend prints
 * what is new each time it is woken.  The lines are a ring: a backend whose
 * client reads slowly loses the oldest ones and says how many.
 *
 * Who owns a slot is a matter of its state alone, changed under the lock:
 * FREE belongs to nobody, POSTED to the backend, TAKEN to the worker, DONE to
 * the backend again, or to nobody if it was abandoned.  A backend may die at
 * any moment: while it waits, an exit callback withdraws or abandons its
 * request; a DONE slot whose backend vanished all the same is reclaimed when
 * the queue is full.
 *
 * Nothing that can raise an error happens under the lock: the cleanup of a
 * waiting backend needs it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/procarray.h"

#include "compat.h"
#include "shared/clock.h"
#include "shared/internal.h"

/* How long a waiting backend believes that a vanished worker is only restarting. */
#define WORKER_GRACE_MS 10000

/* A waiting backend looks at least this often whether there is a worker. */
#define WAIT_SLICE_MS 1000

/* An unserved request that nobody waits for is dropped after this long. */
#define STALE_MS 60000

/* What one look at a slot brought. */
typedef struct Glance
{
	bool		is_done;
	bool		is_begun;		/* an operation serves it, and is written down */
	bool		is_taken;
	bool		has_worker;
	int			seen;			/* lines of progress dealt with so far */
	int			lost;			/* lines that were overwritten before this look */
	int			lines_n;
	char		lines[FO_PROGRESS_MAX][FO_SENTENCE_LEN];
} Glance;

static void
free_slot(FoRequest *request)
{
	request->state = FO_REQUEST_FREE;
	request->is_abandoned = false;
	request->backend_pid = 0;
}

/* The lock must be held exclusively.  -1 if every slot is in use. */
static int
claim_slot(void)
{
	for (int i = 0; i < FO_REQUESTS_MAX; i++)
	{
		if (fo_shared->requests[i].state == FO_REQUEST_FREE)
			return i;
	}

	/* Answers that nobody is left to fetch. */
	for (int i = 0; i < FO_REQUESTS_MAX; i++)
	{
		FoRequest  *request = &fo_shared->requests[i];

		if (request->state == FO_REQUEST_DONE && BackendPidGetProc(request->backend_pid) == NULL)
		{
			free_slot(request);
			return i;
		}
	}
	return -1;
}

static void
fill_slot(FoRequest *slot, const FoRequest *request)
{
	slot->kind = request->kind;
	slot->backend_pid = MyProcPid;
	strlcpy(slot->group, request->group, sizeof(slot->group));
	strlcpy(slot->target, request->target, sizeof(slot->target));
	slot->is_forced = request->is_forced;
	slot->about = request->about;
	fo_core_copy_text(slot->reason, sizeof(slot->reason), request->reason);
	strlcpy(slot->user, request->user, sizeof(slot->user));
	slot->posted_at = fo_shared_now();
	slot->is_abandoned = false;
	slot->progress_n = 0;
	slot->event_id = 0;
	slot->is_begun = false;
	slot->from_peer[0] = '\0';
	slot->to_peer[0] = '\0';
	slot->total_ms = 0;
	slot->sqlstate = 0;
	slot->error[0] = '\0';
	slot->detail[0] = '\0';
	slot->hint[0] = '\0';
	slot->state = FO_REQUEST_POSTED;
}

int
fo_shared_request_post(const FoRequest *request)
{
	int			slot;

	fo_shared_require_worker();

	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	slot = claim_slot();
	if (slot >= 0)
		fill_slot(&fo_shared->requests[slot], request);
	LWLockRelease(fo_shared->lock);

	if (slot < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many requests are waiting for the failover coordinator"),
				 errdetail("At most %d requests are served at a time.", FO_REQUESTS_MAX),
				 errhint("Try again when some of them have ended.")));

	fo_shared_wake();
	return slot;
}

/* Copy out the lines that were not seen yet.  The lock must be held. */
static void
glance_at_progress(const FoRequest *request, Glance *glance)
{
	int			first = Max(glance->seen, request->progress_n - FO_PROGRESS_MAX);

	glance->lost = first - glance->seen;
	glance->lines_n = request->progress_n - first;
	for (int i = 0; i < glance->lines_n; i++)
		strlcpy(glance->lines[i], request->progress[(first + i) % FO_PROGRESS_MAX], FO_SENTENCE_LEN);
	glance->seen = request->progress_n;
}

/* The lock is not held when notices are raised: sending them may take any time, or fail. */
static void
print_progress(const Glance *glance)
{
	if (glance->lost > 0)
		ereport(NOTICE,
				(errmsg_plural("%d line of progress was lost",
							   "%d lines of progress were lost",
							   glance->lost, glance->lost)));
	for (int i = 0; i < glance->lines_n; i++)
		ereport(NOTICE, (errmsg("%s", glance->lines[i])));
}

pg_noreturn static void
raise_worker_lost(bool is_taken)
{
	ereport(ERROR,
			(errcode(ERRCODE_ADMIN_SHUTDOWN),
			 errmsg("the failover coordinator ended before it answered"),
			 is_taken
			 ? errdetail("What it had begun is resumed or rolled back when it runs again.")
			 : errdetail("It had not begun; the request has been withdrawn."),
			 errhint("See the view failover_history for what became of it, and the server log for why the coordinator ended.")));
}

/*
 * Sleep only right after a look that found nothing new: raising a notice may
 * eat the wake-up of a change made meanwhile.
 */
static void
wait_for_answer(int slot, Glance *glance, bool is_begun_enough)
{
	FoRequest  *request = &fo_shared->requests[slot];
	uint32		wait_event = fo_compat_wait_event("FailoverRequest");
	FoTime		lost_since = 0;

	ConditionVariablePrepareToSleep(&request->changed);
	for (;;)
	{
		LWLockAcquire(fo_shared->lock, LW_SHARED);
		glance->is_done = request->state == FO_REQUEST_DONE;
		glance->is_begun = request->is_begun;
		glance->is_taken = request->state == FO_REQUEST_TAKEN;
		glance->has_worker = fo_shared->worker_pid != 0;
		glance_at_progress(request, glance);
		LWLockRelease(fo_shared->lock);

		if (!is_begun_enough)
			print_progress(glance);
		if (glance->is_done || (is_begun_enough && glance->is_begun))
			break;

		if (glance->has_worker)
			lost_since = 0;
		else if (lost_since == 0)
			lost_since = fo_shared_now();
		else if (fo_shared_now() - lost_since > FO_MS(WORKER_GRACE_MS))
			raise_worker_lost(glance->is_taken);

		CHECK_FOR_INTERRUPTS();
		if (glance->lines_n == 0)
			(void) ConditionVariableTimedSleep(&request->changed, WAIT_SLICE_MS, wait_event);
	}
	ConditionVariableCancelSleep();
}

/* What is left of a request that nobody waits for any more. */
typedef struct Leftover
{
	int			slot;
	FoRequestState state;		/* in which it was given up */
	FoRequestKind kind;
	int64		event_id;
} Leftover;

/* Stop waiting, on ERROR and on exit of the backend alike. */
static void
give_up(int code, Datum arg)
{
	Leftover   *leftover = (Leftover *) DatumGetPointer(arg);
	FoRequest  *request = &fo_shared->requests[leftover->slot];

	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	leftover->state = request->state;
	leftover->kind = request->kind;
	leftover->event_id = request->event_id;
	if (request->state == FO_REQUEST_TAKEN)
		request->is_abandoned = true;
	else
		free_slot(request);
	LWLockRelease(fo_shared->lock);
}

/*
 * The statement was cancelled, or its time is over.  That has not stopped the
 * operation, and whoever reads the error must not believe so.
 */
static void
explain_cancel(ErrorData *error, const Leftover *leftover)
{
	if (leftover->kind == FO_REQUEST_CHECK || leftover->kind == FO_REQUEST_SURVEY || leftover->kind == FO_REQUEST_PREFLIGHT)
		return;
	if (leftover->state == FO_REQUEST_POSTED)
	{
		error->detail = pstrdup("The coordinator had not taken the request up: it has been withdrawn, and nothing was begun.");
		error->hint = pstrdup("Call the function again if it is still to be done.");
	}
	else if (leftover->event_id == 0)
	{
		error->detail = pstrdup("The coordinator has taken the request up, and carries it out all the same.");
		error->hint = pstrdup("The view failover_history shows what becomes of it.");
	}
	else if (leftover->state == FO_REQUEST_TAKEN)
	{
		error->detail = psprintf("The coordinator goes on with operation " INT64_FORMAT ", which does not depend on this statement.",
								 leftover->event_id);
		error->hint = psprintf("The views failover_history and failover_timeline show what becomes of it;"
							   " failover_cancel(" INT64_FORMAT ") stops it, if that is still possible.", leftover->event_id);
	}
	else
	{
		error->detail = psprintf("Operation " INT64_FORMAT " has ended.", leftover->event_id);
		error->hint = pstrdup("The view failover_history shows how.");
	}
}

static void
wait_or_give_up(Leftover *leftover, bool is_begun_enough)
{
	Glance	   *glance = NULL;

	PG_ENSURE_ERROR_CLEANUP(give_up, PointerGetDatum(leftover));
	{
		glance = palloc0(sizeof(Glance));
		wait_for_answer(leftover->slot, glance, is_begun_enough);
	}
	PG_END_ENSURE_ERROR_CLEANUP(give_up, PointerGetDatum(leftover));
	pfree(glance);
}

static void
wait_and_fetch(int slot, FoRequest *request, bool is_begun_enough)
{
	FoRequest  *shared_request = &fo_shared->requests[slot];
	MemoryContext cxt = CurrentMemoryContext;
	Leftover	leftover = {.slot = slot};

	PG_TRY();
	{
		wait_or_give_up(&leftover, is_begun_enough);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (geterrcode() != ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		explain_cancel(error, &leftover);
		ReThrowError(error);
	}
	PG_END_TRY();

	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	*request = *shared_request;
	if (shared_request->state == FO_REQUEST_DONE)
		free_slot(shared_request);
	else
		shared_request->is_abandoned = true;
	LWLockRelease(fo_shared->lock);
}

void
fo_shared_request_wait(int slot, FoRequest *request)
{
	wait_and_fetch(slot, request, false);
}

void
fo_shared_request_wait_begun(int slot, FoRequest *request)
{
	wait_and_fetch(slot, request, true);
}

/* Oldest POSTED slot, or -1.  The lock must be held. */
static int
oldest_posted(void)
{
	int			oldest = -1;

	for (int i = 0; i < FO_REQUESTS_MAX; i++)
	{
		const FoRequest *request = &fo_shared->requests[i];

		if (request->state != FO_REQUEST_POSTED)
			continue;
		if (oldest < 0 || request->posted_at < fo_shared->requests[oldest].posted_at)
			oldest = i;
	}
	return oldest;
}

/* Is this one to be dropped rather than served?  See fo_shared_request_take. */
static bool
is_stale(const FoRequest *request)
{
	return request->is_abandoned &&
		fo_shared_now() - request->posted_at > FO_MS(STALE_MS);
}

int
fo_shared_request_take(FoRequest *copy)
{
	for (;;)
	{
		int			slot;
		bool		is_dropped = false;

		LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
		slot = oldest_posted();
		if (slot >= 0)
		{
			FoRequest  *request = &fo_shared->requests[slot];

			*copy = *request;
			is_dropped = is_stale(request);
			if (is_dropped)
				free_slot(request);
			else
				request->state = FO_REQUEST_TAKEN;
		}
		LWLockRelease(fo_shared->lock);

		if (!is_dropped)
			return slot;
		ereport(LOG,
				(errmsg("dropped an old request of user \"%s\" for group \"%s\" that nobody waits for",
						copy->user, copy->group)));
	}
}

void
fo_shared_request_retake(void)
{
	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < FO_REQUESTS_MAX; i++)
	{
		if (fo_shared->requests[i].state == FO_REQUEST_TAKEN)
			fo_shared->requests[i].state = FO_REQUEST_POSTED;
	}
	LWLockRelease(fo_shared->lock);
}

void
fo_shared_request_serve(int slot, int64 event_id)
{
	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	fo_shared->requests[slot].event_id = event_id;
	LWLockRelease(fo_shared->lock);

	ConditionVariableBroadcast(&fo_shared->requests[slot].changed);
}

void
fo_shared_request_begun(int slot)
{
	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	fo_shared->requests[slot].is_begun = true;
	LWLockRelease(fo_shared->lock);

	ConditionVariableBroadcast(&fo_shared->requests[slot].changed);
}

void
fo_shared_request_progress(int slot, const char *line)
{
	FoRequest  *request = &fo_shared->requests[slot];

	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	fo_core_copy_text(request->progress[request->progress_n % FO_PROGRESS_MAX], FO_SENTENCE_LEN, line);
	request->progress_n++;
	LWLockRelease(fo_shared->lock);

	ConditionVariableBroadcast(&request->changed);
}

void
fo_shared_request_finish(int slot, const FoRequest *answer)
{
	FoRequest  *request = &fo_shared->requests[slot];

	LWLockAcquire(fo_shared->lock, LW_EXCLUSIVE);
	request->event_id = answer->event_id;
	request->operation = answer->operation;
	request->status = answer->status;
	strlcpy(request->from_peer, answer->from_peer, sizeof(request->from_peer));
	strlcpy(request->to_peer, answer->to_peer, sizeof(request->to_peer));
	request->total_ms = answer->total_ms;
	request->sqlstate = answer->sqlstate;
	fo_core_copy_text(request->error, sizeof(request->error), answer->error);
	fo_core_copy_text(request->detail, sizeof(request->detail), answer->detail);
	fo_core_copy_text(request->hint, sizeof(request->hint), answer->hint);
	if (request->is_abandoned)
		free_slot(request);
	else
		request->state = FO_REQUEST_DONE;
	LWLockRelease(fo_shared->lock);

	ConditionVariableBroadcast(&request->changed);
}
