/*-------------------------------------------------------------------------
 *
 * node.c
 *		Installs the node library in a data server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "node/node.h"

void
fo_node_install(void)
{
	/* postgres --single (pg_rewind may run it) has no postmaster, no clients and nobody to grant a lease. */
	if (!IsPostmasterEnvironment)
		return;
	fo_node_shmem_install();
	fo_node_gate_install();
}
