/*-------------------------------------------------------------------------
 *
 * guc.h
 *		The extension's configuration parameters, defined in failover.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_GUC_H
#define FO_GUC_H

#include <stdbool.h>

typedef enum FoRole
{
	FO_ROLE_COORDINATOR = 0,
	FO_ROLE_NODE
} FoRole;

/* How a data server comes back after it has stopped itself to become a standby. */
typedef enum FoRestartMethod
{
	FO_RESTART_AUTO = 0,		/* exit under a service manager that is notified, else exec */
	FO_RESTART_EXEC,			/* the postmaster executes itself again */
	FO_RESTART_EXIT				/* it exits with status 1, to be started by whoever watches it */
} FoRestartMethod;

extern int	fo_guc_role;		/* FoRole; failover.role */
extern char *fo_guc_database;	/* failover.database */
extern int	fo_guc_max_peers;	/* failover.max_peers */
extern char *fo_guc_passfile;	/* failover.passfile; '' = libpq's default */
extern int	fo_guc_restart_method;	/* FoRestartMethod; failover.restart_method */
extern bool fo_guc_allow_clone;	/* failover.allow_clone */
extern int	fo_guc_hold_connections;	/* failover.hold_connections, milliseconds */

#endif							/* FO_GUC_H */
