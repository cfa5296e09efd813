/*-------------------------------------------------------------------------
 *
 * node.h
 *		What the library does inside a data server (failover.role = node): the
 *		commit gate, the coordinator's heartbeat, the renewal of the lease by
 *		standbys, and demotion and rejoin without any agent.
 *
 * Who runs what:
 *	 postmaster		loads the state file and prepares a rejoin before recovery
 *					begins (_PG_init), re-executes itself when it ends
 *	 every backend	the gate, at commit; the coordinator's session, the functions
 *	 node worker	renewals while the coordinator is silent, retries of a rejoin
 *
 * A server that no coordinator has ever spoken to is not held back: the gate
 * is armed by the first heartbeat, and this is remembered in the data
 * directory.  From then on the server comes up without a lease.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NODE_H
#define FO_NODE_H

#include "postgres.h"

#include <time.h>

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "core/lease.h"

/* Longest conninfo to follow, list of them and account of a rejoin, with their terminators. */
#define FO_NODE_CONNINFO_LEN 1024
#define FO_NODE_UPSTREAMS_LEN 2048
#define FO_NODE_REPORT_LEN 256

/* What is under way with this server's role.  Numbers are on disk: append only. */
typedef enum FoRejoinPhase
{
	FO_REJOIN_NONE = 0,			/* nothing, or the last one has succeeded -> REQUESTED */
	FO_REJOIN_REQUESTED,		/* to be done by the worker, or at the next clean start -> STOPPING, REWINDING, CLONING, FOLLOWING, FAILED */
	FO_REJOIN_STOPPING,			/* the worker has asked the postmaster to stop, it will execute itself again -> as REQUESTED */
	FO_REJOIN_REWINDING,		/* data moved aside, pg_rewind at work on them -> RETURNING, CLONING */
	FO_REJOIN_CLONING,			/* a copy of the source is being fetched -> DISPLACING, REWINDING, REQUESTED, FAILED */
	FO_REJOIN_DISPLACING,		/* the copy is complete, the old data give way -> RETURNING */
	FO_REJOIN_RETURNING,		/* complete data move into their place -> FOLLOWING */
	FO_REJOIN_FOLLOWING,		/* configured as a standby, about to start -> NONE */
	FO_REJOIN_FAILED			/* given up: serves as it is, fenced -> REQUESTED */
} FoRejoinPhase;

/* Why the server is to become a standby. */
typedef enum FoRejoinKind
{
	FO_REJOIN_KIND_DEMOTE = 0,	/* planned: its shutdown record reaches the new primary, so nothing to rewind */
	FO_REJOIN_KIND_REJOIN		/* histories may have diverged: compare, rewind if so */
} FoRejoinKind;

/* One request to become a standby, and how far it is. */
typedef struct FoRejoin
{
	FoRejoinPhase phase;
	FoRejoinKind kind;
	char		conninfo[FO_NODE_CONNINFO_LEN];	/* primary_conninfo to be; carries no password */
	char		upstreams[FO_NODE_UPSTREAMS_LEN];	/* one per line: whom it may follow instead, should that one be lost */
	char		slot[FO_NAME_LEN];	/* primary_slot_name to be; '' = none */
	uint32		timeline;		/* of the server to follow, when histories were compared; 0 = they were not */
	int32		attempts;		/* begun */
	int32		max_attempts;
	int32		backoff_ms;		/* before the second attempt; doubles */
	TimestampTz requested_at;
	TimestampTz attempted_at;	/* end of the last attempt, its begin while it goes on; 0 = none */
	TimestampTz finished_at;	/* 0 = not yet */
	int64		term;			/* that it came with */
	bool		is_loss_known;	/* the two below hold (lost.c) */
	int64		lost_bytes;		/* from the fork to the end of the last commit beyond it, at most */
	int64		lost_commits;	/* beyond the fork; -1 = not counted */
	int64		rewind_ms;		/* spent in pg_rewind or pg_basebackup by the attempt that succeeded; -1 = neither was needed */
	char		boot_id[40];	/* of the operating system, when REWINDING began */
	bool		is_touched;		/* the data are out of place: the server cannot start before that is mended */
	bool		is_modified;	/* and pg_rewind may have changed them: it must be completed */
	bool		is_cloned;		/* RETURNING: from the copy, not from the rewound data */
	bool		is_inconsistent;	/* rewound, and not known to have recovered to a consistent state since */
	bool		is_unseen;		/* that, and its worker has not seen it replay anything since it was started */
	char		report[FO_NODE_REPORT_LEN];	/* what was done, or what went wrong */
} FoRejoin;

/*
 * What survives a restart, as it is in the state file.  Memory follows the
 * file: a change is durable before anybody acts on it.
 */
typedef struct FoNodeState
{
	bool		is_armed;		/* a coordinator has spoken to this server: no commit without a lease */
	bool		is_released;	/* disarmed by hand: arms again with a lease, a fence or a higher term, not with mere words */
	int64		term;			/* as in FoLease */
	int64		fenced_term;
	char		coordinator[FO_NAME_LEN];	/* who owns the term; '' = did not say */
	char		group[FO_NAME_LEN];
	char		peer[FO_NAME_LEN];
	char		holder[FO_NAME_LEN];	/* last known primary; '' = unknown */
	FoRejoin	rejoin;
} FoNodeState;

typedef struct FoNodeShared
{
	/*
	 * Taken by writers (heartbeat, fence, worker), and held over the writing of
	 * the state file, so that memory never runs ahead of it.  The gate does
	 * not take it: it reads the atomics below only.
	 */
	LWLock	   *lock;

	/* For the gate; written under the lock, from lease and state. */
	pg_atomic_uint64 valid_until;
	pg_atomic_uint32 is_armed;

	/* 1 after a refused commit was logged; back to 0 with the next lease, so that the log has one line for each. */
	pg_atomic_uint32 is_refusal_logged;

	FoLease		lease;
	FoNodeState state;
	int64		incarnation;	/* random, drawn at each start: grants meant for another one are void */
	uint32		promised_timeline;	/* its promotion was prepared for this one, and not refused; 0 = not since the start */
	FoTime		promised_at;	/* when it was last asked for... */
	int32		promised_to;	/* ...and by which backend */

	/* For clients that connect (clients.c): nobody is to wait for a lock to do so. */
	pg_atomic_uint64 told_at;	/* when this standby was told last that it is about to be promoted... */
	pg_atomic_uint64 told_since;	/* ...and since when it has been */
	pg_atomic_uint64 held_until;	/* so long they wait for the promotion at most; 0 = none is expected */
	pg_atomic_uint64 sent_on_until; /* so long this primary, if it has no lease, sends them on to the next one */
	pg_atomic_uint64 opened_at; /* first session since the start as a primary; 0 = none yet, 1 = it has begun as a standby */
	ConditionVariable clients;	/* those who wait */
	FoTime		heard_at;		/* last heartbeat; 0 = none since start */
	Latch	   *worker_latch;	/* of the node worker; NULL while it does not run */
	bool		has_worker_run; /* since the start; false for longer than a moment = there was no slot for it */

	/* Standbys that renew, by application_name; as told by the coordinator.  Their version is lease.version. */
	int32		standbys_n;
	char		standbys[FO_LEASE_STANDBYS_MAX][FO_NAME_LEN];
} FoNodeShared;

/* NULL unless the library was preloaded with failover.role = node. */
extern FoNodeShared *fo_node;

/* Clock of leases: counts suspend, never set by hand, the same in every process. */
static inline FoTime
fo_node_clock(void)
{
	struct timespec now;

#ifdef CLOCK_BOOTTIME
	clock_gettime(CLOCK_BOOTTIME, &now);
#else
	clock_gettime(CLOCK_MONOTONIC, &now);
#endif
	return (FoTime) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Called from _PG_init while shared_preload_libraries are processed; in the postmaster it may not return. */
extern void fo_node_install(void);

/* ---- gate.c ---- */

extern void fo_node_gate_install(void);

/* May a transaction be committed and acknowledged now?  Cheap: two reads and a clock. */
extern bool fo_node_may_commit(void);

/* Has nothing been refused since the lease was lost?  Only the first refusal is worth a line in the log; the caller writes it. */
extern bool fo_node_is_first_refusal(void);

/* Where else to write, if that is known, and what somebody can do here; palloc'd, or a constant. */
extern const char *fo_node_refusal_hint(void);

/* ---- shmem.c: lease and state; each change is durable when the function returns ---- */

extern void fo_node_shmem_install(void);

/* ERROR 55000 with a hint if the library was not preloaded as node. */
extern void fo_node_require(void);

/* What a heartbeat says.  Names may be ''. */
typedef struct FoNodeHeartbeat
{
	int64		term;
	FoTime		valid_until;	/* 0 = no grant */
	int64		lease_us;
	int64		incarnation;	/* of the reply that the grant is based on */
	char		coordinator[FO_NAME_LEN];
	char		group[FO_NAME_LEN];
	char		peer[FO_NAME_LEN];
	char		holder[FO_NAME_LEN];
	int64		standbys_version;
	int			standbys_n;		/* -1 = unchanged */
	char		(*standbys)[FO_NAME_LEN];
} FoNodeHeartbeat;

/* Take in a heartbeat.  ERROR 55000 for an older term, or another coordinator's. */
extern FoGrant fo_node_hear(const FoNodeHeartbeat *heartbeat);

/* End the lease; names as in a heartbeat.  ERROR 55000 for an older term. */
extern void fo_node_fence(int64 term, const char *coordinator, const char *holder);

/*
 * Fence, record a request to become a standby and wake the worker, who stops
 * the server.  ERROR 55000 for an older term, or while it is stopping already;
 * 53400 if there is no worker.
 */
extern void fo_node_request_rejoin(int64 term, const char *coordinator, const char *holder,
								   const FoRejoin *request);

/*
 * This standby is about to be promoted, to begin that timeline or a later one.
 * What was prepared first, since the server started, holds: the promotion may
 * be under way.  Unless the transaction is rolled back and has not ordered it:
 * then nothing was prepared.  ERROR 55000 for an older term.
 */
extern void fo_node_prepare_promotion(int64 term, uint32 timeline, const char *coordinator);

/* This server leaves its group: the gate is disarmed, the term is kept. */
extern void fo_node_release(void);

/*
 * In a running server: the request that is known enters a phase.  False, and
 * nothing is changed, if it is not that request in that phase any more: it was
 * replaced, or cancelled by a lease.
 */
extern bool fo_node_advance_rejoin(const FoRejoin *known, FoRejoinPhase phase);

/* In a running server: what was rewound is being replayed; or it has become consistent. */
extern void fo_node_note_arrival(bool is_consistent);

/* Take the renewal for which written_at has one entry per standby of that version of the list. */
extern void fo_node_renew(int64 standbys_version, const FoTime *written_at);

/* ---- confirm.c: what standbys have confirmed; for the worker ---- */

/* Note the time and how far WAL has been inserted. */
extern void fo_node_confirm_sample(void);

/* Has no WAL been inserted between the last two samples? */
extern bool fo_node_confirm_is_quiet(void);

/*
 * For each standby that counts: when what it confirms was written, 0 if it
 * confirms nothing.  heard_at: last heartbeat.  Returns how many are connected.
 */
extern int	fo_node_confirm_collect(int standbys_n, char (*standbys)[FO_NAME_LEN], FoTime heard_at,
									FoTime *written_at);

/* ---- heartbeat.c ---- */

/* Connection strings of servers to follow, *n of them, palloc'd; ERROR 22023 if one is of no use. */
extern char **fo_node_conninfos(ArrayType *array, int *n);

/* ---- state.c: the file; paths are relative to the data directory ---- */

/* False if there is none.  FATAL if it cannot be trusted. */
extern bool fo_node_state_read(FoNodeState *state);

/* Durable on return.  Raises an error of the level given. */
extern void fo_node_state_write(const FoNodeState *state, int elevel);

extern const char *fo_node_phase_name(FoRejoinPhase phase);

/* ---- timeline.c ---- */

/* On a standby, before its promotion: it is to begin this timeline or a later one.  ERROR if that cannot be made sure. */
extern void fo_node_reserve_timelines(uint32 wanted, int64 term);

/* On a standby: forget reservations that no promotion has followed, or will.  A failure is reported at that level. */
extern void fo_node_drop_reservations(int elevel);

/* ---- hold.c: in the postmaster, before recovery ---- */

/* Where nobody has set wal_keep_size: keep what a rewind needs. */
extern void fo_node_hold_by_default(void);

/* Was this server a primary and not shut down?  Then keep the WAL since its last checkpoint, whatever is set. */
extern void fo_node_hold_after_crash(void);

/* A standby that knows of a history that it cannot follow would end at its start: let it stay on its timeline until then. */
extern void fo_node_hold_timeline(void);

/* ---- worker.c ---- */

extern void fo_node_register_worker(void);

/* ---- arrival.c ---- */

/* In the worker: does this server serve, as a primary or a hot standby? */
extern bool fo_node_is_serving(void);

/* In the worker: restart the server if recovery makes no progress after a rewind.  Returns how long there is nothing to look at. */
extern long fo_node_watch_arrival(void);

/* ---- readers.c ---- */

/* In the worker: cancel what holds up the replay of a promotion that has been ordered.  That backend, which ordered it, is spared. */
extern void fo_node_end_readers(int ordered_by);

/* In the worker, after a reload: whoever is to follow nobody stops to receive, also while recovery waits for a reader. */
extern void fo_node_end_receiver(void);

/* ---- clients.c ---- */

extern void fo_node_clients_install(void);

/* It has been ordered: they wait for that, for failover.hold_connections at most.  Or it will not take place after all. */
extern void fo_node_hold_clients(void);
extern void fo_node_release_clients(void);

/* Recovery has ended, or there is a lease: those that wait look whether this server takes writes now. */
extern void fo_node_wake_clients(void);

/* ---- segment.c ---- */

/* Before this standby is promoted: can it read again what it has replayed last?  It can then; ERROR if not. */
extern void fo_node_complete_segment(void);

/* In the postmaster, before recovery: what was received of a timeline's first segment must not hide what an older file has.  FATAL if it cannot be removed. */
extern void fo_node_remove_part_of_segment(void);

/* ---- readonly.c ---- */

/* A session begins, once in its process: if this is a primary that may not commit, it is read-only until it is ended. */
extern void fo_node_begin_read_only(void);

/* ---- restart.c ---- */

/* In the postmaster, before anything that takes long: take note of who wants it to stop. */
extern void fo_node_watch_stops(void);

/* In the postmaster: has anybody but ourselves asked it to stop? */
extern bool fo_node_is_stop_wanted(void);

/* In the postmaster, from _PG_init: arrange for the re-execution at exit where a rejoin asks for it. */
extern void fo_node_restart_install(void);

/* In the postmaster: become the server that was started, again, with the same process id.  Does not return. */
pg_noreturn extern void fo_node_reexecute(void);

/* In any process of a running server: stop it; it comes back by itself. */
extern void fo_node_restart(void);

/* ---- silent.c ---- */

/* In the postmaster, whenever shared memory has been made. */
extern void fo_node_silent_install(void);

/* In the postmaster, from a signal handler too: from now on end the walsenders of silent standbys, until shared memory is gone. */
extern void fo_node_silent_watch(void);

/* ---- rejoin.c ---- */

/* In the postmaster, before recovery: carry on what the state asks for.  Returns if the server is to start now, as it is; FATAL if it must not. */
extern void fo_node_rejoin_at_start(FoNodeState *state);

/* In the postmaster, at the end of a stop that a request asked for: do now what needs no look at the new primary, so that one start is enough. */
extern void fo_node_rejoin_at_exit(FoNodeState *state);

#endif							/* FO_NODE_H */
