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

/* Name under which the setup prepares the status query. */
#define FO_PROBE_STATEMENT "failover_status"

/*
 * Session setup for fo_net_link_open(): search_path, timeouts, synchronous_commit
 * = local, then PREPARE of the status query in a form that works with whatever
 * privileges the role has.  Static, NULL-terminated.
 */
extern const char *const *fo_net_probe_setup(void);

/*
 * Ask.  with_connections also counts the peer's backends (O(backends) there:
 * not in every check).
 */
extern void fo_net_probe_call(FoLink *link, bool with_connections, int64 timeout_ms,
							  FoCallCallback callback, void *arg);

/*
 * Read the answer into *observed (the connection count is kept from *observed
 * when it was not asked for).  upstream_conninfo, if not NULL, receives a
 * palloc'd copy of the peer's primary_conninfo with host, hostaddr, port,
 * password, target_session_attrs taken out ("the follow template"), NULL if it has none or may not be read;
 * slot_name likewise the primary_slot_name.  False, with error
 * filled in (class PROTOCOL), if the row is not what we asked for.
 */
extern bool fo_net_probe_read(const PGresult *result, FoTime now, FoObservation *observed,
							  char **upstream_conninfo, char **slot_name, FoNetError *error);

#endif							/* FO_NET_PROBE_H */
