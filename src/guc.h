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

extern int	fo_guc_role;		/* FoRole; failover.role */
extern char *fo_guc_database;	/* failover.database */
extern int	fo_guc_max_peers;	/* failover.max_peers */
extern char *fo_guc_passfile;	/* failover.passfile; '' = libpq's default */

#endif							/* FO_GUC_H */
