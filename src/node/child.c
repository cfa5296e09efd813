/*-------------------------------------------------------------------------
 *
 * child.c
 *		Runs what takes long or may hang in a child of the starting postmaster.
 *
 * The postmaster must stay simple (no second thread, no library state that
 * the server would inherit) and must be able to stop: so whatever speaks to
 * another server, and every program, runs in a child.  The child dies with the
 * postmaster, or a killed one would leave a pg_rewind behind that goes on
 * writing under the next.
 *
 * At this stage of its life the postmaster has its signals blocked.  A stop
 * signal is found pending, once a second, and ends both.  A service manager
 * that waits for the start is told meanwhile that it goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include "guc.h"
#include "node/rejoin.h"

#define TICK_MS 1000
#define OUTPUT_MAX 16384
#define EXTEND_MESSAGE "EXTEND_TIMEOUT_USEC=30000000"

/* What the child runs, when it is a program. */
typedef struct Program
{
	char		path[MAXPGPATH];
	const char *const *arguments;
} Program;

/* Who looks at the output while the child runs. */
typedef struct Watch
{
	FoOutputWatcher watcher;	/* NULL = nobody */
	void	   *argument;
} Watch;

/* Ask a notified service manager for patience; nothing happens without one. */
static void
extend_start_timeout(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	size_t		length;
	int			fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	length = strlen(path);
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';	/* abstract name space */

	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd < 0)
		return;
	(void) sendto(fd, EXTEND_MESSAGE, strlen(EXTEND_MESSAGE), MSG_DONTWAIT | MSG_NOSIGNAL,
				  (struct sockaddr *) &address, offsetof(struct sockaddr_un, sun_path) + length);
	close(fd);
}

/* Does somebody want the postmaster to stop? */
static bool
is_stop_pending(void)
{
	sigset_t	pending;

	if (sigpending(&pending) != 0)
		return false;
	return sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT) || sigismember(&pending, SIGQUIT);
}

static void
end_if_stop_is_pending(void)
{
	if (is_stop_pending())
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("failover: stopped while preparing to become a standby; the next start carries on")));
}

/* In the child: become independent of what the postmaster has set up. */
static void
become_child(int output, pid_t parent)
{
	sigset_t	none;

#ifdef __linux__
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
#endif
	on_exit_reset();
	for (int number = 1; number < NSIG; number++)
		(void) signal(number, SIG_DFL);
	sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);

	(void) dup2(output, STDOUT_FILENO);
	(void) dup2(output, STDERR_FILENO);
	for (int fd = STDERR_FILENO + 1; fd < 1024; fd++)
		(void) close(fd);

	/* Messages of programs are parsed and kept. */
	(void) setenv("LC_ALL", "C", 1);
	if (fo_guc_passfile[0] != '\0')
		(void) setenv("PGPASSFILE", fo_guc_passfile, 1);
}

/* Append to the output, forgetting the oldest when it grows too long. */
static void
collect(StringInfo output, const char *bytes, int n)
{
	if (output->len + n > OUTPUT_MAX)
	{
		int			excess = Min(output->len, output->len + n - OUTPUT_MAX);

		memmove(output->data, output->data + excess, output->len - excess + 1);
		output->len -= excess;
	}
	appendBinaryStringInfo(output, bytes, n);
}

static void
kill_and_reap(pid_t child)
{
	(void) kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Read until the child closes its output.  False if it took too long. */
static bool
follow_output(pid_t child, int fd, int64 timeout_ms, StringInfo output, const Watch *watch)
{
	int64		deadline = timeout_ms > 0 ? fo_node_clock() + timeout_ms * 1000 : PG_INT64_MAX;

	for (;;)
	{
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		char		buffer[1024];
		ssize_t		got;

		if (is_stop_pending())
		{
			kill_and_reap(child);
			end_if_stop_is_pending();
		}
		if (fo_node_clock() >= deadline)
			return false;
		if (poll(&wait, 1, TICK_MS) <= 0)
		{
			extend_start_timeout();
			continue;
		}
		got = read(fd, buffer, sizeof(buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return true;
		collect(output, buffer, (int) got);
		if (watch->watcher != NULL)
			watch->watcher(child, output->data, watch->argument);
	}
}

static int
run_watched(void (*body) (void *argument), void *argument, int64 timeout_ms, StringInfo output, const Watch *watch)
{
	int			ends[2];
	int			status;
	pid_t		parent = getpid();
	pid_t		child;
	bool		is_in_time;

	if (pipe(ends) != 0)
		ereport(FATAL, (errmsg("could not create a pipe: %m")));
	fflush(NULL);
	child = fork();
	if (child < 0)
		ereport(FATAL, (errmsg("could not fork: %m")));
	if (child == 0)
	{
		become_child(ends[1], parent);
		body(argument);
		fflush(NULL);
		_exit(0);
	}
	close(ends[1]);
	is_in_time = follow_output(child, ends[0], timeout_ms, output, watch);
	close(ends[0]);
	if (!is_in_time)
	{
		kill_and_reap(child);
		return -1;
	}
	while (waitpid(child, &status, 0) < 0)
	{
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
fo_node_run(void (*body) (void *argument), void *argument, int64 timeout_ms, StringInfo output)
{
	const Watch nobody = {NULL, NULL};

	return run_watched(body, argument, timeout_ms, output, &nobody);
}

static void
execute_program(void *argument)
{
	Program    *program = argument;

	execv(program->path, (char *const *) program->arguments);
	fprintf(stderr, "could not execute \"%s\": %s\n", program->path, strerror(errno));
	fflush(stderr);
	_exit(127);
}

int
fo_node_run_program(const char *name, const char *const *arguments, StringInfo output,
					FoOutputWatcher watcher, void *watcher_argument)
{
	const Watch watch = {watcher, watcher_argument};
	Program		program;

	program.arguments = arguments;
	strlcpy(program.path, my_exec_path, sizeof(program.path));
	get_parent_directory(program.path);
	join_path_components(program.path, program.path, name);
	return run_watched(execute_program, &program, 0, output, &watch);
}

void
fo_node_pause(int64 milliseconds)
{
	FoTime		end = fo_node_clock() + FO_MS(milliseconds);

	for (FoTime left = end - fo_node_clock(); left > 0; left = end - fo_node_clock())
	{
		end_if_stop_is_pending();
		extend_start_timeout();
		(void) poll(NULL, 0, (int) Min(TICK_MS, left / 1000 + 1));
	}
}

char *
fo_node_problem(const char *output)
{
	const char *found = output;
	const char *next;
	char	   *text;
	char	   *end;

	/* Programs write "name: error: what went wrong", possibly over several lines. */
	while ((next = strstr(found, "error: ")) != NULL)
		found = next + strlen("error: ");
	text = pstrdup(found);
	for (end = text; *end != '\0'; end++)
	{
		if (*end == '\n' || *end == '\t' || *end == '\r')
			*end = ' ';
	}
	while (end > text && end[-1] == ' ')
		*--end = '\0';
	return text;
}
