/*-------------------------------------------------------------------------
 *
 * node.c
 *		Installs the node library in a data server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"

#include "node/node.h"

#define LOCK_FILE "postmaster.pid"	/* its first line is the postmaster's process id */

/*
 * Is this process about to serve the data directory?  postgres -C also loads
 * the library, to compute a parameter, but takes no lock file.
 */
static bool
holds_lock_file(void)
{
	char		text[32];
	int			fd = open(LOCK_FILE, O_RDONLY);
	ssize_t		length;

	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[Max(length, 0)] = '\0';
	return atol(text) == (long) getpid();
}

void
fo_node_install(void)
{
	FoNodeState state;

	/* postgres --single (pg_rewind may run it) has no postmaster, no clients and nobody to grant a lease. */
	if (!IsPostmasterEnvironment)
		return;
	if (!IsUnderPostmaster && holds_lock_file() && fo_node_state_read(&state))
		fo_node_rejoin_at_start(&state);
	fo_node_shmem_install();
	fo_node_gate_install();
	fo_node_register_worker();
	fo_node_restart_install();
}
