/*-------------------------------------------------------------------------
 *
 * error.c
 *		From what libpq and the peer say to an error class and a sentence that
 *		may be logged.
 *
 * The class decides whether a peer may be dead, so it must not hang on words
 * in some language.  Where there is an SQLSTATE it decides alone.  libpq has
 * no accessor for the SQLSTATE of a failed connect, but prints it when the
 * connection's verbosity is PQERRORS_VERBOSE ("FATAL:  57P03: ..."), which
 * link.c sets before the first byte is sent.  What remains is libpq's own and
 * the operating system's text, and link.c calls libpq with LC_MESSAGES = C.
 *
 * The one thing that only words tell is whether 57P03 means "starting" or
 * "shutting down"; unknown words count as starting.  Both prove life.
 *
 * A connect may have tried several addresses.  Then the answer that proves
 * most wins: one that proves life, then silence, then refusal.  Refused means
 * refused by all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "mb/pg_wchar.h"

#include "core/text.h"
#include "net/link_internal.h"

/* "FATAL:  57P03: text": where the SQLSTATE of verbose messages begins. */
#define STATE_MARK ":  "
#define STATE_LEN 5

typedef struct FoStateRow
{
	const char *prefix;			/* of the SQLSTATE */
	FoErrorClass class;
} FoStateRow;

/* First match wins; what is not listed is an ordinary error of a living server. */
static const FoStateRow state_rows[] = {
	{"28", FO_ERROR_AUTH},
	{"3D000", FO_ERROR_AUTH},
	{"42501", FO_ERROR_AUTH},
	{"57P04", FO_ERROR_AUTH},	/* its database was dropped */
	{"53300", FO_ERROR_TOO_MANY_CONNECTIONS},
	{"53100", FO_ERROR_DISK_FULL},
	{"57P01", FO_ERROR_SHUTTING_DOWN},
	{"57P02", FO_ERROR_RESET},	/* the server has crashed, or its postmaster is gone */
	{"57P03", FO_ERROR_STARTING_UP},
	{"57P05", FO_ERROR_RESET},	/* idle session ended */
	{"25P03", FO_ERROR_RESET},
	{"08P01", FO_ERROR_PROTOCOL},
	{"08", FO_ERROR_RESET}
};

typedef struct FoTextRow
{
	const char *text;			/* part of libpq's or the system's words, in English */
	FoErrorClass class;
} FoTextRow;

static const FoTextRow text_rows[] = {
	{"Connection refused", FO_ERROR_REFUSED},
	{"No such file or directory\n\tIs the server running", FO_ERROR_REFUSED},
	{"timeout expired", FO_ERROR_TIMEOUT},
	{"timed out", FO_ERROR_TIMEOUT},
	{"No route to host", FO_ERROR_TIMEOUT},
	{"Network is unreachable", FO_ERROR_TIMEOUT},
	{"Network is down", FO_ERROR_TIMEOUT},
	{"Host is down", FO_ERROR_TIMEOUT},
	{"Host is unreachable", FO_ERROR_TIMEOUT},
	{"Permission denied", FO_ERROR_TIMEOUT},	/* a local packet filter, or a socket's mode */
	{"Operation not permitted", FO_ERROR_TIMEOUT},
	{"not connected", FO_ERROR_TIMEOUT},	/* backlog of a unix socket is full */
	{"Resource temporarily unavailable", FO_ERROR_TIMEOUT},
	{"Too many open files", FO_ERROR_TIMEOUT},	/* ours: says nothing about the peer */
	{"Cannot assign requested address", FO_ERROR_TIMEOUT},
	{"out of memory", FO_ERROR_TIMEOUT},
	{"could not translate host name", FO_ERROR_DNS},
	{"could not parse network address", FO_ERROR_DNS},
	{"Connection reset by peer", FO_ERROR_RESET},
	{"closed the connection", FO_ERROR_RESET},
	{"Broken pipe", FO_ERROR_RESET},
	{"EOF detected", FO_ERROR_RESET},
	{"no password supplied", FO_ERROR_AUTH},
	{"does not support SSL", FO_ERROR_AUTH},
	{"certificate", FO_ERROR_AUTH},
	{"authentication", FO_ERROR_AUTH},
	{"SCRAM", FO_ERROR_AUTH},
	{"SSL error", FO_ERROR_AUTH},
	{"private key", FO_ERROR_AUTH}
};

locale_t
fo_net_plain_messages(void)
{
	static locale_t plain = (locale_t) 0;

	if (plain == (locale_t) 0)
		plain = newlocale(LC_MESSAGES_MASK, "C", (locale_t) 0);
	return plain == (locale_t) 0 ? (locale_t) 0 : uselocale(plain);
}

void
fo_net_restore_messages(locale_t before)
{
	if (before != (locale_t) 0)
		uselocale(before);
}

/* Which of two answers of one connect says more. */
static int
weight_of(FoErrorClass class)
{
	if (fo_core_error_proves_life(class))
		return 3;
	if (class == FO_ERROR_NONE)
		return 0;
	return class == FO_ERROR_REFUSED ? 1 : 2;
}

/*
 * Make a peer's text fit for our log, tables and views: one line, no control
 * characters, valid in the database's encoding whatever the peer sent.
 */
void
fo_net_clean_text(char *text)
{
	fo_core_clean_text(text, GetDatabaseEncoding() == PG_UTF8 &&
					   pg_encoding_verifymbstr(PG_UTF8, text, strlen(text)) == (int) strlen(text));
}

/* Store a message: cleaned, without white space around it. */
static void
set_message(FoNetError *error, const char *text, size_t length)
{
	char	   *copy;

	while (length > 0 && isspace((unsigned char) text[length - 1]))
		length--;
	while (length > 0 && isspace((unsigned char) *text))
	{
		text++;
		length--;
	}
	copy = pnstrdup(text, length);
	fo_net_clean_text(copy);
	fo_core_copy_text(error->message, sizeof(error->message), copy);
	pfree(copy);
}

void
fo_net_error_set(FoNetError *error, FoErrorClass class, const char *format,...)
{
	va_list		args;
	char		text[FO_SENTENCE_LEN * 2];

	va_start(args, format);
	fo_core_mend_cut(text, sizeof(text), vsnprintf(text, sizeof(text), format, args));
	va_end(args);
	error->class = class;
	error->sqlstate[0] = '\0';
	set_message(error, text, strlen(text));
}

static FoErrorClass
class_of_state(const char *sqlstate, const char *text)
{
	for (int i = 0; i < (int) lengthof(state_rows); i++)
	{
		if (strncmp(sqlstate, state_rows[i].prefix, strlen(state_rows[i].prefix)) != 0)
			continue;
		if (state_rows[i].class == FO_ERROR_STARTING_UP && strstr(text, "shutting down") != NULL)
			return FO_ERROR_SHUTTING_DOWN;
		return state_rows[i].class;
	}
	return FO_ERROR_QUERY;
}

static FoErrorClass
class_of_text(const char *text)
{
	for (int i = 0; i < (int) lengthof(text_rows); i++)
	{
		if (strstr(text, text_rows[i].text) != NULL)
			return text_rows[i].class;
	}
	return FO_ERROR_PROTOCOL;
}

/*
 * The server's own code for "my postmaster has died" is 57P01, the one of an
 * orderly shutdown.  Where it was raised tells them apart in every language:
 * a shutdown speaks from ProcessInterrupts() or quickdie(), an orphan from the
 * code that waits for the client.
 */
static bool
is_orphan(const char *sqlstate, const char *source_file)
{
	return strcmp(sqlstate, "57P01") == 0 && source_file != NULL &&
		strcmp(source_file, "be-secure.c") == 0;
}

void
fo_net_error_from_result(FoNetError *error, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	memset(error, 0, sizeof(*error));
	if (text == NULL)
		text = PQresultErrorMessage(result);
	set_message(error, text, strlen(text));
	if (sqlstate == NULL || strlen(sqlstate) != STATE_LEN)
	{
		/* Made up by libpq: the session broke under the query. */
		error->class = FO_ERROR_RESET;
		return;
	}
	if (is_orphan(sqlstate, PQresultErrorField(result, PG_DIAG_SOURCE_FILE)))
		sqlstate = "57P02";
	strlcpy(error->sqlstate, sqlstate, sizeof(error->sqlstate));
	error->class = class_of_state(sqlstate, text);
}

/* Find "SEVERITY:  XXXXX: " in one attempt's text; returns the SQLSTATE's place or NULL. */
static const char *
find_state(const char *text)
{
	for (const char *mark = strstr(text, STATE_MARK); mark != NULL; mark = strstr(mark + 1, STATE_MARK))
	{
		const char *state = mark + strlen(STATE_MARK);

		if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == STATE_LEN &&
			state[STATE_LEN] == ':' && state[STATE_LEN + 1] == ' ')
			return state;
	}
	return NULL;
}

/* Read what one attempt to connect has said; text is its own copy. */
static void
read_attempt(FoNetError *error, char *text)
{
	const char *state = find_state(text);
	char	   *end;

	if (state != NULL)
	{
		const char *words = state + STATE_LEN + 2;

		memcpy(error->sqlstate, state, STATE_LEN);
		error->sqlstate[STATE_LEN] = '\0';
		/* The first line; DETAIL, HINT and LOCATION follow. */
		set_message(error, words, strcspn(words, "\n"));
		error->class = class_of_state(error->sqlstate, error->message);
		return;
	}
	error->class = class_of_text(text);
	/* What follows on indented lines is advice for a person at a terminal. */
	end = strstr(text, "\n\t");
	if (end != NULL)
		*end = '\0';
	set_message(error, text, strlen(text));
}

void
fo_net_error_from_conn(FoNetError *error, PGconn *conn)
{
	static const char attempt_mark[] = "connection to server ";
	char	   *all = pstrdup(PQerrorMessage(conn));
	char	   *attempt = strstr(all, attempt_mark);

	memset(error, 0, sizeof(*error));
	if (attempt == NULL)
		attempt = all;
	while (attempt != NULL)
	{
		char	   *next = strstr(attempt + 1, attempt_mark);
		char	   *words;
		FoNetError	one = {0};

		if (next != NULL)
			next[-1] = '\0';
		/* The address that libpq begins with is the reader's own conninfo. */
		words = strncmp(attempt, attempt_mark, strlen(attempt_mark)) == 0 ? strstr(attempt, " failed: ") : NULL;
		read_attempt(&one, words ? words + strlen(" failed: ") : attempt);
		if (weight_of(one.class) >= weight_of(error->class))
			*error = one;
		attempt = next;
	}
	if (error->message[0] == '\0')
		fo_net_error_set(error, FO_ERROR_RESET, "connection lost");
	pfree(all);
}
