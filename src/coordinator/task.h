/*-------------------------------------------------------------------------
 *
 * task.h
 *		One piece of work on one peer, by the law of operations: look ("already
 *		done?"), act, look again until it is done or its deadline has passed.
 *
 * What to look at and what to do is an FoAction (actions.h): SQL text out, a
 * result row in.  The task knows links, deadlines and repetition, and nothing
 * else.  When the session breaks, the task waits for the monitor to bring it
 * back and starts over by looking; so a lost answer never makes it act blindly
 * twice.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_TASK_H
#define FO_COORDINATOR_TASK_H

#include "coordinator/world.h"
#include "core/candidate.h"
#include "lib/stringinfo.h"

/* What a look has found. */
typedef enum FoLook
{
	FO_LOOK_NOT_YET,			/* act if we have not, else look again */
	FO_LOOK_WAIT,				/* it is under way: look again, do not act */
	FO_LOOK_DONE,
	FO_LOOK_FAILED				/* cannot be done here; task->detail says why */
} FoLook;

typedef struct FoAction
{
	/* The SELECT whose single row read() judges.  NULL: done when the statements have run. */
	void		(*look) (FoTask *task, StringInfo sql);
	FoLook		(*read) (FoTask *task, const PGresult *result);

	/* Append the statements (fo_coordinator_task_statement).  False: cannot act now, try again later. */
	bool		(*act) (FoTask *task);

	int			poll_ms;		/* between looks */
	int			kick_ms;		/* reload the peer's configuration after waiting so long, and then ever more slowly; 0 = never */
	bool		is_slow;		/* may take long: on a session of its own, so that checks go on */
	bool		is_restarting;	/* the peer goes away and comes back: refused connections are part of it */
	bool		is_lost_done;	/* a session that is lost after acting means that it has worked */
	bool		is_acting_blind;	/* skip the first look: acting twice does no harm */
	bool		is_answer_due;	/* whoever does not answer within check_timeout, or whose session is lost, is not waited for */
	bool		is_telling;		/* the last statement answers as a look would: none follows */
} FoAction;

/* What keeps a standby from following, whatever is tried. */
typedef enum FoObstacle
{
	FO_OBSTACLE_NONE = 0,		/* nothing is known of any */
	FO_OBSTACLE_DIVERGED,
	FO_OBSTACLE_WAL_GONE
} FoObstacle;

/* How far a standby has got that does not stream. */
typedef struct FoStanding
{
	FoTime		at;				/* when it was asked last; 0 = it was not */
	FoLsn		lsn;			/* the greater of received and replayed */
	uint32		timeline;
	bool		is_still;		/* it was there when it was asked before */
	bool		has_archive;	/* restore_command is set there */
	FoObstacle	obstacle;		/* what the primary has told */
} FoStanding;

/* What an action needs to know and what it has found out; fields are the actions' own. */
typedef struct FoTaskFacts
{
	char	   *conninfo;		/* primary_conninfo to set */
	char	   *upstreams;		/* SQL of an array of others that it may turn to, should that one be lost */
	char	   *names;			/* synchronous_standby_names to set */
	char	   *condition;		/* SQL, for slots to drop */
	const char **slots;			/* NULL-terminated: slots to create */
	const char *slot;			/* primary_slot_name to set; NULL or '' = none */
	const char *holder;			/* who is the primary */
	int64		term;
	bool		is_asked;		/* the request was sent once: never send it blindly again */
	bool		is_handover;	/* of a planned move: the node library tells clients where to wait */
	bool		is_taken;		/* of a rejoin: the peer has the request, or may have it, and needs nobody to go on */
	uint32		timeline;		/* timeline to reach; 0 = not known yet */
	FoLsn		lsn;			/* position to reach, or reached */
	bool		is_final;		/* of a fence: nothing is acknowledged behind lsn */
	bool		is_flushing;	/* of a fence: the look under way flushes... */
	bool		is_flush_lost;	/* ...and one before had no answer */
	char	   *members;		/* SQL of an array: lower-case names in the set */
	char	   *doubtful;		/* the same of those that are to go for their silence alone */
	char	   *vouched;		/* lines: those of them that confirm commits all the same; NULL = none */
	int			members_n;
	int			required;		/* confirmations that a commit is to need */
	bool		is_any;			/* the set is "*" */
	bool		is_growing;		/* names are added */
	int			bearers_n;		/* registered standbys whose names are in the set */
	int			streaming_n;	/* walsenders that stream under those names */
	bool		is_waiting;		/* commits are known to wait for synchronous standbys */
	bool		is_checkpoint_due;	/* they are not, and that it takes a checkpoint to know */
	bool		is_forbidden;	/* our role may not do it */
	bool		is_applied;		/* the setting is in force */
	FoLsn		marker;			/* covers all that was acknowledged before it was; 0 = not taken yet */
	int			attempts;		/* of a rejoin: how often the peer is to try, which takes a restart each time */
	bool		is_hopeless;	/* it has given up before that: what is in the way does not pass */
	bool		is_rewound;		/* it had to be rewound, or copied */
	int			receiver_pid;	/* of the walreceiver before it was asked to reconnect, or that has been streaming... */
	FoTime		streams_since;	/* ...since then; 0 = it does not */
	int			good_looks;		/* in a row */
	int			good_looks_needed;
	FoTime		acted_at;
	FoTime		odd_since;		/* since when something looks hopeless */
	FoFinalPosition final;
	FoStanding	standing;
	bool		is_noting;		/* the look under way asks for that */
	bool		is_elsewhere;	/* of a repoint: it was told, and its walreceiver went on with the upstream before */
} FoTaskFacts;

/* Called once, when the task has ended; the task is freed after it returns. */
typedef void (*FoTaskCallback) (FoTask *task, void *arg);

struct FoTask
{
	MemoryContext cxt;			/* holds the task, its facts and statements */
	const FoAction *action;
	FoPeer	   *peer;
	FoTaskFacts facts;
	FoTime		started_at;
	FoTime		deadline;

	/* outcome, for the callback */
	bool		is_done;
	bool		is_late;		/* it failed because its time was up */
	bool		is_refused;		/* it failed because the peer answered with an SQL error, and nothing was done */
	bool		is_peer_dead;	/* it failed because the peer refuses connections */
	char		detail[FO_SENTENCE_LEN];

	/* task.c's own */
	FoTaskCallback finished;
	void	   *arg;
	FoLink	   *link;			/* own session of a slow action; else NULL */
	FoTimer		timer;
	bool		is_calling;		/* a call is in flight */
	bool		has_acted;
	int			acts_n;			/* how often the statements were sent */
	FoTime		kicked_at;
	int			kick_ms;		/* from there until the next kick */
	int			statements_n;
	const char *statements[16];
};

/*
 * Create and start.  facts is copied (its strings must live in a context that
 * outlives the task, or be put into task->cxt by the caller afterwards).  The
 * callback is not called before this returns.
 */
extern FoTask *fo_coordinator_task_start(const FoAction *action, FoPeer *peer, const FoTaskFacts *facts,
										 int64 timeout_ms, FoTaskCallback finished, void *arg);

/* End it without a callback. */
extern void fo_coordinator_task_cancel(FoTask *task);

/* For actions: add a statement (formatted, allocated in the task). */
extern void fo_coordinator_task_statement(FoTask *task, const char *format,...) pg_attribute_printf(2, 3);

/* For actions: the sentence that explains the outcome. */
extern void fo_coordinator_task_explain(FoTask *task, const char *format,...) pg_attribute_printf(2, 3);

#endif							/* FO_COORDINATOR_TASK_H */
