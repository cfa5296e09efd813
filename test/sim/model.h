/*-------------------------------------------------------------------------
 *
 * model.h
 *		The state of the simulated world: hosts, servers, coordinators.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "message.h"

typedef struct World World;
typedef struct Server Server;
typedef struct Coordinator Coordinator;

/* ---- planted bugs ---- */

typedef enum Mutant
{
	MUTANT_NONE = 0,
	MUTANT_LEASE_ON_ARRIVAL,
	MUTANT_NO_FREEZE,
	MUTANT_STALE_CHOICE,
	MUTANT_OLD_TERM,
	MUTANT_NO_RECHECK,
	MUTANT_RENEWAL_ON_ARRIVAL,
	MUTANT_NO_LEASE_WAIT,
	MUTANT_NO_MARGIN,
	MUTANT_GRANT_TO_OLD,
	MUTANT_LEASE_SURVIVES,
	MUTANT_BOOK_FORGOTTEN,
	MUTANT_ORPHANS,
	MUTANT_UNDO_AFTER_ORDER,
	MUTANT_TIMELINE_TWICE,
	MUTANT_GRANT_AT_ONCE,
	MUTANT_NAMES_UNNOTED,
	MUTANT_RENEWERS_FORGOTTEN,
	MUTANT_FENCE_FORGOTTEN,
	MUTANT_TIMELINE_FOREIGN,
	MUTANT_INTENT_NOT_COMMITTED,
	MUTANT_PROOF_FORGOTTEN,
	MUTANT_FENCE_ASSUMED,
	MUTANT_LIBRARY_FORGOTTEN,
	MUTANT_NUMBERS_TRUSTED,
	MUTANT_HOLD_FOR_EVER,
	MUTANT_CANDIDATE_UNDRAINED,
	MUTANT_LEASE_TIME_OF_THE_DAY,
	MUTANT_TERMS_ASSUMED,
	MUTANT_SETTLED_EARLY,
	MUTANT_NOBODY_COVERS,
	MUTANT_DRAIN_SKIPPED,
	MUTANT_N
} Mutant;

typedef struct MutantDef
{
	const char *name;
	const char *description;
	int			seeds;			/* it must be caught within so many */
	bool		is_slow;		/* by not coming to an end */
} MutantDef;

extern const MutantDef mutants[MUTANT_N];

/* ---- hosts and network ---- */

typedef struct Host
{
	bool		is_off;			/* no power */
	FoTime		paused_until;	/* every process frozen, the kernel alive; 0 = not */
	FoTime		clock_base;		/* local = clock_base + rate * (now - world_base) */
	FoTime		world_base;
	int64_t		rate_ppm;
	FoTime		delay_until;	/* its network is slow until then */
} Host;

typedef struct Session
{
	int			id;
	int			ends[2];		/* hosts: who opened it, and the other */
	int			boots[2];
	FoTime		last_at[2];		/* by direction: 0 = towards ends[1] */
	int			sent[2];
	int			delivered[2];
	bool		is_broken[2];
} Session;

#define SESSIONS_MAX 1024

/* ---- servers ---- */

typedef enum ProcessState
{
	PROCESS_DOWN = 0,
	PROCESS_STARTING,
	PROCESS_UP
} ProcessState;

typedef struct Sender
{
	int			session;		/* 0 = no walsender for that peer */
	int			sent;
	int			flushed;
	FoTime		confirmed_at;	/* own clock: last reply arrived */
	FoTime		heard_at;
} Sender;

typedef enum TxnState { TXN_NONE = 0, TXN_CHECKED, TXN_WAITING, TXN_RELEASED } TxnState;

typedef struct Txn
{
	TxnState	state;
	int			record;
	int			position;		/* of its commit record: it is durable where the position is greater */
	bool		is_sync;		/* waited for standbys */
} Txn;

typedef struct Sample
{
	FoTime		at;				/* own clock */
	int			position;
} Sample;

struct Server
{
	int			index;
	/* the process */
	ProcessState process;
	int			boot;
	FoTime		orphans_until;	/* backends that outlive a killed postmaster */
	FoTime		started_at;
	int64_t		restart_after;	/* of the service manager; -1 = stays down */
	/* on disk */
	bool		is_standby;
	History		history;
	uint64_t	histories;		/* mask of timelines: it has history files of these */
	uint64_t	reserved;		/* those of them that hold no history */
	int			position;
	uint16_t	records[LOG_MAX];
	uint32_t	chain[LOG_MAX + 1];
	int			upstream;
	int			sync_k;
	uint32_t	sync_mask;
	char		sync_names[SYNC_TEXT_LEN];
	bool		is_armed;
	int64_t		term;
	int64_t		fenced_term;
	int			owner;
	int			rejoin_upstream;	/* asked to become a standby of; -1 = not */
	bool		is_rejoin_planned;	/* and histories need not be compared */
	/* in memory */
	FoTime		sync_waits_at;	/* until then its checkpointer is busy, and no commit waits */
	bool		is_stopping;
	bool		is_promoting;
	uint32_t	promised_timeline;	/* its promotion was prepared for this one; 0 = not since the start */
	int			followed;		/* upstream, as read at the last reload */
	int			receiver_session;
	int			receiver_id;
	FoReceiver	receiver;
	int			receiver_upstream;
	FoTime		receiver_heard_at;
	History		receiver_history;
	Sender		senders[PEERS_MAX];
	Txn			txns[TXNS_MAX];
	FoLease		lease;
	int64_t		incarnation;
	uint32_t	standbys;
	Sample		samples[SAMPLES_N];
	int			samples_n;
	bool		was_gate_open;	/* invariants.c */
};

/* ---- coordinators ---- */

typedef enum LinkState { LINK_CLOSED = 0, LINK_OPENING, LINK_READY } LinkState;

typedef struct Link
{
	LinkState	state;
	int			session;
	bool		is_checking;
	bool		is_check_wanted;
	FoTime		sent_at;
	FoTime		burst_ms;
	int			timer;			/* generation of the armed EV_CHECK */
	/* of the last reply */
	FoTime		replied_at;
	FoTime		clock;
	int64_t		incarnation;
	Status		status;
} Link;

typedef enum TaskOwner { TASK_NONE = 0, TASK_STEP, TASK_MEND } TaskOwner;

typedef struct Task
{
	TaskOwner	owner;
	int			id;
	FoStepKind	step;
	FoStepFailure on_failure;
	bool		is_background;
	Order		order;			/* what is sent until it has worked */
	int			peer;
	FoTime		began_at;
	FoTime		deadline;
	FoTime		called_at;		/* 0 = no call is under way */
	int			called_session;
	bool		has_acted;
	bool		was_sent;		/* it was acted once, whatever became of it */
	bool		is_awaiting_end;	/* LOOK: of its walreceiver */
	int			good_looks;
	FoTime		good_at;
	FoTime		odd_since;
	int			receiver_id;
	int			reach;			/* position to reach */
	bool		is_applied;
} Task;

/* Any list of peers, for all we know. */
#define RENEWERS_UNKNOWN UINT32_MAX

/* What a server is told of its lease. */
typedef struct Terms
{
	int64_t		lease_us;		/* 0 = nothing */
	uint32_t	renewers;		/* mask of peers, or RENEWERS_UNKNOWN */
} Terms;

/* What survives a crash of the coordinator. */
typedef struct Durable
{
	int			owner;
	int64_t		term;
	int			primary;		/* -1 = none */
	uint32_t	frozen;			/* mask of peers */
	FoTime		blocked_until;	/* world time stands for the wall clock */
	int			recent_failovers;
	/* the operation in progress */
	bool		is_running;
	FoOperationKind kind;
	int			from;
	int			candidate;
	bool		is_fence_ordered;
	bool		is_demoted;
	int			drained;		/* candidate that has all that the old primary had written; -1 = none known */
	bool		is_promoting;
	int			ordered;		/* last candidate that a promotion was ordered of in it; -1 = none */
	int			attempts;
	bool		is_again;		/* it promotes the recorded primary, which is in recovery */
	bool		is_pending;		/* the primary was ordered to be one, and has not been seen to be */
	uint32_t	newest_timeline;	/* that anybody was ordered to begin */
	bool		is_sync_managed;
	char		sync_names[FO_SYNC_NAMES_LEN];
	char		sync_before[FO_SYNC_NAMES_LEN];
	uint32_t	receiving;		/* mask: seen streaming from the primary by the last check */
	int64_t		terms_version[PEERS_MAX];	/* of told */
	Terms		told[PEERS_MAX];
	Terms		before[PEERS_MAX];	/* may be known instead; none once an answer has shown told */
} Durable;

/* What a successor's copy shows of terms: it may lag. */
typedef struct TermsCopy
{
	int64_t		version[PEERS_MAX];
	Terms		told[PEERS_MAX];
	Terms		before[PEERS_MAX];
} TermsCopy;

typedef struct Run
{
	bool		is_active;
	FoOperationKind kind;
	int			phase;
	bool		is_resumed;
	bool		was_resumed;
	bool		is_undoing;
	bool		is_promoting;
	bool		is_promoted;
	bool		is_failed;
	bool		is_waiting;		/* for the end of a lease */
	bool		is_fencing;		/* the old primary is granted no lease any more */
	bool		is_fenced;		/* it has given up its lease, in this term */
	bool		is_demoted;		/* it was told to stop: no way back */
	bool		is_announced;	/* the intent to promote the candidate is on disk since then */
	bool		is_commit_needed;	/* by what was planned of the phase */
	FoTime		began_at;
	int			from;
	int			candidate;
	int			target;
	int			ordered;		/* last candidate that a promotion was ordered of; -1 = none */
	int			attempts;
	int			drain_to;		/* -1 = nothing to drain */
	uint32_t	timeline;
	uint32_t	excluded;
	uint32_t	frozen;
	FoFinalPosition final[PEERS_MAX];
	FoTime		cut_at[PEERS_MAX];
} Run;

struct Coordinator
{
	int			index;
	bool		is_alive;
	bool		is_superseded;	/* another coordinator has a higher term */
	bool		is_claiming;	/* has just taken over */
	int			boot;
	FoTime		booted_at;		/* own clock */
	int			commits_until_crash;	/* -1 = none planned */
	bool		is_crash_before_commit;
	Durable		disk;
	Durable		state;			/* disk, plus what is not committed yet */
	FoPeerView	views[PEERS_MAX];
	Link		links[PEERS_MAX];
	FoLeaseBook books[PEERS_MAX];
	FoFinalPosition calm[PEERS_MAX];	/* as seen before the primary fell silent */
	uint32_t	accepted;		/* mask: has taken our term since this process began */
	FoTime		pending_at;		/* since when the primary is pending */
	FoTime		failed_at;		/* end of the last operation that failed */
	FoGroupView view;
	FoVerdict	verdict;
	bool		is_changed;
	bool		is_judge_armed;
	int			judge_timer;
	Run			run;
	Task		tasks[TASKS_MAX];
	int			task_ids;
	FoTime		stray_since[PEERS_MAX];
	FoTime		mend_at[PEERS_MAX];
	FoTime		nobody_since;	/* everybody answers since then, and nobody can be the primary; 0 = not so */
	FoTime		unfit_since[PEERS_MAX];	/* sync.c */
	FoTime		fit_since[PEERS_MAX];
	FoTime		sync_retry_at;
};

/* ---- the world ---- */

typedef struct Commit
{
	bool		is_acknowledged;
	bool		is_sync;
	int			by;
	int			position;
	FoTime		at;
} Commit;

typedef struct Fault
{
	int			kind;
	int			target;
	int			other;
	bool		is_aimed;		/* at that target */
	FoTime		from;
	FoTime		until;
} Fault;

struct World
{
	uint64_t	seed;
	uint64_t	random;
	uint64_t	hash;			/* of everything that has happened */
	Mutant		mutant;
	bool		is_telling;		/* print the story */
	FoTime		now;
	uint32_t	events_n;
	char		violation[256]; /* '' = none */
	bool		is_unsafe;		/* it is one of safety, not of slowness */

	int			peers_n;
	FoSettings	settings;		/* lease_time changes now and then */
	uint32_t	unlisted;		/* mask: not to renew leases, as the configuration has it */
	TermsCopy	terms_copy;		/* of the first coordinator's */
	FoTime		patience;		/* a standby that has been silent for so long is not listed */
	Host		hosts[HOSTS_MAX];
	bool		is_cut[HOSTS_MAX][HOSTS_MAX];	/* from, to */
	Server		servers[PEERS_MAX];
	Coordinator coordinators[COORDINATORS_N];
	Session		sessions[SESSIONS_MAX];
	int			sessions_n;

	Commit		commits[RECORDS_MAX];
	int			records_n;
	int			acknowledged_n;
	int			kept[RECORDS_MAX];	/* acknowledged where the group manages synchronous standbys */
	int			kept_n;

	bool		has_successor;	/* a second coordinator may take over */
	bool		is_succession_known;	/* and a quorum of the standbys has taken its term */
	Fault		faults[FAULTS_MAX];
	int			faults_n;
	FoTime		healed_at;		/* faults end by then */
	bool		is_healed;
	bool		is_over;
	int			acknowledged_at_heal;
	int			failovers;
	int			switchovers;
	uint64_t	begun_timelines;	/* mask */

	Event	   *queue;
	int			queue_n;
	Message    *messages;
	int		   *free_messages;
	int			free_messages_n;
};

#endif							/* SIM_MODEL_H */
