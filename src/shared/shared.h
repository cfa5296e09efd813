/*-------------------------------------------------------------------------
 *
 * shared.h
 *		What the coordinator worker and the SQL functions share: the published
 *		snapshot (worker writes, everybody reads) and the request queue
 *		(backends write, worker answers).
 *
 * Fixed-size shared memory, sized by failover.max_peers at server start.  One
 * LWLock protects all of it; it is held for memory copies only, never over
 * I/O, SPI or a wait.  There are no pointers in it but the worker's latch,
 * which is valid only while worker_pid is set.
 *
 * Life of a request:	FREE -> POSTED (backend) -> TAKEN (worker) -> DONE
 * (worker) -> FREE (backend).  A backend that does not wait (wait => false)
 * sets is_abandoned and the worker frees it.  One that stops waiting (cancel,
 * lost worker) withdraws a request that nobody has taken, and abandons one
 * that is being served.  A worker that starts finds TAKEN requests of its dead
 * predecessor and takes them again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_SHARED_H
#define FO_SHARED_H

#include "postgres.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "core/candidate.h"
#include "core/operation.h"
#include "core/preflight.h"
#include "core/verdict.h"
#include "core/view.h"

#define FO_REQUESTS_MAX 64
#define FO_PROGRESS_MAX 48		/* lines of progress kept for a waiting caller */
#define FO_ERROR_LEN 256
#define FO_DETAIL_LEN 512		/* holds a user's reason and what is to be said around it */

/* Which background worker is where; written by them, read by failover_status and the logs. */
typedef enum FoWorkerState
{
	FO_WORKER_DOWN = 0,			/* not running */
	FO_WORKER_NO_EXTENSION,		/* ended: the extension is not in failover.database */
	FO_WORKER_NO_DATABASE,		/* ended: failover.database does not exist */
	FO_WORKER_RUNNING
} FoWorkerState;

/* One peer as published. Written by the worker under the lock. */
typedef struct FoPeerSlot
{
	bool		is_used;
	int32		group;			/* index into groups */
	FoPeerView	view;			/* what decisions see; FoTime of the worker's clock (the same clock in every process) */
	char		conninfo[FO_CONNINFO_LEN];	/* validated: carries no secret */
	char		last_error[FO_SENTENCE_LEN];
	TimestampTz down_since;		/* 0 = up */
	int64		outages_total;	/* finished ones only, as the table has them; so the next */
	int64		downtime_total_us;
	char		circuit[16];	/* closed, open, half_open */
	FoPeerFacts facts;			/* as of the last FO_REQUEST_SURVEY or PREFLIGHT */
} FoPeerSlot;

/* One group as published. */
typedef struct FoGroupSlot
{
	bool		is_used;
	FoGroupView view;			/* peers pointer is NULL here: readers set it to their copy; view.primary indexes the group's peers in order of name */
	FoVerdict	verdict;		/* last verdict of the worker */
	char		preferred_primary[FO_NAME_LEN];
	TimestampTz paused_until;	/* 0 = not paused; DT_NOEND = until resumed */
	TimestampTz blocked_until;	/* 0 = not blocked */
	TimestampTz last_failover_at;	/* 0 = never */
	int64		current_event;	/* operation running; 0 = none */
	FoOperationKind current_kind;
	char		current_step[FO_NAME_LEN];
	bool		is_redundancy_restored; /* false from a failover until every peer is healthy again */
	char		fencing[8];		/* lease, sql, none */
} FoGroupSlot;

typedef enum FoRequestKind
{
	FO_REQUEST_CHECK = 0,		/* check the group's peers (or all) now */
	FO_REQUEST_FAILOVER,		/* failover_trigger */
	FO_REQUEST_SWITCHOVER,
	FO_REQUEST_FAILBACK,
	FO_REQUEST_REJOIN,
	FO_REQUEST_DRILL,
	FO_REQUEST_CANCEL,			/* failover_cancel: the operation number about */
	FO_REQUEST_SURVEY,			/* ask the group's peers for the facts that a planned move is judged by */
	FO_REQUEST_PREFLIGHT		/* the same, and those for failover_preflight alone, which may take seconds */
} FoRequestKind;

typedef enum FoRequestState
{
	FO_REQUEST_FREE = 0,
	FO_REQUEST_POSTED,
	FO_REQUEST_TAKEN,
	FO_REQUEST_DONE
} FoRequestState;

typedef struct FoRequest
{
	/* written by the posting backend before POSTED */
	FoRequestState state;
	FoRequestKind kind;
	int			backend_pid;
	char		group[FO_NAME_LEN];	/* '' = all (CHECK only) */
	char		target[FO_NAME_LEN];	/* '' = none named */
	bool		is_forced;
	int64		about;			/* CANCEL: number of an operation */
	char		reason[FO_SENTENCE_LEN];	/* '' = none given */
	char		user[FO_NAME_LEN];	/* session user */
	FoTime		posted_at;
	bool		is_abandoned;	/* nobody waits: worker frees it when DONE */

	/* written by the worker */
	ConditionVariable changed;	/* progress or state has moved */
	int32		progress_n;		/* lines written so far; line i is at progress[i % FO_PROGRESS_MAX] */
	char		progress[FO_PROGRESS_MAX][FO_SENTENCE_LEN];
	int64		event_id;		/* operation that serves it; 0 = none came to be */
	bool		is_begun;		/* ... and its row is committed */
	FoOperationKind operation;
	FoOperationStatus status;
	char		from_peer[FO_NAME_LEN];
	char		to_peer[FO_NAME_LEN];
	double		total_ms;
	int			sqlstate;		/* of the refusal, MAKE_SQLSTATE form; 0 = it was carried out (see status) */
	char		error[FO_ERROR_LEN];	/* refusal, or what failed; '' = none */
	char		detail[FO_DETAIL_LEN];	/* of a refusal; '' = none, as hint */
	char		hint[FO_ERROR_LEN];
} FoRequest;

typedef struct FoShared
{
	LWLock	   *lock;			/* protects everything below but the atomics */

	/*
	 * Bumped in the commit of every transaction that changed configuration;
	 * the worker reloads when it differs from what it has loaded.
	 */
	pg_atomic_uint64 config_generation;

	/* Written by launcher and worker. */
	pid_t		launcher_pid;
	Latch	   *launcher_latch; /* valid while launcher_pid != 0 */
	pid_t		worker_pid;
	Latch	   *worker_latch;	/* valid while worker_pid != 0 */
	FoWorkerState worker_state;
	pg_atomic_uint64 turned_at;	/* FoTime at which its last turn began; it turns once a second at least */
	uint64		loaded_generation;	/* configuration that is published below */

	/* Counters of the worker since server start, for failover_metrics. */
	pg_atomic_uint64 checks_total;
	pg_atomic_uint64 check_failures_total;
	pg_atomic_uint64 connects_total;
	pg_atomic_uint64 knocks_total;
	pg_atomic_uint64 operations_total;
	pg_atomic_uint64 turns_total;

	int32		max_groups;		/* = max_peers */
	int32		max_peers;
	FoRequest	requests[FO_REQUESTS_MAX];

	/* FoGroupSlot groups[max_groups], then FoPeerSlot peers[max_peers]: see the accessors. */
} FoShared;

/* NULL when the library was not preloaded. */
extern FoShared *fo_shared;

/* Called from _PG_init while shared_preload_libraries are processed. */
extern void fo_shared_install_hooks(void);

extern FoGroupSlot *fo_shared_groups(void);
extern FoPeerSlot *fo_shared_peers(void);

/* ERROR 55000 with a hint about shared_preload_libraries if not preloaded as coordinator. */
extern void fo_shared_require(void);

/* ERROR 55000 with a reason (no worker, no database, no extension...) if no worker runs. */
extern void fo_shared_require_worker(void);

/*
 * After commit of the current transaction: bump config_generation and wake
 * launcher and worker.  Idempotent within a transaction; nothing happens on
 * abort.
 */
extern void fo_shared_config_changed(void);

/*
 * ERROR 55000 if the current transaction has changed the configuration: who then
 * waited for an operation would wait for a worker that waits for his locks, with
 * a primary that is fenced already.
 */
extern void fo_shared_require_no_change(void);

/* A group with its peers, copied out under the lock into the current memory context. */
typedef struct FoGroupCopy
{
	FoGroupSlot group;			/* group.view.peers points at views */
	int			peers_n;
	FoPeerSlot *peers;			/* in order of name */
	FoPeerView *views;			/* the same peers' views, contiguous, for the core; view.now is set to the present */
} FoGroupCopy;

/* All groups, or the one named; in order of name.  *n receives the count. */
extern FoGroupCopy *fo_shared_copy_groups(const char *group_name, int *n);

/* ---- request queue, backend side ---- */

/* Claim a slot, fill it from *request (input fields) and wake the worker.  ERROR 53400 if the queue is full. Returns the slot's number. */
extern int	fo_shared_request_post(const FoRequest *request);

/*
 * Wait until the request is DONE, raising a NOTICE for each line of progress;
 * copies the answer into *request and frees the slot.  A cancel or a lost
 * worker (ERROR 57P01) withdraws the request if it was not taken yet, else
 * abandons it; the error of a cancel says what goes on.
 */
extern void fo_shared_request_wait(int slot, FoRequest *request);

/*
 * The same, but only until the request was refused or an operation that is
 * written down serves it (request->state is not FO_REQUEST_DONE then); it is
 * left to the worker.
 */
extern void fo_shared_request_wait_begun(int slot, FoRequest *request);

/* ---- request queue, worker side ---- */

/*
 * Slot of the oldest POSTED request (marks it TAKEN), or -1.  One that nobody waits for
 * and that found no worker for a minute is dropped: what was right to do then
 * need not be right now.
 */
extern int	fo_shared_request_take(FoRequest *copy);
/* Start of a worker: TAKEN requests become POSTED again. */
extern void fo_shared_request_retake(void);
/*
 * Note which operation serves it, before that operation's row is committed.  A
 * request that is retaken with an event_id must not be begun a second time if
 * that row exists: the operation goes on, or has ended.
 */
extern void fo_shared_request_serve(int slot, int64 event_id);
/* Its operation is written down now: whoever waits for no more than that may go. */
extern void fo_shared_request_begun(int slot);
/* Add a line for the waiting caller. */
extern void fo_shared_request_progress(int slot, const char *line);
/* Answer fields are taken from *answer. */
extern void fo_shared_request_finish(int slot, const FoRequest *answer);

#endif							/* FO_SHARED_H */
