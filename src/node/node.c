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
#define COMMAND_LINE "/proc/self/cmdline"
#define COMMAND_LINE_MAX 65536

/* Was this process called as postgres -C, to compute a parameter?  For some it takes the lock file, but it will serve nothing. */
static bool
computes_parameter(void)
{
	char	   *text = palloc0(COMMAND_LINE_MAX + 1);
	int			fd = open(COMMAND_LINE, O_RDONLY);
	ssize_t		length = fd >= 0 ? read(fd, text, COMMAND_LINE_MAX) : 0;
	bool		is_found = false;

	if (fd >= 0)
		close(fd);
	for (ssize_t at = 0; at < length; at += strlen(text + at) + 1)
		is_found = is_found || strncmp(text + at, "-C", 2) == 0;
	pfree(text);
	return is_found;
}

/* Is this process about to serve the data directory? */
static bool
is_about_to_serve(void)
{
	char		text[32];
	int			fd = open(LOCK_FILE, O_RDONLY);
	ssize_t		length;

	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[Max(length, 0)] = '\0';
	return atol(text) == (long) getpid() && !computes_parameter();
}

void
fo_node_install(void)
{
	FoNodeState state;

	/* postgres --single (pg_rewind may run it) has no postmaster, no clients and nobody to grant a lease. */
	if (!IsPostmasterEnvironment)
		return;
	if (!IsUnderPostmaster)
	{
		fo_node_watch_stops();
		fo_node_hold_by_default();
	}
	if (!IsUnderPostmaster && is_about_to_serve())
	{
		bool		is_known = fo_node_state_read(&state);

		if (is_known)
			fo_node_rejoin_at_start(&state);
		fo_node_drop_reservations(FATAL);
		if (is_known && state.is_armed)
			fo_node_hold_after_crash();
		/* Who is not consistent and cannot follow looks for another primary at each start (arrival.c). */
		if (is_known && !state.rejoin.is_inconsistent)
			fo_node_hold_timeline();
		fo_node_remove_part_of_segment();
	}
	fo_node_shmem_install();
	fo_node_gate_install();
	fo_node_clients_install();
	fo_node_register_worker();
	if (!computes_parameter())
		fo_node_restart_install();
}
