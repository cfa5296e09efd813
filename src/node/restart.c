/*-------------------------------------------------------------------------
 *
 * restart.c
 *		Stops the server and brings it back, from inside.
 *
 * A server that is to become a standby has to end and start again, and there
 * is nobody on its host to start it.  So the postmaster executes itself once
 * more when everything else of it has ended: in an on_proc_exit callback, when
 * shared memory is gone, the sockets are closed and the control file says that
 * the shutdown was complete.  The process id stays the same, therefore pg_ctl,
 * service managers and containers (where the postmaster may be process 1)
 * notice nothing, and the lock file is never absent.
 *
 * A service manager that is notified (NOTIFY_SOCKET) has been told STOPPING=1
 * by then and would kill what goes on after its stop timeout.  There the
 * server really exits, with status 1, so that Restart=on-failure brings it
 * back as well as Restart=always.  failover.restart_method chooses; auto looks
 * at the environment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/guc.h"

#include "guc.h"
#include "node/node.h"

#define COMMAND_LINE_MAX 65536
#define ARGUMENTS_MAX 1024
#define TAIL_N 8				/* arguments that replace relative paths */

/* Process in which _PG_init ran; its children inherit the callbacks' code, not their duty. */
static pid_t postmaster_pid = 0;

/* ---- the command line ---- */

/* Split the contents of /proc/self/cmdline, in place.  Returns the count; 0 if it cannot be had. */
static int
read_command_line(char *buffer, char **arguments)
{
	int			fd = open("/proc/self/cmdline", O_RDONLY);
	size_t		length = 0;
	int			n = 0;

	if (fd < 0)
		return 0;
	for (;;)
	{
		ssize_t		got = read(fd, buffer + length, COMMAND_LINE_MAX - 1 - length);

		if (got <= 0)
			break;
		length += got;
	}
	close(fd);
	buffer[length] = '\0';

	for (size_t at = 0; at < length && n < ARGUMENTS_MAX; at += strlen(buffer + at) + 1)
		arguments[n++] = buffer + at;
	return n;
}

/*
 * Would these arguments, read in another working directory, find another
 * cluster?  The postmaster has changed to its data directory since it read
 * them.
 */
static bool
has_relative_path(char **arguments, int n)
{
	const char *directory = getenv("PGDATA");

	for (int i = 1; i < n; i++)
	{
		const char *setting = strstr(arguments[i], "config_file=");

		if (setting != NULL && !is_absolute_path(setting + strlen("config_file=")))
			return true;
		if (strcmp(arguments[i], "-D") == 0 && i + 1 < n)
			directory = arguments[i + 1];
		else if (strncmp(arguments[i], "-D", 2) == 0)
			directory = arguments[i] + 2;
	}
	return directory == NULL || !is_absolute_path(directory);
}

/* Name the files absolutely; later arguments override earlier ones. */
static int
append_absolute_paths(char **arguments, int n)
{
	arguments[n++] = "-D";
	arguments[n++] = DataDir;
	arguments[n++] = "-c";
	arguments[n++] = psprintf("config_file=%s", ConfigFileName);
	arguments[n++] = "-c";
	arguments[n++] = psprintf("hba_file=%s", HbaFileName);
	arguments[n++] = "-c";
	arguments[n++] = psprintf("ident_file=%s", IdentFileName);
	return n;
}

/* ---- re-execution ---- */

/* Everything but the standard streams is closed by the exec. */
static void
close_descriptors_on_exec(void)
{
	DIR		   *directory = opendir("/proc/self/fd");
	struct dirent *entry;

	if (directory == NULL)
	{
		for (int fd = 3; fd < 1024; fd++)
			(void) fcntl(fd, F_SETFD, FD_CLOEXEC);
		return;
	}
	while ((entry = readdir(directory)) != NULL)
	{
		int			fd = atoi(entry->d_name);

		if (fd > 2)
			(void) fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	closedir(directory);
}

/*
 * A program starts with the default handlers; exec keeps what is ignored.  All
 * signals stay blocked until the new postmaster, which begins by blocking
 * them, lets them in: who asks it to stop meanwhile is heard then.
 */
static void
reset_signals(void)
{
	sigset_t	all;

	sigfillset(&all);
	(void) sigprocmask(SIG_SETMASK, &all, NULL);
	for (int number = 1; number < NSIG; number++)
		(void) signal(number, SIG_DFL);
}

/* Execute ourselves.  Returns only if that failed. */
static void
execute_again(void)
{
	static char buffer[COMMAND_LINE_MAX];
	static char *arguments[ARGUMENTS_MAX + TAIL_N + 1];
	int			n = read_command_line(buffer, arguments);

	if (n == 0)
	{
		ereport(LOG, (errmsg("failover: could not read the command line of this server, it has to be started by hand")));
		return;
	}
	if (has_relative_path(arguments, n))
		n = append_absolute_paths(arguments, n);
	arguments[n] = NULL;

	fflush(NULL);
	close_descriptors_on_exec();
	reset_signals();
	execv(my_exec_path, arguments);
	ereport(LOG, (errmsg("failover: could not execute \"%s\": %m", my_exec_path)));
}

void
fo_node_reexecute(void)
{
	execute_again();
	ereport(FATAL, (errmsg("failover: this server could not restart itself")));
	pg_unreachable();
}

/* ---- at the end of the postmaster ---- */

static bool
is_exec_wanted(void)
{
	switch ((FoRestartMethod) fo_guc_restart_method)
	{
		case FO_RESTART_EXEC:
			return true;
		case FO_RESTART_EXIT:
			return false;
		case FO_RESTART_AUTO:
			break;
	}
	return getenv("NOTIFY_SOCKET") == NULL;
}

static void
exit_for_restart(void)
{
	fflush(NULL);
	_exit(1);
}

/*
 * Does somebody want this server to stop, now that it is on its way down for
 * us?  An immediate shutdown ends without a clean control file and without an
 * error; other requests are seen if they came last.
 */
static bool
is_stop_wanted(int code)
{
	bool		is_intact;
	DBState		state = get_controlfile(DataDir, &is_intact)->state;
	sigset_t	pending;

	if (code == 0 && state != DB_SHUTDOWNED && state != DB_SHUTDOWNED_IN_RECOVERY)
		return true;
	return sigpending(&pending) == 0 &&
		(sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT) || sigismember(&pending, SIGQUIT));
}

static void
restart_at_exit(int code, Datum arg)
{
	FoNodeState state;

	if (getpid() != postmaster_pid)
		return;
	if (!fo_node_state_read(&state) || state.rejoin.phase != FO_REJOIN_STOPPING)
		return;
	if (is_stop_wanted(code))
		return;
	if (is_exec_wanted())
	{
		ereport(LOG, (errmsg("failover: restarting in place to become a standby")));
		execute_again();
	}
	else
		ereport(LOG, (errmsg("failover: exiting to be restarted by the service manager and become a standby")));
	atexit(exit_for_restart);
}

void
fo_node_restart_install(void)
{
	postmaster_pid = getpid();
	on_proc_exit(restart_at_exit, (Datum) 0);
}

void
fo_node_restart(void)
{
	if (kill(PostmasterPid, SIGINT) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not signal the postmaster: %m")));
}
