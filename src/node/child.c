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
 * A program may wait for a source that is gone for good.  When it has been
 * silent for some time the source is asked whether it lives, by a connection of
 * its own: silence alone may be the flushing of a large directory.
 *
 * At this stage of its life the postmaster does not obey signals yet.  Once a
 * second it is looked whether somebody wants it to stop, which ends both.  A
 * service manager that waits for the start is told meanwhile that it goes on.
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
#define PROGRAM_WORDS_MAX 24
#define OUTPUT_MAX 16384
#define SILENCE_US FO_MS(10000)		/* of a program, before its source is asked */
#define REPORT_US FO_MS(60000)		/* how often the log says that it goes on */
#define DETACHED "syncing "		/* what programs say when they need their source no more */
#define EXTEND_MESSAGE "EXTEND_TIMEOUT_USEC=30000000"

/* A child at work. */
typedef struct Work
{
	const char *name;			/* of the program; NULL = it is none */
	const char *source;			/* conninfo of the server that it depends on; NULL = none */
	FoOutputWatcher watcher;	/* looks at the output while it runs; NULL = nobody */
	void	   *watcher_argument;
	StringInfo	output;
	FoTime		deadline;		/* PG_INT64_MAX = none */

	pid_t		child;
	int			fd;				/* where its output can be read */
	FoTime		begun_at;
	FoTime		heard_at;		/* last output, or the last time that its source was found alive */
	FoTime		reported_at;
} Work;

void
fo_node_ask_for_time(void)
{
	static FoTime asked_at = 0;
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	size_t		length;
	int			fd;

	if (asked_at != 0 && fo_node_clock() - asked_at < FO_MS(TICK_MS))
		return;
	asked_at = fo_node_clock();
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

static void
end_if_stop_is_pending(void)
{
	if (fo_node_is_stop_wanted())
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
reap(pid_t child, int *status)
{
	while (waitpid(child, status, 0) < 0 && errno == EINTR)
		;
}

/* Wait up to that long until there is output, or its end. */
static bool
has_output(const Work *work, int timeout_ms)
{
	struct pollfd wait = {.fd = work->fd, .events = POLLIN};

	return poll(&wait, 1, timeout_ms) > 0;
}

/* Take in some output that is there.  False at its end. */
static bool
take_output(Work *work)
{
	char		buffer[1024];
	ssize_t		got = read(work->fd, buffer, sizeof(buffer));

	if (got < 0 && errno == EINTR)
		return true;
	if (got <= 0)
		return false;
	collect(work->output, buffer, (int) got);
	work->heard_at = fo_node_clock();
	if (work->watcher != NULL)
		work->watcher(work->child, work->output->data, work->watcher_argument);
	return true;
}

static void
take_all_output(Work *work)
{
	while (has_output(work, 0) && take_output(work))
		;
}

/*
 * End the child and take in what it said before; its process id stays taken
 * until it is reaped.  What a program has said it does, it may have done.
 */
static void
end_child(Work *work)
{
	siginfo_t	info;

	(void) kill(work->child, SIGKILL);
	while (waitid(P_PID, work->child, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	take_all_output(work);
}

/*
 * Has the source gone while the program waits for it?  Then the program is
 * ended.  It is held up meanwhile, because nobody watches what it says.
 */
static bool
is_source_lost(Work *work)
{
	if (work->source == NULL || fo_node_clock() - work->heard_at < SILENCE_US ||
		strstr(work->output->data, DETACHED) != NULL)
		return false;

	(void) kill(work->child, SIGSTOP);
	if (!fo_node_source_answers(work->source))
	{
		end_child(work);
		appendStringInfoString(work->output, "error: the new primary does not answer");
		return true;
	}
	take_all_output(work);
	(void) kill(work->child, SIGCONT);
	work->heard_at = fo_node_clock();
	return false;
}

/* Say once in a while that it goes on, and what was heard last. */
static void
report_progress(Work *work)
{
	FoTime		now = fo_node_clock();
	char	   *text;
	char	   *line;

	if (work->name == NULL || now - work->reported_at < REPORT_US)
		return;
	work->reported_at = now;
	text = pstrdup(work->output->data);
	for (size_t length = strlen(text); length > 0 && strchr(" \r\n", text[length - 1]) != NULL; length--)
		text[length - 1] = '\0';
	line = strrchr(text, '\n');
	ereport(LOG,
			(errmsg("failover: %s has been running for %d s", work->name, (int) ((now - work->begun_at) / FO_MS(1000))),
			 errdetail("It said last: %s", line != NULL ? line + 1 : text)));
	pfree(text);
}

/* Read until the child closes its output.  False if it had to be ended. */
static bool
follow_output(Work *work)
{
	for (;;)
	{
		if (fo_node_is_stop_wanted())
		{
			end_child(work);
			reap(work->child, NULL);
			end_if_stop_is_pending();
		}
		if (fo_node_clock() >= work->deadline)
		{
			end_child(work);
			return false;
		}
		fo_node_ask_for_time();
		report_progress(work);
		if (has_output(work, TICK_MS))
		{
			if (!take_output(work))
				return true;
		}
		else if (is_source_lost(work))
			return false;
	}
}

static int
run(void (*body) (void *argument), void *argument, Work *work)
{
	int			ends[2];
	int			status = 0;
	pid_t		parent = getpid();
	bool		is_complete;

	if (pipe(ends) != 0)
	{
		ereport(LOG, (errmsg("could not create a pipe: %m")));
		return -1;
	}
	fflush(NULL);
	work->child = fork();
	if (work->child < 0)
	{
		ereport(LOG, (errmsg("could not fork: %m")));
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	if (work->child == 0)
	{
		become_child(ends[1], parent);
		body(argument);
		fflush(NULL);
		_exit(0);
	}
	close(ends[1]);
	work->fd = ends[0];
	work->begun_at = work->heard_at = work->reported_at = fo_node_clock();
	is_complete = follow_output(work);
	close(ends[0]);
	reap(work->child, &status);
	return is_complete && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
fo_node_run(void (*body) (void *argument), void *argument, int64 timeout_ms, StringInfo output)
{
	Work		work = {
		.output = output,
		.deadline = timeout_ms > 0 ? fo_node_clock() + FO_MS(timeout_ms) : PG_INT64_MAX
	};

	return run(body, argument, &work);
}

/* Programs look for their like beside the path that they are called by: the server's PATH need not lead there. */
static void
execute_program(void *argument)
{
	const char **words = argument;

	execv(words[0], (char *const *) words);
	fprintf(stderr, "could not execute \"%s\": %s\n", words[0], strerror(errno));
	fflush(stderr);
	_exit(127);
}

int
fo_node_run_program(const char *name, const char *const *arguments, const char *source, StringInfo output,
					FoOutputWatcher watcher, void *watcher_argument)
{
	Work		work = {
		.name = name,
		.source = source,
		.watcher = watcher,
		.watcher_argument = watcher_argument,
		.output = output,
		.deadline = PG_INT64_MAX
	};
	char		path[MAXPGPATH];
	const char *words[PROGRAM_WORDS_MAX] = {path};

	strlcpy(path, my_exec_path, sizeof(path));
	get_parent_directory(path);
	join_path_components(path, path, name);
	for (int n = 0; arguments[n] != NULL && n + 2 < PROGRAM_WORDS_MAX; n++)
		words[n + 1] = arguments[n];
	return run(execute_program, words, &work);
}

void
fo_node_pause(int64 milliseconds)
{
	FoTime		end = fo_node_clock() + FO_MS(milliseconds);

	for (FoTime left = end - fo_node_clock(); left > 0; left = end - fo_node_clock())
	{
		end_if_stop_is_pending();
		fo_node_ask_for_time();
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
