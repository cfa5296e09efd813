/*-------------------------------------------------------------------------
 *
 * api.h
 *		What the SQL-callable functions share with each other: reading
 *		arguments, building rows and JSON, changing configuration, and the
 *		snapshot that the reading functions answer from.
 *
 * Everything here runs in a backend that serves a user, inside that user's
 * transaction.  Nothing here talks to a peer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_API_H
#define FO_API_H

#include "postgres.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "core/settings.h"
#include "core/types.h"
#include "shared/shared.h"

/* ---- args.c: reading arguments; what is wrong is an ERROR that names the argument ---- */

/* Name of a group or peer, palloc'd: 22004 if NULL, 22023 unless it is 1 to 63 bytes without control characters. */
extern char *fo_api_arg_name(FunctionCallInfo fcinfo, int n, const char *arg);

/* The same, but NULL for NULL. */
extern char *fo_api_arg_name_or_null(FunctionCallInfo fcinfo, int n, const char *arg);

/* Text, palloc'd: 22004 if NULL. */
extern char *fo_api_arg_text(FunctionCallInfo fcinfo, int n, const char *arg);

/* A user's reason, palloc'd, fit for one line and FO_SENTENCE_LEN; NULL if none was given. */
extern char *fo_api_arg_reason(FunctionCallInfo fcinfo, int n);

/* 22004 if NULL. */
extern bool fo_api_arg_bool(FunctionCallInfo fcinfo, int n, const char *arg);

/* 22004 if NULL. */
extern int64 fo_api_arg_bigint(FunctionCallInfo fcinfo, int n, const char *arg);
extern TimestampTz fo_api_arg_time(FunctionCallInfo fcinfo, int n, const char *arg);

/* 22004 if NULL, 22023 if negative. */
extern int32 fo_api_arg_natural(FunctionCallInfo fcinfo, int n, const char *arg);

/* The moment a duration from now: DT_NOEND for NULL, 22023 unless it is positive and at most ten years. */
extern TimestampTz fo_api_arg_until(FunctionCallInfo fcinfo, int n, const char *arg);

/* ---- refuse.c: what many functions refuse ---- */

/* To be called first by whatever acts or changes something: 25006 in a read-only transaction. */
extern void fo_api_require_writable(FunctionCallInfo fcinfo);

/* 42704, with the names that there are.  group NULL: no group has such a peer. */
pg_noreturn extern void fo_api_refuse_group(const char *group);
pg_noreturn extern void fo_api_refuse_peer(const char *group, const char *peer);

/* ---- row.c: rows of set-returning and record functions, JSON ---- */

#define FO_ROW_MAX 40

/* A row under construction: columns are appended in their order. */
typedef struct FoRow
{
	int			n;
	Datum		values[FO_ROW_MAX];
	bool		nulls[FO_ROW_MAX];
} FoRow;

extern void fo_api_row_null(FoRow *row);
extern void fo_api_row_text(FoRow *row, const char *value);	/* NULL or '' is NULL */
extern void fo_api_row_string(FoRow *row, const char *value);	/* '' stays '' */
extern void fo_api_row_bool(FoRow *row, bool value);
extern void fo_api_row_int4(FoRow *row, int32 value);
extern void fo_api_row_int8(FoRow *row, int64 value);
extern void fo_api_row_float8(FoRow *row, double value);
extern void fo_api_row_positive(FoRow *row, double value);	/* NULL if below 0 */
extern void fo_api_row_lsn(FoRow *row, FoLsn lsn);	/* NULL if invalid */
extern void fo_api_row_timestamptz(FoRow *row, TimestampTz at); /* NULL if 0 */
extern void fo_api_row_interval(FoRow *row, int64 us);
extern void fo_api_row_texts(FoRow *row, int n, const char *const *values);
extern void fo_api_row_jsonb(FoRow *row, const char *json);

/* A moment of the coordinator's monotonic clock as a timestamp; NULL if 0. now: that clock's present. */
extern void fo_api_row_time(FoRow *row, FoTime at, FoTime now);

/* Add the finished row to the result of a set-returning function set up by InitMaterializedSRF. */
extern void fo_api_row_put(FunctionCallInfo fcinfo, FoRow *row);

/* Return the finished row from a function with OUT arguments. */
extern Datum fo_api_row_return(FunctionCallInfo fcinfo, FoRow *row);

/* A JSON object under construction. */
extern void fo_api_json_open(StringInfo json);
extern void fo_api_json_key(StringInfo json, const char *key);
extern void fo_api_json_text(StringInfo json, const char *key, const char *value);	/* NULL or '' adds nothing */
extern void fo_api_json_int(StringInfo json, const char *key, int64 value);
extern void fo_api_json_bool(StringInfo json, const char *key, bool value);
extern void fo_api_json_close(StringInfo json);

/* ---- change.c: transactions on the configuration ---- */

/* A group as locked by the current transaction. */
typedef struct FoLockedGroup
{
	char		name[FO_NAME_LEN];
	TimestampTz paused_until;	/* 0 = not paused */
	FoSettings	settings;
} FoLockedGroup;

/* Connect SPI; to be ended by fo_api_change_end(), which has the coordinator look at the change when it commits. */
extern void fo_api_change_begin(void);
extern void fo_api_change_end(void);

/* Insert the group unless it exists; true if it did not. */
extern bool fo_api_insert_group(const char *group, const char *kind);

/*
 * Lock the group against other changes of it or of its peers; 42704 if it does
 * not exist.  The coordinator's own writes are not held up.
 */
extern void fo_api_lock_group(const char *group, FoLockedGroup *locked);

/* 42704 if the group has no such peer. */
extern void fo_api_require_peer(const FoLockedGroup *group, const char *peer);

/* 55000 if an operation of the group is running; but_rejoin: other than a rejoin, which gives way. */
extern void fo_api_require_idle(const FoLockedGroup *group, bool but_rejoin, const char *action);

/*
 * NOTICE for each of the group's peers that goes on without us and keeps to its
 * lease: peer, or all of them if that is NULL.  To be called while they are registered.
 */
extern void fo_api_tell_gated(const FoLockedGroup *group, const char *peer);

/*
 * Write down what the session user did, and notify.  detail, if not NULL, is an
 * open JSON object; user and reason are added to it.  What was done is message's text, without the user.
 */
extern void fo_api_record(const FoLockedGroup *group, const char *peer, const char *kind,
						  const char *message, StringInfo detail, const char *reason);

/* Write down that the group was inserted by this transaction; 53400 if there are too many now. */
extern void fo_api_record_new_group(const FoLockedGroup *group);

/* Name of the session user, palloc'd. */
extern char *fo_api_session_user(void);

/* ---- snapshot.c: what the reading functions answer from ---- */

typedef struct FoSnapshot
{
	bool		is_live;		/* from a coordinator worker that runs and serves this database */
	const char *coordinator;	/* one word on the worker, for failover_status */
	const char *reason;			/* sentence why nothing is known; NULL if is_live */
	int			groups_n;
	FoGroupCopy *groups;		/* in order of name */
} FoSnapshot;

/*
 * Fill in all groups, or the one named (42704 if there is no such group).
 * From shared memory, without SPI, as long as the worker is up to date; else
 * the configuration is read from the tables and what is not known stays
 * unknown.  Palloc'd.
 */
extern void fo_api_snapshot(const char *group_name, FoSnapshot *snapshot);

/* 55000 unless this is the database that the coordinator works in: what another one's groups are called means nothing to it. */
extern void fo_api_require_database(void);

/* Index of the peer in the group; -1 if there is none. */
extern int	fo_api_find_peer(const FoGroupCopy *group, const char *peer_name);

/* Index of the peer; 42704 if there is none. */
extern int	fo_api_require_peer_of(const FoGroupCopy *group, const char *peer_name);

/* For how long the peer has been down in all, the outage that goes on included. */
extern int64 fo_api_downtime_us(const FoPeerSlot *peer);

/* ---- config_setting.c ---- */

/* Defaults, overlaid with what is set for the group; SPI must be connected. */
extern void fo_api_load_settings(const char *group, FoSettings *settings);

/* ---- preflight.c ---- */

/* Has the peers of the group asked for facts (SURVEY or PREFLIGHT); returns when they have answered, or failed to. */
extern void fo_api_survey(const char *group_name, FoRequestKind kind);

/* ---- act.c ---- */

/*
 * Post the request in the name of the session user and wait for its answer,
 * which is copied into *request.  A refusal is raised as ERROR.
 */
extern void fo_api_ask(FoRequest *request);

#endif							/* FO_API_H */
