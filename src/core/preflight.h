/*-------------------------------------------------------------------------
 *
 * preflight.h
 *		What would make a failover of a group fail or lose data, found while
 *		there is time to mend it: one table of findings over what the peers say
 *		of themselves.
 *
 * The facts are asked for when somebody wants to know (net/survey.c), not with
 * every check.  What could not be learned leads to no finding of its own: that
 * a peer does not answer, or lets us see too little, is one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_PREFLIGHT_H
#define FO_CORE_PREFLIGHT_H

#include <stddef.h>

#include "core/text.h"
#include "core/view.h"

/* A number that is not known. */
#define FO_FACT_UNKNOWN INT64_MIN

/* Names, a line each; the last one may have been cut. */
#define FO_FACT_LINES_LEN 512

/* What one peer says of itself.  No secret is among it.  The table of fields is in facts.c. */
typedef struct FoPeerFacts
{
	FoTime		at;				/* when it was asked last; 0 = never */
	bool		is_known;		/* it answered: the rest says something */

	/* settings, in the units of pg_settings; switches are 0 or 1 */
	int64_t		wal_log_hints;
	int64_t		data_checksums;
	int64_t		full_page_writes;
	int64_t		fsync;
	int64_t		hot_standby;
	int64_t		allow_alter_system; /* since 17 */
	int64_t		restart_after_crash;
	int64_t		max_replication_slots;
	int64_t		max_wal_senders;
	int64_t		max_connections;
	int64_t		max_worker_processes;
	int64_t		max_prepared_transactions;
	int64_t		max_locks_per_transaction;
	int64_t		wal_keep_size;	/* MB */
	int64_t		max_wal_size;	/* MB */
	int64_t		max_slot_wal_keep_size; /* MB; -1 = no limit */
	int64_t		wal_receiver_timeout;	/* ms */
	int64_t		wal_retrieve_retry_interval;	/* ms */
	int64_t		wal_receiver_status_interval;	/* s; 0 = it confirms nothing unless asked */
	char		wal_level[FO_NAME_LEN];
	char		archive_mode[FO_NAME_LEN];
	char		recovery_target_timeline[FO_NAME_LEN];
	char		recovery_targets[FO_FACT_LINES_LEN];	/* settings of them that are in force */
	char		synchronous_commit[FO_NAME_LEN];
	char		primary_slot_name[FO_NAME_LEN];
	int64_t		has_archive_command;	/* or library */
	int64_t		has_restore_command;

	/* the node library, with that role; that it can be asked as well is in the view */
	int64_t		has_library_loaded;

	/* what our role may do there */
	int64_t		may_replicate;
	char		missing_privileges[FO_FACT_LINES_LEN];
	char		missing_rewind_privileges[FO_FACT_LINES_LEN];

	/* peers that it could not follow, or be rewound from, if they were the primary: names in quotes, and why */
	char		unreachable_upstreams[FO_FACT_LINES_LEN];
	char		unreachable_sources[FO_FACT_LINES_LEN];

	/* why the primary could not follow this peer; '' = nothing is known to be in the way */
	char		return_problem[FO_FACT_LINES_LEN];

	/* replication */
	int64_t		slots_n;		/* of all kinds */
	char		slots[FO_FACT_LINES_LEN];	/* physical ones */
	char		lost_slots[FO_FACT_LINES_LEN];	/* whose WAL is gone */
	char		logical_slots[FO_FACT_LINES_LEN];
} FoPeerFacts;

typedef enum FoPreflightSeverity
{
	FO_PREFLIGHT_ERROR = 0,		/* a failover would fail, or lose data */
	FO_PREFLIGHT_WARNING,		/* it may, or leave the group worse than it need be */
	FO_PREFLIGHT_INFO,			/* good to know */
	FO_PREFLIGHT_SEVERITIES_N
} FoPreflightSeverity;

typedef struct FoPreflightInput
{
	const FoGroupView *group;
	const FoPeerFacts *facts;	/* one per peer of the view, in its order */
} FoPreflightInput;

typedef struct FoPreflightFinding
{
	int32_t		peer;			/* index into the view; -1 = the group as a whole */
	FoPreflightSeverity severity;
	char		finding[FO_SENTENCE_LEN];
	const char *hint;			/* what to do; static */
} FoPreflightFinding;

extern const char *fo_core_preflight_severity_name(FoPreflightSeverity severity);

/* Nothing is known of the peer. */
extern void fo_core_facts_init(FoPeerFacts *facts);

/*
 * Take in one fact by its name: a number, on or off, a word, or one more line.
 * False if there is no such fact, or the value is not what it should be.
 */
extern bool fo_core_facts_put(FoPeerFacts *facts, const char *name, const char *value);

/* Rows of the table. */
extern int	fo_core_preflight_rules_n(void);

/*
 * Try one row on one peer, or (-1) on the group as a whole; true if it holds,
 * with *finding filled in.  A row is about one or the other, never both.
 */
extern bool fo_core_preflight_try(const FoPreflightInput *input, int rule, int peer,
								  FoPreflightFinding *finding);

/*
 * Would the primary be of no use as a standby, after a planned move?  What keeps
 * it from that, with target (an index, -1 = whoever may be promoted) as the new
 * primary, is left in *finding.
 */
extern bool fo_core_preflight_bars_return(const FoPreflightInput *input, int target, FoPreflightFinding *finding);

/* ---- for preflight.c and the files with the rows: preflight_group.c, _peer.c, _standby.c, _return.c ---- */

typedef enum FoPreflightScope
{
	FO_PREFLIGHT_GROUP = 0,
	FO_PREFLIGHT_PEER,			/* every peer, whether it answered or not */
	FO_PREFLIGHT_KNOWN,			/* every peer that answered */
	FO_PREFLIGHT_PRIMARY,		/* it answered */
	FO_PREFLIGHT_STANDBY		/* every other peer that answered */
} FoPreflightScope;

/* One row being tried. */
typedef struct FoPreflightTrial
{
	const FoPreflightInput *input;
	const FoGroupView *group;
	int32_t		peer;			/* -1 = the group */
	const FoPeerView *view;		/* of the peer; NULL for the group, as the next */
	const FoPeerFacts *facts;
	const FoPeerFacts *primary; /* facts of the primary; NULL = not known */
	size_t		fact;			/* the row's */
	FoText	   *detail;		/* %d of the sentence, for the condition to write */
} FoPreflightTrial;

typedef struct FoPreflightRow
{
	FoPreflightScope scope;
	FoPreflightSeverity severity;
	bool		(*holds) (FoPreflightTrial *trial);
	size_t		fact;			/* offset of the number that a general condition looks at; 0 = none */
	const char *finding;		/* with %d for what the condition adds */
	const char *hint;
} FoPreflightRow;

typedef struct FoPreflightRun
{
	const FoPreflightRow *rows;
	int			n;
} FoPreflightRun;

#define FO_PREFLIGHT_FACT(name) offsetof(FoPeerFacts, name)
#define FO_PREFLIGHT_RUN(rows) {rows, (int) (sizeof(rows) / sizeof((rows)[0]))}

extern const FoPreflightRun fo_core_preflight_group_rows;
extern const FoPreflightRun fo_core_preflight_peer_rows;
extern const FoPreflightRun fo_core_preflight_standby_rows;
extern const FoPreflightRun fo_core_preflight_return_rows;

/* The number that the row looks at, of the peer's facts or the primary's; unknown if those are. */
extern int64_t fo_core_preflight_fact(const FoPreflightTrial *trial, const FoPeerFacts *facts);

/* The same of both, also for the sentence; false if one is not known. */
extern bool fo_core_preflight_compare(FoPreflightTrial *trial, int64_t *here, int64_t *at_primary);

/* Lines as a list in one line, with that between them; is there such a line; may the last one have been cut? */
extern void fo_core_preflight_add_lines(FoText *text, const char *lines, const char *separator);
extern bool fo_core_preflight_has_line(const char *lines, const char *wanted);
extern bool fo_core_preflight_is_cut(const char *lines);

#endif							/* FO_CORE_PREFLIGHT_H */
