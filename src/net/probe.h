/*-------------------------------------------------------------------------
 *
 * probe.h
 *		The SQL that a check asks, and the reading of its answer: row ->
 *		FoObservation.  The only place that knows the status query's columns.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_NET_PROBE_H
#define FO_NET_PROBE_H

#include "core/view.h"
#include "net/link.h"

/* Names under which the status query is prepared: plain by the setup, as a heartbeat and as a look by the functions below. */
#define FO_PROBE_STATEMENT "failover_status"
#define FO_PROBE_NODE_STATEMENT "failover_node_status"
#define FO_PROBE_LOOK_STATEMENT "failover_look"

/* What a check tells a peer that has the node library; see failover_node_heartbeat. */
typedef struct FoHeartbeat
{
	int64		term;
	FoTime		valid_until;	/* of the peer's clock; 0 = no lease is granted */
	int64		lease_us;
	int64		incarnation;	/* that the grant is for */
	const char *coordinator;	/* who says so */
	const char *group;
	const char *peer;
	const char *holder;			/* the group's primary; NULL = unknown */
	int64		standbys_version;
	const char *standbys;		/* array literal: who renews the lease while the coordinator is away */
} FoHeartbeat;

/*
 * Session setup for fo_net_link_open(): session.h's, timeouts, then PREPARE of the
 * status query in a form that works with whatever privileges the role has.
 * Static, NULL-terminated.
 */
extern const char *const *fo_net_probe_setup(void);

/*
 * Has the session's peer the node library?  The answer is one row with the
 * quoted schema of its functions and how many of the two statements below an
 * earlier look has prepared in this session, in their order; or none.
 */
extern const char *fo_net_probe_library_query(void);

/* The PREPARE of the status query that is a heartbeat, too; palloc'd.  schema is quoted. */
extern char *fo_net_probe_prepare_node(const char *schema);

/* The PREPARE of the one that also asks the library, and tells it nothing. */
extern char *fo_net_probe_prepare_look(const char *schema);

/* As fo_net_probe_call, with a heartbeat; the statement of fo_net_probe_prepare_node must have run. */
extern void fo_net_probe_call_node(FoLink *link, bool with_connections, const FoHeartbeat *heartbeat,
								   int64 timeout_ms, FoCallCallback callback, void *arg);

/* The same without a heartbeat; the statement of fo_net_probe_prepare_look must have run. */
extern void fo_net_probe_call_look(FoLink *link, bool with_connections, int64 timeout_ms,
								   FoCallCallback callback, void *arg);

/*
 * Ask.  with_connections also counts the peer's backends (O(backends) there:
 * not in every check).
 */
extern void fo_net_probe_call(FoLink *link, bool with_connections, int64 timeout_ms,
							  FoCallCallback callback, void *arg);

/*
 * Read the answer into *observed (the connection count is kept from *observed
 * when it was not asked for).  upstream_conninfo, if not NULL, receives a
 * palloc'd copy of the peer's primary_conninfo without what says where to
 * connect and without its secrets ("the follow template": upstream.c says which
 * keywords go), NULL if it has none or may not be read; slot_name likewise the
 * primary_slot_name.  False, with error filled in (class PROTOCOL), if the row
 * is not what we asked for.
 */
extern bool fo_net_probe_read(const PGresult *result, FoTime now, FoObservation *observed,
							  char **upstream_conninfo, char **slot_name, FoNetError *error);

/* Copy a peer's words, without control characters, cut to the size; NULL gives "". */
extern void fo_net_copy_name(char *to, size_t size, const char *from);

/*
 * Take a primary_conninfo apart: has it a secret, what does the standby call
 * itself, and what of it must be kept when it is pointed at somebody else
 * (palloc'd in *template_conninfo, if that is not NULL).  One that cannot be
 * read yields no template, and counts as carrying a password if that word is
 * in it.
 */
extern void fo_net_read_upstream(const char *conninfo, FoObservation *observed, char **template_conninfo);

#endif							/* FO_NET_PROBE_H */
