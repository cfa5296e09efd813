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
 * Who asks the server to stop while it is on its way wins: it stays down, and
 * the next start carries on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/syslogger.h"
#include "replication/walsender.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/guc.h"

#include "guc.h"
#include "node/node.h"

#define COMMAND_LINE_MAX 65536
#define ARGUMENTS_MAX 1024
#define OWN_STOP 0x6661696c		/* comes with the signal by which we stop the server ourselves */
#define TAIL_N 10				/* arguments that name files absolutely */

/* Process in which _PG_init ran; its children inherit the callbacks' code, not their duty. */
static pid_t postmaster_pid = 0;

/* ---- who wants this server to stop ---- */

/* What a stop is asked for with, and what the postmaster does about it. */
#define STOP_SIGNALS_N 3
static const int stop_signals[STOP_SIGNALS_N] = {SIGTERM, SIGINT, SIGQUIT};
static struct sigaction postmaster_actions[STOP_SIGNALS_N];

/* The last of them that somebody else has sent; 0 = none. */
static volatile sig_atomic_t stop_signal = 0;

/*
 * The postmaster does not tell who asked it to stop, and forgets it when it
 * executes itself again: remember it, and let the postmaster do what it does.
 */
static void
note_stop(int number, siginfo_t *info, void *context)
{
	if (info->si_code != SI_QUEUE || info->si_value.sival_int != OWN_STOP)
		stop_signal = number;
	else
		fo_node_silent_watch();
	for (int i = 0; i < STOP_SIGNALS_N; i++)
	{
		const struct sigaction *action = &postmaster_actions[i];

		if (stop_signals[i] != number)
			continue;
		if (action->sa_flags & SA_SIGINFO)
			action->sa_sigaction(number, info, context);
		else
			action->sa_handler(number);
	}
}

void
fo_node_watch_stops(void)
{
	for (int i = 0; i < STOP_SIGNALS_N; i++)
	{
		struct sigaction action;

		(void) sigaction(stop_signals[i], NULL, &action);
		if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)
			continue;
		postmaster_actions[i] = action;
		action.sa_sigaction = note_stop;
		action.sa_flags |= SA_SIGINFO;
		(void) sigaction(stop_signals[i], &action, NULL);
	}
}

/* Depending on its version and on the moment the postmaster has these signals blocked. */
bool
fo_node_is_stop_wanted(void)
{
	sigset_t	pending;

	if (stop_signal != 0)
		return true;
	if (sigpending(&pending) != 0)
		return false;
	for (int i = 0; i < STOP_SIGNALS_N; i++)
	{
		if (sigismember(&pending, stop_signals[i]))
			return true;
	}
	return false;
}

static void
block_signals(void)
{
	sigset_t	all;

	sigfillset(&all);
	(void) sigprocmask(SIG_SETMASK, &all, NULL);
}

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
 * Name the files absolutely; later arguments override earlier ones.  The
 * postmaster has changed to its data directory since it read relative paths,
 * and those may also come from the environment or the configuration.
 */
static int
append_absolute_paths(char **arguments, int n)
{
	char	   *const tail[TAIL_N] = {
		"-D", DataDir,
		"-c", psprintf("config_file=%s", ConfigFileName),
		"-c", psprintf("hba_file=%s", HbaFileName),
		"-c", psprintf("ident_file=%s", IdentFileName),
		"-c", psprintf("data_directory=%s", DataDir)
	};
	int			same = 0;

	while (same < TAIL_N && n >= TAIL_N && strcmp(arguments[n - TAIL_N + same], tail[same]) == 0)
		same++;
	if (same == TAIL_N)
		return n;				/* from the restart before */
	memcpy(arguments + n, tail, sizeof(tail));
	return n + TAIL_N;
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

/* File to which the logging collector writes what comes by stderr; "/dev/null" if there is none. */
static void
find_log_file(char *path, size_t size)
{
	FILE	   *list = fopen(LOG_METAINFO_DATAFILE, "r");
	char		line[MAXPGPATH + 16];

	strlcpy(path, "/dev/null", size);
	if (list == NULL)
		return;
	while (fgets(line, sizeof(line), list) != NULL)
	{
		if (strncmp(line, "stderr ", strlen("stderr ")) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		strlcpy(path, line + strlen("stderr "), size);
	}
	fclose(list);
}

/*
 * Our standard streams are the pipe to the logging collector, which ends when
 * nobody can write to it any more.  They survive the exec, and the next
 * collector would inherit them and keep this one alive for ever: write to its
 * file instead until then.
 */
static void
release_collector(void)
{
	char		path[MAXPGPATH];
	int			fd;

	if (syslogPipe[0] < 0)
		return;
	find_log_file(path, sizeof(path));
	fd = open(path, O_WRONLY | O_APPEND);
	if (fd < 0)
		fd = open("/dev/null", O_WRONLY);
	if (fd < 0)
		return;
	(void) dup2(fd, STDOUT_FILENO);
	(void) dup2(fd, STDERR_FILENO);
	close(fd);
}

/*
 * A program starts with the default handlers; exec keeps what is ignored.  All
 * signals stay blocked until the new postmaster lets them in: who asks it to
 * stop meanwhile is heard then, and so is who has asked before.
 */
static void
reset_signals(void)
{
	block_signals();
	for (int number = 1; number < NSIG; number++)
		(void) signal(number, SIG_DFL);
	if (stop_signal != 0)
		(void) kill(getpid(), stop_signal);
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
	n = append_absolute_paths(arguments, n);
	arguments[n] = NULL;

	fflush(NULL);
	release_collector();
	close_descriptors_on_exec();
	reset_signals();
	execv(my_exec_path, arguments);
	ereport(LOG, (errmsg("failover: could not execute \"%s\": %m", my_exec_path)));
}

void
fo_node_reexecute(void)
{
	execute_again();
	ereport(FATAL,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("failover: this server could not restart itself"),
			 errhint("Start it by hand.")));
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

static void
restart_at_exit(int code, Datum arg)
{
	FoNodeState state;

	if (getpid() != postmaster_pid)
		return;
	if (!fo_node_state_read(&state) || state.rejoin.phase != FO_REJOIN_STOPPING)
		return;
	block_signals();			/* whoever asks from now on is heard by the server that we become */
	if (fo_node_is_stop_wanted())
		return;
	fo_node_rejoin_at_exit(&state);
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

/*
 * The checkpointer looks every 10 ms whether all walsenders know that the server
 * stops: they are told before it has to ask them.
 */
void
fo_node_restart(void)
{
	const union sigval value = {.sival_int = OWN_STOP};

	WalSndInitStopping();
	if (sigqueue(PostmasterPid, SIGINT, value) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not signal the postmaster: %m")));
}
