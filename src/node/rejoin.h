/*-------------------------------------------------------------------------
 *
 * rejoin.h
 *		The parts of becoming a standby, between node/ files only.  All of it
 *		runs in the postmaster, at start before recovery or as the last thing of
 *		a stop, and in children of it; but sources.c in a backend.
 *		Paths are relative to the data directory, which is the working
 *		directory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NODE_REJOIN_H
#define FO_NODE_REJOIN_H

#include "node/node.h"

#include "access/xlogdefs.h"
#include "catalog/pg_control.h"
#include "lib/stringinfo.h"

/* ---- child.c ---- */

/*
 * Run body in a child process that dies with the postmaster, and collect what
 * it writes to its standard streams (the last few kilobytes).  Returns its exit
 * status, or -1 if it was killed by a signal or for taking longer than
 * timeout_ms (0 = as long as it likes).  A stop signal for the postmaster ends
 * child and postmaster.
 */
extern int	fo_node_run(void (*body) (void *argument), void *argument, int64 timeout_ms, StringInfo output);

/* Looks at the output each time there is more of it; may stop and continue the child. */
typedef void (*FoOutputWatcher) (pid_t child, const char *output, void *argument);

/*
 * As fo_node_run, for a program of the server's own installation, for as long as
 * the source (a conninfo; NULL = it needs none) answers.  Arguments, without the
 * program's name, end with NULL; watcher may be NULL.
 */
extern int	fo_node_run_program(const char *program, const char *const *arguments, const char *source,
								StringInfo output, FoOutputWatcher watcher, void *watcher_argument);

/* Ask a notified service manager for patience, at most once a second; nothing happens without one. */
extern void fo_node_ask_for_time(void);

/* Wait that long, or end with the postmaster if it is to stop. */
extern void fo_node_pause(int64 milliseconds);

/* What a program's output says went wrong, on one line: palloc'd. */
extern char *fo_node_problem(const char *output);

/* ---- source.c ---- */

/* How this server stands to the one it is to follow. */
typedef enum FoSourceVerdict
{
	FO_SOURCE_SAME = 0,			/* our WAL is a part of its history: just follow */
	FO_SOURCE_DIVERGED,			/* we have WAL that it does not know */
	FO_SOURCE_TWIN,				/* its timeline of our number is another one: no rewind can tell them apart */
	FO_SOURCE_WAL_GONE,			/* it has removed WAL that we would need, and nobody else has it: no rewind helps */
	FO_SOURCE_UNREACHABLE,		/* or not a primary yet: try again */
	FO_SOURCE_FOREIGN			/* another system: never */
} FoSourceVerdict;

/*
 * Ask the server of the request where our history ends in its own.  Makes sure
 * that its control file shows its present timeline, without which pg_rewind
 * would see no difference.  rejoin.report receives one sentence,
 * rejoin.timeline that timeline unless it could not be asked.
 */
extern FoSourceVerdict fo_node_compare_source(FoRejoin *rejoin, const ControlFileData *control);

/* ---- lost.c ---- */

/*
 * Count what a former primary, shut down, has committed on its timeline beyond
 * the fork, and note it in the request; if not all of it can be read, how much it
 * is at most.  False in that case, and if it was no primary.
 */
extern bool fo_node_count_lost(FoRejoin *rejoin, const ControlFileData *control, XLogRecPtr fork);

/* ---- wal.c ---- */

/* Bytes that this server has of a WAL segment.  False if it does not have them. */
extern bool fo_node_wal_read(const char *segment, uint32 offset, char *bytes, int length);

/* Does it have the page of that timeline's WAL in which that address lies? */
extern bool fo_node_wal_has(uint32 timeline, XLogRecPtr address, int segment_size);

/*
 * From where on a standby that has WAL of that timeline up to there, at least,
 * would have to be sent more: the segment in which its WAL ends.
 */
extern XLogRecPtr fo_node_wal_end(uint32 timeline, XLogRecPtr known, int segment_size);

/* ---- arrival.c ---- */

/* Who of the upstreams of the request is the primary now.  NULL = nobody, or it names none. */
extern const char *fo_node_find_upstream(const FoRejoin *rejoin);

/* From now on that server is to be followed. */
extern void fo_node_follow_other(FoRejoin *rejoin, const char *conninfo);

/* What this server waits for does not come: follow the primary of today.  False with a report if there is none. */
extern bool fo_node_turn_to_primary(FoRejoin *rejoin);

/* ---- session.c ---- */

/* What a child says when it is of no use to go on: the word, a blank, a sentence. */
#define FO_WORD_PROBLEM "problem"

/*
 * What a server is: in recovery?, system identifier, timeline of its control
 * file, timeline that it writes as eight hexadecimal digits (NULL in recovery).
 */
extern const char *const fo_node_describe_source;

/* In a child: libpq's text on one line; it names host and user, never a password. */
extern void fo_node_tell_problem(const char *what, const char *why);

/* In a child: connect; replication gives a walsender's session.  NULL with the problem told. */
extern struct pg_conn *fo_node_connect_source(const char *conninfo, bool is_replication);

/* The rest of the last line that begins with the word; NULL if there is none. */
extern const char *fo_node_find_line(const char *output, const char *word);

/* First line of the text, into a fixed buffer. */
extern void fo_node_copy_line(char *to, size_t size, const char *from);

/* The conninfo with a database, a name of its own, and the means to notice a host that is gone, for programs; palloc'd. */
extern char *fo_node_source_conninfo(const char *conninfo);

/* Does a server accept connections there? */
extern bool fo_node_source_answers(const char *conninfo);

/*
 * Who of these (a conninfo per line) is a primary of that system on that
 * timeline or a later one; of several the one on the latest.  Its conninfo,
 * palloc'd; NULL = nobody.
 */
extern char *fo_node_find_primary(const char *upstreams, uint64 system, uint32 timeline);

/* Wait until the server there is a primary, or it is known that it will not be, or the time is over. */
extern void fo_node_await_primary(const char *conninfo, int64 timeout_ms);

/* What a copy of the source would be. */
typedef struct FoSourceSize
{
	uint64		bytes;			/* of its databases, and of the WAL that it may keep; 0 = it does not tell */
	int			tablespaces;	/* beside its own two */
	char		problem[FO_NODE_REPORT_LEN];	/* why it does not tell */
} FoSourceSize;

extern void fo_node_measure_source(const char *conninfo, FoSourceSize *size);

/* ---- rewind.c ---- */

/*
 * Run pg_rewind on the data that were moved out, WAL kept before they are
 * changed; without that they are not.  False if that failed: output tells why,
 * rejoin.is_modified whether they were changed.
 */
extern bool fo_node_rewind(FoNodeState *state, StringInfo output);

/* Would another run fail in the same way? */
extern bool fo_node_rewind_is_hopeless(const char *output);

/* Make durable what an interrupted pg_rewind had completed.  FATAL if that fails. */
extern void fo_node_rewind_sync(void);

/* ---- data.c ---- */

/* Where the data are while a program works on them, and where a copy of the source is fetched. */
#define FO_NODE_DATA_DIR "failover_data"
#define FO_NODE_CLONE_DIR "failover_clone"

/* Can they be moved at all?  Not where "global", of which no link can stand for a part, is mounted or a link. */
extern bool fo_node_data_can_move_out(void);

/* Move the data into FO_NODE_DATA_DIR; nothing that a server could serve is left.  May be repeated. */
extern void fo_node_data_move_out(void);

/* Move complete data from that directory into their place.  May be repeated. */
extern void fo_node_data_move_in(const char *from);

/* Have the data been moved out (at least in part)? */
extern bool fo_node_data_is_out(void);

/* The first of the directories that move which is mounted or a link, and so cannot be replaced; NULL = none. */
extern const char *fo_node_data_fixed(void);

/* Remove a directory of ours with all that is in it, if it is there. */
extern void fo_node_data_drop(const char *path);

/* ---- slots.c ---- */

/*
 * Drop the logical replication slots of this server, whose data are now those of
 * another history.  Their names, palloc'd; NULL = there are none.  May be
 * repeated; FATAL if that cannot be done.
 */
extern const char *fo_node_slots_drop_logical(void);

/* ---- keep.c ---- */

/* Keep the WAL between two positions of the data that were moved out.  NULL, or why it is not kept: palloc'd. */
extern char *fo_node_keep_wal(XLogRecPtr from, XLogRecPtr to, int segment_size);

/* Put it back into the data that were moved out. */
extern void fo_node_keep_restore(void);
extern void fo_node_keep_drop(void);

/* ---- follow.c ---- */

/*
 * Make this a standby at its next start: standby.signal and the two settings,
 * and no recovery target.  Durable.  False with a report if that failed; then it is not one.
 */
extern bool fo_node_configure_standby(const char *conninfo, const char *slot, char *report, size_t size);

/* ---- clone.c ---- */

/* Can this server's data be replaced by a copy of that one, and is there room for it?  If not, report says why. */
extern bool fo_node_clone_is_possible(const char *conninfo, char *report, size_t size);

/* Fetch a copy of the source into FO_NODE_CLONE_DIR.  False with a report if that failed. */
extern bool fo_node_clone_fetch(const char *conninfo, const char *slot, char *report, size_t size);

#endif							/* FO_NODE_REJOIN_H */
