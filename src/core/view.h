/*-------------------------------------------------------------------------
 *
 * view.h
 *		The frozen snapshot of a group on which every decision is taken.
 *
 * The coordinator fills one FoGroupView and its FoPeerViews from what it has
 * observed; verdicts (verdict.c), rankings (candidate.c) and findings
 * (preflight.c) are made of them and of what their callers pass, and of nothing else.
 * The same structs are what the coordinator publishes in shared memory, so a
 * dry run in any backend (failover_evaluate) decides on exactly what the
 * coordinator saw.  No pointers inside FoPeerView: it is copied as bytes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_VIEW_H
#define FO_CORE_VIEW_H

#include "core/health.h"
#include "core/settings.h"
#include "core/types.h"

/* Longest synchronous_standby_names that we look at; longer ones are "unknown". */
#define FO_SYNC_NAMES_LEN 512

/*
 * What one answer to the status query said.  Kept after the peer is gone: the
 * last words of a dead primary are evidence.
 */
typedef struct FoObservation
{
	FoTime		at;				/* when the answer arrived; 0 = never answered */
	bool		in_recovery;
	uint32_t	timeline;		/* of the WAL position; 0 = unknown */
	FoLsn		lsn;			/* primary: flushed; standby: the greater of received and replayed */
	uint64_t	system_identifier;
	FoReceiver	receiver;
	uint32_t	receiver_timeline;
	int64_t		message_age_us; /* since the walreceiver's last message; -1 = unknown */
	char		upstream_host[FO_NAME_LEN]; /* whom the walreceiver is connected to; '' = nobody */
	int32_t		upstream_port;
	int32_t		streaming_standbys; /* walsenders in state streaming */
	int32_t		sync_standbys;	/* of those, sync or quorum */
	int32_t		listed_standbys;	/* of those, by a name in sync_names */
	int32_t		connections;	/* -1 = unknown */
	bool		is_replay_paused;
	int64_t		apply_delay_ms; /* recovery_min_apply_delay */
	int64_t		started_at;		/* postmaster start, TimestampTz of the peer */
	int32_t		server_version;	/* PG_VERSION_NUM form */
	bool		is_read_only;	/* default_transaction_read_only */
	bool		is_privileged;	/* our role may read settings and WAL status */
	bool		is_inoperable;	/* our role may not promote it, or not have it follow another server */
	bool		has_upstream_password;	/* its primary_conninfo carries a password */
	bool		is_archive_only;	/* a standby without primary_conninfo that we did not freeze */
	char		application_name[FO_NAME_LEN];	/* what a standby calls itself upstream */
	char		sync_names[FO_SYNC_NAMES_LEN];	/* synchronous_standby_names */
	/* With the node library; 0 without it. */
	bool		has_node_library;
	bool		has_node_worker;	/* its background worker runs */
	bool		may_clone;		/* failover.allow_clone is on there */
	char		coordinator[FO_NAME_LEN];	/* who owns its term; '' = did not say */
	bool		is_armed;		/* its gate demands a lease */
	bool		may_commit;		/* it held one when it answered */
	int64_t		term;
	int64_t		fenced_term;	/* grants of this term and older ones are void there; -1 = never fenced */
	int64_t		lease_until_us; /* of the peer's own clock */
	int64_t		clock_us;		/* the peer's own clock at the reply */
	int64_t		wall_us;		/* its clock of the day, read at the same time */
	int64_t		incarnation;	/* drawn anew at each start of the peer */
	int64_t		standbys_version;	/* of the list of renewing standbys that it knows */
	char		rejoin_phase[16];	/* '' or none: nothing is under way */
	char		rejoin_report[FO_SENTENCE_LEN];	/* what its last rejoin did or failed at */
	int64_t		rejoin_term;	/* that the request came with; 0 = there was none */
	int64_t		lost_bytes;		/* up to its last commit beyond the fork that it gave up; -1 = not counted */
} FoObservation;

/* What became of asking a silent primary's witness to reconnect to it. */
typedef enum FoProbeState
{
	FO_PROBE_NONE = 0,			/* not asked -> ASKED */
	FO_PROBE_ASKED,				/* told to reconnect, no result yet -> LOST, BACK, UNHEARD */
	FO_PROBE_LOST,				/* it could not: the primary serves nobody -> NONE */
	FO_PROBE_BACK,				/* it streams again: the primary lives -> NONE */
	FO_PROBE_UNHEARD			/* told to, perhaps, and then it fell silent itself -> ASKED, NONE */
} FoProbeState;

typedef struct FoPeerView
{
	char		name[FO_NAME_LEN];
	char		zone[FO_NAME_LEN];	/* '' = none */
	int32_t		priority;		/* lower is preferred */
	int32_t		weight;
	bool		is_promotable;
	bool		is_in_maintenance;
	bool		is_fenced;		/* we fenced it and it has not come back as a standby */
	bool		was_armed;		/* its gate demanded a lease when it answered last, a former coordinator process perhaps */
	bool		is_stranger;	/* was never the group's primary, nor seen to follow it: its data are its own */
	char		other_group[FO_NAME_LEN];	/* the same server is registered in that group, too, as... */
	char		other_name[FO_NAME_LEN];	/* ...that peer; '' = it is not */
	bool		is_counted_there;	/* and counts there: here it counts for nothing */
	bool		is_perhaps_there;	/* a group of its system has not been looked at yet */
	bool		is_history_rejected;	/* seen diverged from the primary's history: cannot follow */

	FoLsn		wal_gone_from;	/* it needs WAL from there on that the primary no longer has; 0 = not known to */

	FoHealthState health;
	FoErrorClass error;			/* of the last attempt to reach it, checks and connects alike; NONE = it answered */
	FoTime		failing_since;	/* first failed attempt since the last answer; 0 = it answers */
	FoTime		last_attempt_at;	/* when the last attempt ended; 0 = never tried */
	bool		is_hung_up;		/* its own process ended the last session with it, and it has not answered since */
	bool		was_missing;	/* it has not answered this coordinator process, nor for a while the one before, which did not see it end */
	bool		is_stop_orderly;	/* its last words were an orderly shutdown (57P01, 57P03 shutting down) */
	FoTime		alive_error_since;	/* since when it says starting up / shutting down; 0 = it does not */

	int32_t		connect_failures;	/* fresh connects that failed by silence in a row while its session answers */
	FoTime		connect_failing_since;	/* 0 = fresh connects work */
	FoTime		write_failing_since;	/* write check failing or hanging; 0 = it works or is off */
	FoTime		leaseless_since;	/* the recorded primary, to be granted a lease, has answered without one; 0 = not so */

	FoObservation observed;		/* the last answer; observed.at = 0: never answered */
	FoTime		received_at;	/* last time it was seen streaming from the group's primary, with a live connection; 0 = never */
	FoLsn		lsn_moved_to;	/* highest lsn seen */
	FoTime		lsn_moved_at;	/* when lsn last advanced */
	FoTime		lsn_received_by;	/* by when what made it advance had certainly reached the peer; not after lsn_moved_at */

	FoProbeState probe;			/* of this witness, for the current silence of the primary */
	FoTime		probe_at;		/* when the state above was entered */
} FoPeerView;

typedef struct FoGroupView
{
	char		name[FO_NAME_LEN];
	FoGroupKind kind;
	FoTime		now;
	FoSettings	settings;

	int64_t		term;
	int64_t		newer_term;		/* another coordinator has taken over with this one; 0 = none has */
	char		newer_owner[FO_NAME_LEN];
	bool		is_claiming;	/* this coordinator is about to take over, and has not looked at everybody yet */
	bool		is_unconfirmed; /* another coordinator may have taken over: too few standbys have taken our term */
	uint64_t	system_identifier;	/* of the group, as recorded; 0 = not known yet */
	int32_t		primary;		/* index into peers of the recorded primary; -1 = none known */
	bool		is_primary_pending; /* it was ordered to be one, or to stop being one, and was not seen out of recovery since */

	/*
	 * Timelines up to this one are of the group's own history even though the
	 * recorded primary was not seen on them: candidates were ordered to begin
	 * them.  0 = none.
	 */
	uint32_t	newest_timeline;
	bool		is_paused;
	bool		is_operation_running;
	FoTime		clock_jump_until;	/* observe only until then; 0 = no jump */
	FoTime		blocked_until;	/* end of the block period; 0 = none, or acknowledged */
	FoTime		moved_until;	/* so long after the last move of the primary, planned or not, one that is slow is not moved; 0 = none, or acknowledged */
	bool		is_failback_resting;	/* another peer is preferred, and a person has moved the primary away from it */
	int32_t		recent_failovers;	/* attempts inside the running block period */
	FoTime		retry_at;		/* what it did last has failed: it does nothing by itself before; 0 = it has not */
	char		retry_reason[FO_SENTENCE_LEN / 2];	/* how that failed */
	FoTime		nobody_since;	/* since then every peer has answered, and is a standby or kept from writing by its gate; 0 = not so */

	/*
	 * Where the group manages synchronous_standby_names (sync_mode): what the
	 * primary was last told to have, and what it had before, as long as commits
	 * that were acknowledged under that may not be on the new standbys yet; the
	 * same text twice once they are.  An empty text is no set at all.
	 */
	bool		is_sync_managed;
	char		sync_names[FO_SYNC_NAMES_LEN];
	char		sync_before[FO_SYNC_NAMES_LEN];

	int32_t		peers_n;
	const FoPeerView *peers;	/* peers_n of them, in order of name */
} FoGroupView;

/*
 * Answers now: its last attempt succeeded.  (A peer whose check is in flight
 * still counts by the one before.)
 */
static inline bool
fo_core_peer_answers(const FoPeerView *peer)
{
	return peer->observed.at != 0 && peer->error == FO_ERROR_NONE;
}

/* As far as its last answer says: a standby, or a server whose gate lets no commit through. */
static inline bool
fo_core_is_kept_from_writing(const FoPeerView *peer)
{
	return peer->observed.in_recovery || (peer->observed.is_armed && !peer->observed.may_commit);
}

/* Has every check failed since that moment, or since before? */
static inline bool
fo_core_is_failing_since(const FoPeerView *peer, FoTime moment)
{
	return peer->error != FO_ERROR_NONE && peer->failing_since != 0 && peer->failing_since <= moment;
}

/*
 * No server runs there: the process at the other end of our session ended it,
 * and since then the host refuses connections.  A refusal alone may be a
 * firewall's, with the server behind it alive and well.
 */
static inline bool
fo_core_is_proven_dead(const FoPeerView *peer)
{
	return peer->error == FO_ERROR_REFUSED && peer->is_hung_up;
}

/*
 * It refuses connections, but nobody saw its process end: it may live behind a
 * firewall.  The end of one that went while no coordinator was there to look
 * could not be seen; nothing speaks for a firewall then.
 */
static inline bool
fo_core_may_be_walled_off(const FoPeerView *peer)
{
	return peer->error == FO_ERROR_REFUSED && !peer->is_hung_up
		&& (peer->observed.at != 0 || peer->was_missing);
}

/* The recorded primary; NULL = none known. */
static inline const FoPeerView *
fo_core_primary(const FoGroupView *group)
{
	return group->primary >= 0 && group->primary < group->peers_n ? &group->peers[group->primary] : NULL;
}

#endif							/* FO_CORE_VIEW_H */
