/*-------------------------------------------------------------------------
 *
 * catalog.h
 *		The extension's tables as structs.  The only room that knows SQL of the
 *		coordinator's own database.
 *
 * Functions here run inside a transaction with SPI connected (between
 * fo_catalog_begin and fo_catalog_end in the worker, between SPI_connect and
 * SPI_finish in a backend's function) unless said otherwise, and raise ERROR as
 * SPI does.  Tables are always named with the extension's schema: no search_path
 * is relied upon.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CATALOG_H
#define FO_CATALOG_H

#include "postgres.h"
#include "utils/timestamp.h"

#include "core/operation.h"
#include "core/settings.h"
#include "core/types.h"
#include "core/view.h"

/* ---- schema.c: where the extension lives ---- */

/*
 * Run one statement with %s in it replaced by the quoted schema (every %s), and
 * parameters as for SPI_execute_with_args.  Checks SPI's result code.
 * Returns the number of rows processed; SPI_tuptable is set for SELECT and RETURNING.
 */
extern uint64 fo_catalog_execute(const char *sql, int nargs, Oid *types, Datum *values,
								 const char *nulls, bool is_read_only);

/*
 * Once, when the worker has connected to its database: override the server's
 * settings that its own transactions must not be subject to.
 */
extern void fo_catalog_worker_init(void);

/* Wait less for locks, until told otherwise: the loop stands still meanwhile. */
extern void fo_catalog_worker_hurry(bool is_hurrying);

/*
 * A transaction of the worker: snapshot, SPI, statement timestamps, activity
 * reporting; fo_catalog_end commits and restores the memory context that was current
 * at the beginning.  What is palloc'd in between is gone afterwards.  False,
 * with nothing begun, if the extension is not installed.
 */
extern bool fo_catalog_begin(const char *activity);
extern void fo_catalog_end(void);

/* ---- settings_parse.c: text with units -> value ---- */

/*
 * Parse value as PostgreSQL parses a GUC (units, on/off, enum words) and store
 * it.  False with *error (and *hint: allowed values or units) palloc'd on bad input.
 */
extern bool fo_catalog_setting_parse(FoSettings *settings, const FoSettingDef *def, const char *value,
									 char **error, char **hint);

/* The value as a DBA would write it, in the largest unit that is exact; palloc'd. */
extern char *fo_catalog_setting_format(const FoSettings *settings, const FoSettingDef *def);

/* ---- conninfo.c, follow.c: registered conninfos, and what standbys follow ---- */

/*
 * Validate and normalize: only allowed keywords, none of them a secret, a host
 * present, ports and sizes sane.  Returns a palloc'd conninfo in canonical
 * keyword=value form; ERROR 22023 with the reason and a hint otherwise.  The
 * text of the conninfo never appears in the error.
 */
extern char *fo_catalog_conninfo_normalize(const char *conninfo);

/* Value of a keyword in a (normalized or template) conninfo, palloc'd; NULL if absent or the conninfo is none. */
extern char *fo_catalog_conninfo_get(const char *conninfo, const char *keyword);

/*
 * Compose the primary_conninfo that makes a standby follow upstream: the
 * follow template's keywords (NULL = none) with upstream's host, hostaddr and
 * port.  application_name is added if the template has none.  Never carries a
 * password, whatever the template does.  For ALTER SYSTEM on the peer the
 * template came from, and for nothing else: files it names are the peer's.
 * Palloc'd.
 */
extern char *fo_catalog_conninfo_follow(const char *template_conninfo, const char *upstream_conninfo,
										const char *application_name);

/* The same for a server that has no template of its own: another standby's, but for its name. */
extern char *fo_catalog_conninfo_borrow(const char *template_conninfo, const char *upstream_conninfo,
										const char *application_name);

/* ---- identity.c: which coordinator this is ---- */

typedef struct FoIdentity
{
	char		name[FO_NAME_LEN];
	char		place[2048];	/* where it was made */
	bool		is_copied;		/* its tables may be at work elsewhere */
} FoIdentity;

/* False if none is known yet. */
extern bool fo_catalog_read_identity(FoIdentity *identity);
extern void fo_catalog_write_identity(const char *name, const char *place, bool is_copied);

/* ---- config.c: configuration and state -> structs ---- */

/* The number of names in a list that is not known. */
#define FO_RENEWERS_UNKNOWN (-1)

/* What a peer with the node library is told of its lease. */
typedef struct FoLeaseTerms
{
	int64		lease_us;		/* how long it lasts; 0 = nothing was told */
	int			renewers_n;		/* at most FO_LEASE_STANDBYS_MAX, or FO_RENEWERS_UNKNOWN */
	char		(*renewers)[FO_NAME_LEN];	/* application_names of standbys that renew it; NULL = none */
} FoLeaseTerms;

/* Who keeps the coordinator from acting, since when and why. */
typedef struct FoHold
{
	TimestampTz since;			/* 0 = not known */
	char		by[FO_NAME_LEN];	/* session user; '' = not known */
	char		reason[FO_SENTENCE_LEN];	/* '' = none given */
} FoHold;

typedef struct FoPeerConfig
{
	char		name[FO_NAME_LEN];
	char	   *conninfo;		/* NULL: reported from outside */
	int32		priority;
	int32		weight;
	char		zone[FO_NAME_LEN];
	bool		is_promotable;
	TimestampTz maintenance_until;	/* 0 = none */
	FoHold		maintenance;
	TimestampTz registered_at;

	/* from failover_peer_state; zero if it has no row yet */
	bool		has_state;
	char	   *follow_conninfo;
	char	   *slot_name;
	bool		was_receiving;
	char		followed[FO_NAME_LEN];	/* the primary that it was last seen to receive from, or to be itself; '' = none: it never was one of the group */
	char		told_to_follow[FO_NAME_LEN];	/* the primary that an operation pointed it at; '' = it has been seen to follow since */
	bool		is_frozen;		/* a failover stopped its walreceiver, and has not pointed it at a primary since */
	bool		is_sync_reset_due;	/* sync_mode was switched off, and this peer may have a set of ours yet */
	bool		is_armed;		/* by its last answer: see FoObservation */
	int64		lease_version;	/* of lease_told; within a term of the peer it only rises */
	FoLeaseTerms lease_told;	/* the last that it was, or is to be, told */
	FoLeaseTerms lease_before;	/* those that it may know instead; none once it has taken lease_told */
	TimestampTz fenced_at;
	char	   *fence_saved;	/* jsonb as text */
	int64		outages;		/* finished ones; so the next */
	int64		downtime_us;
	TimestampTz down_since;		/* begin of the outage that goes on; 0 = it is up */
} FoPeerConfig;

/* An operation that is to begin later, and has not begun. */
typedef struct FoPlannedOperation
{
	int64		event_id;		/* that it will have */
	FoOperationKind kind;
	TimestampTz at;
	char		target[FO_NAME_LEN];	/* '' = nobody named */
	char		reason[FO_SENTENCE_LEN];	/* '' = none given */
	char		user[FO_NAME_LEN];	/* session user */
	char		held_by[FO_SENTENCE_LEN];	/* schedule.c: why it has not begun although it is due; '' = not tried yet */
} FoPlannedOperation;

typedef struct FoGroupConfig
{
	char		name[FO_NAME_LEN];
	FoGroupKind kind;
	char		preferred_primary[FO_NAME_LEN];
	TimestampTz paused_until;	/* 0 = not paused */
	FoHold		pause;
	TimestampTz acknowledged_at;
	FoSettings	settings;

	/* from failover_group_state */
	bool		has_state;
	int64		term;
	char		primary_peer[FO_NAME_LEN];	/* '' = none known */
	bool		is_primary_pending; /* see FoGroupView */
	uint32		newest_timeline;	/* highest that anybody was ordered to begin; 0 = none */
	uint64		system_identifier;	/* 0 = not known yet */
	TimestampTz blocked_since;
	TimestampTz blocked_until;
	int32		recent_failovers;
	TimestampTz last_failover_at;
	char		failback_rests[FO_NAME_LEN];	/* the preferred peer that a person has moved the primary past; '' = none */
	bool		is_redundancy_restored;
	bool		is_sync_managed;	/* the two below say something: see FoGroupView */
	char		sync_names[FO_SYNC_NAMES_LEN];
	char		sync_before[FO_SYNC_NAMES_LEN];

	int			peers_n;
	FoPeerConfig *peers;		/* in order of name */
	int			planned_n;
	FoPlannedOperation *planned;	/* in order of their time */
} FoGroupConfig;

/*
 * Everything, groups in order of name, allocated in cxt.  What no longer makes
 * sense is skipped with a WARNING: a setting, or a peer whose conninfo would
 * be refused today.  Read config_generation before the transaction begins: what
 * changes later bumps it again.
 */
extern FoGroupConfig *fo_catalog_load(MemoryContext cxt, int *groups_n);

/* ---- journal.c: what the worker writes ---- */

extern int64 fo_catalog_next_event_id(void);

typedef enum FoSeverity { FO_DEBUG, FO_INFO, FO_NOTICE, FO_WARNING, FO_SEVERE } FoSeverity;

/* group, peer and detail (jsonb as text) may be NULL.  Notifies channel (NULL or '' = nobody) with a small JSON on commit, or a little later where that would block the worker. */
extern void fo_catalog_write_event(const char *group, const char *peer, const char *kind, FoSeverity severity,
								   TimestampTz at, const char *message, const char *detail, const char *channel);

/* State of a group or peer that was dropped meanwhile is not written, and that is no error. */
extern void fo_catalog_write_group_state(const FoGroupConfig *group);

/* Called at each end of an outage: what downtime_us has grown by since the last call is taken for one outage's length. */
extern void fo_catalog_write_peer_state(const char *group_name, const FoPeerConfig *peer);

typedef struct FoOperationRow
{
	int64		event_id;
	char		group_name[FO_NAME_LEN];
	FoOperationKind kind;
	FoTrigger	trigger;
	char		from_peer[FO_NAME_LEN];	/* '' = NULL, here and below */
	char		to_peer[FO_NAME_LEN];
	FoOperationStatus status;
	char		reason[FO_SENTENCE_LEN];
	char		initiated_by[FO_NAME_LEN];
	int64		term;
	int32		rule;			/* 0 = NULL */
	bool		is_forced;
	char		target[FO_NAME_LEN];
	char	   *snapshot;		/* jsonb as text, NULL = none */
	TimestampTz started_at;
	TimestampTz finished_at;	/* 0 = NULL */
	double		detection_ms;	/* < 0 = NULL, here and below */
	double		decision_ms;
	double		fence_ms;
	double		promote_ms;
	double		repoint_ms;
	double		total_ms;
	int64		lost_bytes;		/* < 0 = NULL */
	int32		attempts;
	char		error[FO_SENTENCE_LEN];
} FoOperationRow;

typedef struct FoStepRow
{
	int32		step_no;
	FoStepKind	kind;
	char		peer_name[FO_NAME_LEN];
	FoStepStatus status;
	TimestampTz started_at;
	TimestampTz finished_at;
	double		duration_ms;	/* < 0 = NULL */
	char		detail[FO_SENTENCE_LEN];
} FoStepRow;

/* Insert or update by event_id / (event_id, step_no). */
extern void fo_catalog_write_operation(const FoOperationRow *row);
extern void fo_catalog_write_step(int64 event_id, const FoStepRow *row);

/*
 * A former primary has counted its commits that its successor has not, for a
 * rejoin of that term: bytes is up to the end of the last one.  Goes to the
 * move that replaced it, unless nothing acknowledged can be missing there.
 */
extern void fo_catalog_write_loss(const char *group_name, const char *peer_name, int64 term, int64 bytes);

/* It has begun, or never will: it is not planned any more. */
extern void fo_catalog_forget_planned(int64 event_id);

/*
 * Delete one batch (at most limit rows) of the group's events and ended
 * operations older than before; returns how many went.  NULL: those of no
 * group, or of one that does not exist any more.
 */
extern uint64 fo_catalog_expire(const char *group, TimestampTz before, int limit);

/* ---- operations.c: what the worker, and whoever is refused, reads of operations ---- */

/* Operations in progress, with their steps; allocated in cxt. */
typedef struct FoOperationRecord
{
	FoOperationRow operation;
	int			steps_n;
	FoStepRow  *steps;			/* in order of step_no */
} FoOperationRecord;

extern FoOperationRecord *fo_catalog_load_operations(MemoryContext cxt, int *n);

/*
 * End the steps that outlived their operation (the checkpoint in the
 * background) and were open when the coordinator died.
 */
extern void fo_catalog_close_steps(void);

/* One operation, running or ended, without its snapshot; false if there is none of that number. */
extern bool fo_catalog_find_operation(int64 event_id, FoOperationRow *row);

/* ---- explain.c: what keeps a group from being acted on, as details and hints; palloc'd ---- */

/* Of an operation that is in progress; its number may be 0: not written yet. */
extern char *fo_catalog_explain_operation(const FoOperationRow *row);
extern char *fo_catalog_operation_hint(const FoOperationRow *row);

/* Of a group that is paused, and of a peer that is in maintenance. */
extern char *fo_catalog_explain_pause(const FoGroupConfig *group);
extern char *fo_catalog_explain_maintenance(const FoPeerConfig *peer);

/* ---- blocker.c: who keeps a group's rows locked ---- */

typedef struct FoBlocker
{
	int			pid;
	char		user[FO_NAME_LEN];
	char		application[FO_NAME_LEN];
	bool		is_idle;		/* in its transaction */
	TimestampTz since;			/* begin of that */
} FoBlocker;

/* The session that has kept the group's rows for longest; false if none is seen, as when it is no session (a prepared transaction). */
extern bool fo_catalog_find_blocker(const char *group, FoBlocker *blocker);

/* End that session, if it is still idle in that transaction. */
extern bool fo_catalog_end_blocker(const FoBlocker *blocker);

#endif							/* FO_CATALOG_H */
