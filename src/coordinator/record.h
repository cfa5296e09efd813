/*-------------------------------------------------------------------------
 *
 * record.h
 *		What has happened, on its way into the tables and the server log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_COORDINATOR_RECORD_H
#define FO_COORDINATOR_RECORD_H

#include "coordinator/world.h"

/*
 * Note an event: to the server log at once (LOG or WARNING by severity), to
 * failover_events and the notify channel with the next flush.  peer may be
 * NULL; detail is jsonb as text, or NULL; message is formatted.
 */
extern void fo_coordinator_record(FoGroup *group, FoPeer *peer, const char *kind, FoSeverity severity,
								  const char *detail, const char *format,...) pg_attribute_printf(6, 7);

/*
 * Write everything that waits (events, dirty state of groups and peers, dirty
 * operations and steps), in one transaction if possible, with synchronous_commit = local.
 * True once all of it is on disk; false if it could not be written now (said
 * in the log; retried by the next flush, with a back-off unless is_urgent), or,
 * unless is_urgent, while an operation is under way that it would hold up.
 */
extern bool fo_coordinator_flush(FoWorld *world, bool is_urgent);

/*
 * The same, but true once what waits of this group is on disk, however others
 * fare: for intents.
 */
extern bool fo_coordinator_flush_group(FoGroup *group);

/* For PG_CATCH around a transaction of the worker: log the ERROR, abort, go back to cxt.  Returns the SQLSTATE. */
extern int	fo_coordinator_give_up_transaction(MemoryContext cxt);

/* The group is about to be destroyed. */
extern void fo_coordinator_record_forget(FoGroup *group);

/* When a flush that failed, or was put off, wants to be tried again; 0 = nothing waits. */
extern FoTime fo_coordinator_flush_due(void);

/* Set when a flush found that the extension is gone: the worker should end. */
extern bool fo_coordinator_is_extension_gone(void);

#endif							/* FO_COORDINATOR_RECORD_H */
