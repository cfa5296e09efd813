/*-------------------------------------------------------------------------
 *
 * world.h
 *		The coordinator worker's memory: groups, their peers, and what the
 *		worker is doing about them.
 *
 * One FoWorld per worker process, built from the tables at start and merged
 * with them again whenever a transaction changed the configuration
 * (fo_shared_config_changed).  Configuration is the tables'; state (who is
 * primary, the term, fences, downtime) is this process's: it is read once,
 * when a group first appears, and from then on only written.
 *
 * Ownership within the room:
 *		world.c		builds and merges groups, peer.c peers; each owns a memory context
 *		monitor.c	observes, with connectcheck.c, writecheck.c, listener.c, library.c and
 *					lease.c; evidence.c makes of it every field of FoPeer.view but the configuration ones
 *		judge.c		reads views, keeps FoGroup.verdict, starts what the verdict asks for
 *		mend.c		small repairs of single peers outside of operations
 *		elsewhere.c	servers that are registered in another group, too
 *		failback.c	back to the preferred primary; the group's failback_rests
 *		following.c	what keeps a standby from following
 *		syncmode.c, syncplan.c	the primary's synchronous_standby_names; the fields sync of group and peer
 *		slots.c		slots that a change of the primary leaves behind
 *		survey.c	what peers say of themselves when failover_preflight asks; sources.c whether they
 *					could be rewound from each other
 *		outage.c	changes of health, as events and downtime
 *		requests.c	what people ask for; schedule.c what is to be begun at some time; moves.c
 *					whether the primary may be moved so; refusals.c words for what is refused
 *		retry.c		how long to wait after an operation that failed
 *		run.c, executor.c	FoGroup.run, with the files that run.h names; actions_*.c the SQL of
 *					each step; task.c drives one step on one peer, row.c reads its answers
 *		takeover.c	whether another coordinator has taken over; alive.c how long this one was away
 *		record.c	what has happened, queued for the tables; blocked.c who keeps it from them
 *		publish.c	copies into shared memory
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_WORLD_H
#define FO_COORDINATOR_WORLD_H

#include "postgres.h"

#include "lib/ilist.h"

#include "catalog/catalog.h"
#include "core/lease.h"
#include "core/preflight.h"
#include "core/verdict.h"
#include "core/view.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/resolver.h"

typedef struct FoWorld FoWorld;
typedef struct FoGroup FoGroup;
typedef struct FoPeer FoPeer;
typedef struct FoRun FoRun;		/* an operation being carried out: executor.h */
typedef struct FoTask FoTask;	/* one step on one peer: task.h */
typedef struct FoMonitor FoMonitor; /* private to monitor.c */
typedef struct FoSources FoSources; /* private to sources.c */

/* syncmode.c: one standby as a member of the synchronous set. */
typedef struct FoSyncMember
{
	FoTime		unfit_since;	/* 0 = it is fit to stay */
	FoTime		fit_since;		/* 0 = it is not fit to be added */
	FoLsn		goal;			/* a position of the primary that it has yet to reach */
	FoTime		goal_at;		/* when that was seen there */
	FoTime		vouched_until;	/* it is silent, but the primary says that it confirms; 0 = it does not say so */
	const char *why;			/* what is wrong with it; static */
	FoTime		reset_retry_at; /* sync_mode is off: no attempt to take our setting out of it before */
	int			reset_failures; /* of that, in a row */
} FoSyncMember;

/* syncmode.c: the change that was tried last, and what was told of it. */
typedef struct FoSyncWatch
{
	char		tried[FO_SYNC_NAMES_LEN];
	int			failures;		/* of it, in a row */
	FoTime		retry_at;
	FoTime		knocks_since;	/* it is to be seen to take connections, since; 0 = nothing is to be changed */
	FoTime		short_since;	/* the primary counts too few members, since; 0 = enough */
	bool		is_blocked;		/* said that commits wait */
	bool		is_waiting;		/* commits are known to wait for a standby, since the setting was last seen empty */
	char		reason[FO_SENTENCE_LEN];	/* why it is to change */
	char		told[FO_SENTENCE_LEN];	/* the last failure, so that it is told once */
} FoSyncWatch;

struct FoPeer
{
	FoGroup    *group;
	MemoryContext cxt;			/* holds the peer, its config strings, its links */
	FoPeerConfig cfg;			/* configuration, and the state that survives restarts */

	/*
	 * What decisions see.  name, zone, priority, weight, is_promotable,
	 * is_in_maintenance, is_fenced: peer.c; probe, probe_at: mend.c;
	 * is_history_rejected, wal_gone_from: following.c; other_group, other_name,
	 * is_counted_there, is_perhaps_there: elsewhere.c; everything else: the
	 * monitor (evidence.c, connectcheck.c, writecheck.c).
	 */
	FoPeerView	view;

	/* monitor.c: kept for people */
	char		last_error[FO_SENTENCE_LEN];
	TimestampTz down_since;		/* wall clock of view.health.down_since; 0 = up */

	/*
	 * The kept session.  monitor.c opens and closes it; executor and judge
	 * make calls on it while fo_net_link_is_ready().
	 */
	FoLink	   *link;
	FoMonitor  *monitor;

	bool		is_commit_refused;	/* writecheck.c: by its gate, the last time */

	FoTime		knocked_at;		/* begin of the last fresh connect that did not find its postmaster asleep; connectcheck.c */

	/* monitor.c: with the node library */
	char	   *node_schema;	/* quoted schema of its functions; NULL = it has no node library */

	/* Of its last reply with these, or of the look at a new session; evidence.c. */
	int64		node_term;
	int64		node_incarnation;	/* 0 = not known */
	FoTime		node_clock_us;	/* its clock... */
	FoTime		node_clock_at;	/* ...and when that was received, on ours */

	/* lease.c */
	FoLeaseBook lease_book;
	int64		lease_on_disk;	/* cfg.lease_version as it was last written */

	/* elsewhere.c: the start of the server for which was looked into the other groups, and when it was first seen */
	int64		elsewhere_started_at;	/* 0 = not looked */
	FoTime		elsewhere_since;

	FoHealth	noted_health;	/* outage.c: as last written down */
	int			failed_standing;	/* retry.c: what was known of it when an operation failed */

	/* mend.c: forced reconnect, fencing, lifting a fence */
	FoTask	   *task;
	FoTask	   *sync_checkpoint;	/* syncmode.c: on a primary, to know whether commits wait; NULL = none */
	FoTime		task_retry_at;	/* do not start another before */
	FoTime		failback_retry_at;	/* failback.c: nor move the primary here */
	int			task_attempts;	/* rejoins since it last streamed steadily, or since retry.c has forgotten them */
	bool		is_rejoin_hopeless;	/* steps_node.c: the last one met what does not pass */
	bool		is_settled;		/* retry.c: since the last one it has answered, and is not on its way any more */
	int64		rejoining_from;	/* incarnation in which it took a request that nobody waits for any more; 0 = none */
	int64		loss_counted_in;	/* incarnation whose count of lost WAL is in the history; 0 = none */
	bool		is_loss_due;	/* that is to be written with the state */
	bool		has_archive;	/* following.c: with wal_gone_from: it has a restore_command, and would trust that to have the WAL */
	bool		is_following_nobody;	/* evidence.c: a standby with primary_conninfo = '' */
	FoTime		unfed_since;	/* evidence.c: it answers, and does not receive from the group's primary, since; 0 = it does */
	FoTime		well_since;		/* a standby that is healthy and streams, since; 0 = it is not */
	FoTime		stray_since;	/* a standby that does not stream, since; 0 = it streams */

	/* slots.c; the last three: writecheck.c */
	uint32		slots_timeline; /* of the primary for which the slots left here have been seen to; 0 = none */
	FoTime		slots_look_at;	/* not before */
	char		logical_slots[FO_SENTENCE_LEN];	/* of a primary, those that would not survive it; '' = none, or not known */
	char		failover_slots[FO_SENTENCE_LEN];	/* of a primary, those that were made to survive it, with commas */
	uint32		failover_slots_timeline;	/* of the primary when it told so; 0 = it has not */

	FoSyncMember sync;
	FoPeerFacts *facts;			/* survey.c: what it said of itself when it was asked last; NULL = never */
	FoSources  *sources;		/* NULL = it was never asked to try them */

	bool		is_state_dirty; /* cfg's state fields differ from the table */
};

/* A time that is to pass; judge.c. */
typedef struct FoRest
{
	TimestampTz until;			/* by the wall clock, as it is stored */
	FoTime		ends_at;		/* made from that */
} FoRest;

struct FoGroup
{
	FoWorld    *world;
	MemoryContext cxt;
	FoGroupConfig cfg;			/* configuration and state; cfg.peers and cfg.planned are not used: see peers, planned */
	int			peers_n;
	FoPeer	  **peers;			/* in order of name */

	/* judge.c */
	FoPeerView *views;			/* peers_n of them: the peers' views, contiguous */
	FoGroupView view;			/* last frozen snapshot; view.peers = views */
	FoVerdict	verdict;		/* on that snapshot */
	bool		is_changed;		/* new evidence: judge at the end of this turn */
	FoTimer		judge_timer;	/* verdict.recheck_at */

	FoSyncWatch sync;

	FoTime		surveyed_at;	/* survey.c: when the peers were last asked for facts; 0 = never */
	char		failback_barred[FO_SENTENCE_LEN];	/* failback.c: what was last told of that; '' = it is not barred */

	/* schedule.c */
	int			planned_n;
	FoPlannedOperation *planned;	/* in order of their time */
	FoTimer		planned_timer;

	/* run.c */
	FoRun	   *run;			/* NULL = no operation in progress */
	FoTime		nobody_since;	/* judge.c: every peer answers since then, and none can be the primary; 0 = not so */
	FoTime		pending_at;		/* failure.c: since when cfg.is_primary_pending; 0 = a former worker has set it */
	FoRun	   *ended;			/* list: ended, but not written yet or with background steps */

	/* retry.c */
	int			failures_n;		/* in a row, of operations that the coordinator began by itself */
	FoTime		failed_at;		/* when the last operation failed */
	FoTime		retry_at;		/* no operation that moves the primary is begun before, but for a request */
	char		retry_reason[FO_SENTENCE_LEN / 2];	/* how it failed */

	bool		is_state_dirty; /* cfg's state fields differ from the table */
	/* takeover.c */
	bool		is_claiming;	/* to be taken over when everybody was looked at, or at claim_until */
	FoTime		claim_until;
	bool		is_confirmation_needed; /* by a majority of the standbys, before leases are granted */
	bool		is_acknowledged;	/* world.c: failover_acknowledge() was called since this worker began: that does, too */
	int64		newer_term;		/* another coordinator's; 0 = none is known */
	char		newer_owner[FO_NAME_LEN];

	int64		term_on_disk;	/* record.c: cfg.term as it was last written */
	bool		is_publish_needed;
	bool		is_verdict_news;	/* the verdict has not been told yet since it last changed */
	FoTime		run_ended_at;	/* run.c: when the last operation ended; 0 = none has in this process */

	/* judge.c */
	FoRest		block_rest;		/* the block period */
	FoRest		move_rest;		/* the time after any move in which no primary is left for being slow */

	/* record.c: its rows cannot be written with those of others, until then not at all */
	bool		is_apart;
	FoTime		apart_retry_at;

	/* blocked.c */
	FoTime		blocked_since;	/* somebody keeps its rows locked, since; 0 = nobody does */
	int			blocker_pid;	/* who that is, as was told; 0 = nobody */

	bool		is_orphaned;	/* its row is gone: it goes when its operation has ended */
	bool		is_touched;		/* in FoWorld.touched */
	dlist_node	touched_node;
	int			slot;			/* where it is published, and where its peers are */
	int			first_slot;
};

struct FoWorld
{
	MemoryContext cxt;
	FoLoop	   *loop;
	FoResolver *resolver;
	int			groups_n;
	FoGroup   **groups;			/* in order of name */
	int			peers_n;		/* of all groups */
	int			orphans_n;		/* groups that are orphaned */
	dlist_head	touched;		/* groups with which something may be going on: the others cost a turn nothing */
	uint64		loaded_generation;
	bool		is_loaded;

	bool		is_other;		/* takeover.c: another coordinator than the one that the tables tell of */
	bool		is_turned_back; /* takeover.c: its tables are older than what data servers know of it */
	bool		is_copied;		/* takeover.c: there may be another coordinator with these tables */
	FoTime		clock_jump_until;	/* main.c: observe only until then */
	FoTime		away_us;		/* how long no coordinator ran before this worker; -1 = unknown */
};

/* ---- world.c ---- */

extern FoWorld *fo_coordinator_world_create(void);

/*
 * Load or merge the configuration.  Inside fo_catalog_begin/end.  generation
 * is fo_shared->config_generation as it was read before the transaction began,
 * so that a change committed meanwhile is loaded the next time.
 */
extern void fo_coordinator_world_load(FoWorld *world, uint64 generation);

/*
 * Something has changed about the group, or is to be judged, written or
 * published.  fo_coordinator_settle() at the end of a turn forgets those for
 * which nothing of that is true any more.
 */
extern void fo_coordinator_touch(FoGroup *group);
extern void fo_coordinator_settle(FoWorld *world);

/* Touch them all, in case that somebody forgot to. */
extern void fo_coordinator_touch_all(FoWorld *world);

/* Is there a group without a row that can go now?  Load again then. */
extern bool fo_coordinator_is_orphan_idle(const FoWorld *world);

extern FoGroup *fo_coordinator_find_group(FoWorld *world, const char *name);
extern FoPeer *fo_coordinator_find_peer(FoGroup *group, const char *name);	/* NULL also for '' */

/* The recorded primary; NULL = none known. */
extern FoPeer *fo_coordinator_primary(FoGroup *group);

/* ---- peer.c ---- */

/* Can this primary hand over in an orderly way?  It needs the node library for that.  NULL: no. */
extern bool fo_coordinator_can_switch_over(const FoPeer *primary);

/* A step stops the peer's walreceiver, or has pointed it at a primary again. */
extern void fo_coordinator_set_frozen(FoPeer *peer, bool is_frozen);

/* A step points the peer at that primary; '' = it was seen to follow since. */
extern void fo_coordinator_set_told_to_follow(FoPeer *peer, const char *primary);

/* The peer is fenced no more: forget what the fence replaced. */
extern void fo_coordinator_clear_fence(FoPeer *peer);

/* ---- judge.c ---- */

/*
 * New evidence about the group: judge it at the end of this turn.  Called by
 * monitor.c after every change of a view.
 */
extern void fo_coordinator_group_changed(FoGroup *group);

/* Bring group->view up to date with the peers' views and the present. */
extern void fo_coordinator_freeze_view(FoGroup *group);

/* Judge every changed group, and act. */
extern void fo_coordinator_judge_all(FoWorld *world);

#endif							/* FO_COORDINATOR_WORLD_H */
