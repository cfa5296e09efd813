/*-------------------------------------------------------------------------
 *
 * conninfo.c
 *		What may stand in a registered conninfo.
 *
 * Whoever registers a peer steers a process that runs as the server's
 * operating system user: a keyword that names a file to send, a command line
 * or another place to read keywords from would let them borrow its rights.  So
 * there is a list of what is allowed, and everything else is refused.  Secrets
 * are refused because the table is readable by monitoring roles.
 *
 * Texts of libpq's parser are never passed on: they quote what they could not
 * parse, which may be the very password that does not belong there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "libpq-fe.h"

#include "catalog/internal.h"

typedef enum ValueKind
{
	VALUE_TEXT,					/* anything without control characters */
	VALUE_SINGLE,				/* text that must not be a list */
	VALUE_ADDRESS,				/* one numeric address */
	VALUE_DATABASE,				/* text that must not itself be a conninfo */
	VALUE_NUMBER,				/* within min .. max */
	VALUE_WORD,					/* one of words */
	VALUE_DROPPED				/* accepted and left out */
} ValueKind;

typedef struct Keyword
{
	const char *name;
	ValueKind	kind;
	int			min;
	int			max;
	const char *words;			/* comma-separated, for VALUE_WORD; these are the hint too */
} Keyword;

/* In canonical order.  What a libpq does not know, its parser refuses before we look here. */
static const Keyword allowed[] = {
	{"host", VALUE_SINGLE},
	{"hostaddr", VALUE_ADDRESS},
	{"port", VALUE_NUMBER, 1, 65535},
	{"dbname", VALUE_DATABASE},
	{"user", VALUE_TEXT},
	{"connect_timeout", VALUE_NUMBER, 0, 86400},
	{"application_name", VALUE_TEXT},
	{"sslmode", VALUE_WORD, 0, 0, "disable, allow, prefer, require, verify-ca, verify-full"},
	{"sslnegotiation", VALUE_WORD, 0, 0, "postgres, direct"},
	{"sslrootcert", VALUE_TEXT},
	{"sslcrl", VALUE_TEXT},
	{"sslcrldir", VALUE_TEXT},
	{"sslsni", VALUE_NUMBER, 0, 1},
	{"sslcompression", VALUE_NUMBER, 0, 1},
	{"sslcertmode", VALUE_WORD, 0, 0, "disable, allow, require"},
	{"ssl_min_protocol_version", VALUE_WORD, 0, 0, "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"},
	{"ssl_max_protocol_version", VALUE_WORD, 0, 0, "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"},
	{"channel_binding", VALUE_WORD, 0, 0, "disable, prefer, require"},
	{"require_auth", VALUE_TEXT},
	{"requirepeer", VALUE_TEXT},
	{"gssencmode", VALUE_WORD, 0, 0, "disable, prefer, require"},
	{"krbsrvname", VALUE_TEXT},
	{"keepalives", VALUE_NUMBER, 0, 1},
	{"keepalives_idle", VALUE_NUMBER, 0, 86400},
	{"keepalives_interval", VALUE_NUMBER, 0, 86400},
	{"keepalives_count", VALUE_NUMBER, 0, 1000},
	{"tcp_user_timeout", VALUE_NUMBER, 0, 86400000},

	/*
	 * A peer is one server, which is watched in whichever role it is in: with
	 * these a session would be refused, or go somewhere else.
	 */
	{"target_session_attrs", VALUE_DROPPED},
	{"load_balance_hosts", VALUE_DROPPED},
};

/* Keywords that deserve more than "not allowed". */
static const struct
{
	const char *name;
	const char *hint;
}			refused[] = {
	{"password", "Passwords are read from the file that \"failover.passfile\" names."},
	{"passfile", "Set \"failover.passfile\" instead; it holds for all peers."},
	{"sslpassword", "Use a key without a passphrase, owned by the operating system user of the server."},
	{"sslcert", "The client certificate is that of the server's operating system user, ~/.postgresql/postgresql.crt."},
	{"sslkey", "The key is that of the server's operating system user, ~/.postgresql/postgresql.key."},
	{"service", "Write the keywords of the service out."},
	{"options", "Set parameters on the peer with ALTER ROLE ... SET."},
	{"replication", "The coordinator uses ordinary sessions."},
	{"client_encoding", "The coordinator chooses it."},
	{"fallback_application_name", "Use \"application_name\"."},
};

static const Keyword *
find_allowed(const char *name)
{
	for (size_t i = 0; i < lengthof(allowed); i++)
	{
		if (strcmp(allowed[i].name, name) == 0)
			return &allowed[i];
	}
	return NULL;
}

static const char *
refusal_hint(const char *name)
{
	for (size_t i = 0; i < lengthof(refused); i++)
	{
		if (strcmp(refused[i].name, name) == 0)
			return refused[i].hint;
	}
	return NULL;
}

/* NULL if it cannot be parsed.  The caller frees it with PQconninfoFree, whatever happens. */
static PQconninfoOption *
parse(const char *conninfo)
{
	char	   *message = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &message);

	if (message)
		PQfreemem(message);
	return options;
}

static bool
is_known(const PQconninfoOption *options, const char *keyword)
{
	for (const PQconninfoOption *option = options; option->keyword; option++)
	{
		if (strcmp(option->keyword, keyword) == 0)
			return true;
	}
	return false;
}

/* Those that the libpq here knows: an empty conninfo is parsed into all of them, without a value. */
static char *
allowed_hint(void)
{
	PQconninfoOption *options = parse("");
	bool		is_listed[lengthof(allowed)];
	StringInfoData hint;

	for (size_t i = 0; i < lengthof(allowed); i++)
		is_listed[i] = options == NULL || is_known(options, allowed[i].name);
	PQconninfoFree(options);

	initStringInfo(&hint);
	for (size_t i = 0; i < lengthof(allowed); i++)
	{
		if (is_listed[i])
			appendStringInfo(&hint, "%s%s", hint.len > 0 ? ", " : "Allowed keywords: ", allowed[i].name);
	}
	appendStringInfoChar(&hint, '.');
	return hint.data;
}

bool
fo_catalog_has_control_character(const char *value)
{
	for (; *value; value++)
	{
		if ((unsigned char) *value < ' ' || *value == 0x7f)
			return true;
	}
	return false;
}

/* Is value one of a comma-separated list of words, to the letter? */
static bool
is_one_of(const char *value, const char *words)
{
	size_t		len = strlen(value);

	while (words)
	{
		if (strncmp(words, value, len) == 0 && (words[len] == '\0' || words[len] == ','))
			return true;
		words = strchr(words, ',');
		if (words)
			words += strlen(", ");
	}
	return false;
}

static bool
is_number_within(const char *value, int min, int max)
{
	char	   *end;
	long		number;

	if (!isdigit((unsigned char) value[0]))
		return false;
	errno = 0;
	number = strtol(value, &end, 10);
	return errno == 0 && *end == '\0' && number >= min && number <= max;
}

/* Written like one IPv4 or IPv6 address, with or without a %scope; libpq will say if it is none after all. */
static bool
is_address(const char *value)
{
	size_t		len = strspn(value, "0123456789abcdefABCDEF:.");

	return strpbrk(value, ".:") != NULL && len > 0 &&
		(value[len] == '\0' || value[len] == '%') && strchr(value, ',') == NULL;
}

/* libpq would take it for a conninfo if it were asked to look. */
static bool
is_conninfo_like(const char *value)
{
	return strchr(value, '=') != NULL || strstr(value, "://") != NULL;
}

/* False, with *hint what would be right, if the value does not suit the keyword. */
static bool
is_value_sane(const Keyword *keyword, const char *value, char **hint)
{
	if (fo_catalog_has_control_character(value))
	{
		*hint = pstrdup("Values must not contain control characters.");
		return false;
	}

	switch (keyword->kind)
	{
		case VALUE_SINGLE:
			if (strchr(value, ',') == NULL)
				return true;
			*hint = pstrdup("A peer is one server; register each server as a peer of its own.");
			return false;
		case VALUE_ADDRESS:
			if (is_address(value))
				return true;
			*hint = pstrdup("Give one numeric IPv4 or IPv6 address; a name is given as \"host\".");
			return false;
		case VALUE_DATABASE:
			if (!is_conninfo_like(value))
				return true;
			*hint = pstrdup("Give the plain name of a database, without \"=\" and \"://\".");
			return false;
		case VALUE_NUMBER:
			if (is_number_within(value, keyword->min, keyword->max))
				return true;
			*hint = psprintf("Give a number from %d to %d.", keyword->min, keyword->max);
			return false;
		case VALUE_WORD:
			if (is_one_of(value, keyword->words))
				return true;
			*hint = psprintf("Available values: %s.", keyword->words);
			return false;
		case VALUE_TEXT:
		case VALUE_DROPPED:
			return true;
	}
	return false;
}

void
fo_catalog_append_pair(StringInfo conninfo, const char *keyword, const char *value)
{
	bool		is_plain = value[0] != '\0';

	for (const char *c = value; *c && is_plain; c++)
		is_plain = isalnum((unsigned char) *c) || strchr("_.:/@-+,[]%", *c) != NULL;

	appendStringInfo(conninfo, "%s%s=", conninfo->len > 0 ? " " : "", keyword);
	if (is_plain)
	{
		appendStringInfoString(conninfo, value);
		return;
	}

	appendStringInfoChar(conninfo, '\'');
	for (; *value; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(conninfo, '\\');
		appendStringInfoChar(conninfo, *value);
	}
	appendStringInfoChar(conninfo, '\'');
}

static bool
is_set(const PQconninfoOption *option)
{
	return option->val != NULL && option->val[0] != '\0';
}

static const char *
find_value(const PQconninfoOption *options, const char *keyword)
{
	for (const PQconninfoOption *option = options; option->keyword; option++)
	{
		if (strcmp(option->keyword, keyword) == 0 && is_set(option))
			return option->val;
	}
	return NULL;
}

/* False, with *error and *hint, if some option is not allowed or its value is wrong. */
static bool
are_options_sane(const PQconninfoOption *options, char **error, char **hint)
{
	for (const PQconninfoOption *option = options; option->keyword; option++)
	{
		const Keyword *keyword = find_allowed(option->keyword);

		if (!is_set(option))
			continue;
		if (keyword == NULL)
		{
			const char *reason = refusal_hint(option->keyword);

			*error = psprintf("keyword \"%s\" is not allowed in the conninfo of a peer", option->keyword);
			*hint = reason ? pstrdup(reason) : allowed_hint();
			return false;
		}
		if (!is_value_sane(keyword, option->val, hint))
		{
			*error = psprintf("invalid value of keyword \"%s\" in a conninfo", option->keyword);
			return false;
		}
	}
	return true;
}

static char *
canonical_form(const PQconninfoOption *options)
{
	StringInfoData conninfo;

	initStringInfo(&conninfo);
	for (size_t i = 0; i < lengthof(allowed); i++)
	{
		const char *value = find_value(options, allowed[i].name);

		if (value && allowed[i].kind != VALUE_DROPPED)
			fo_catalog_append_pair(&conninfo, allowed[i].name, value);
	}
	return conninfo.data;
}

/* The part of the check that works on libpq's memory. */
static char *
check_options(const PQconninfoOption *options, char **error, char **hint)
{
	char	   *conninfo;

	if (!are_options_sane(options, error, hint))
		return NULL;

	if (!find_value(options, "host") && !find_value(options, "hostaddr"))
	{
		*error = pstrdup("a conninfo of a peer must name a host");
		*hint = pstrdup("Give \"host\", a name, an address or the directory of a socket, or \"hostaddr\".");
		return NULL;
	}

	conninfo = canonical_form(options);
	if (strlen(conninfo) >= FO_CONNINFO_LEN)
	{
		*error = pstrdup("conninfo is too long");
		*hint = psprintf("It may have %d bytes.", FO_CONNINFO_LEN - 1);
		return NULL;
	}
	return conninfo;
}

char *
fo_catalog_conninfo_check(const char *conninfo, char **error, char **hint)
{
	PQconninfoOption *options = parse(conninfo);
	char	   *canonical = NULL;

	*error = NULL;
	*hint = NULL;
	if (options == NULL)
	{
		*error = pstrdup("invalid conninfo");
		*hint = psprintf("Write it as keyword=value pairs or as a postgresql:// URI. %s", allowed_hint());
		return NULL;
	}

	PG_TRY();
	{
		canonical = check_options(options, error, hint);
	}
	PG_FINALLY();
	{
		PQconninfoFree(options);
	}
	PG_END_TRY();
	return canonical;
}

char *
fo_catalog_conninfo_normalize(const char *conninfo)
{
	char	   *error;
	char	   *hint;
	char	   *canonical = fo_catalog_conninfo_check(conninfo, &error, &hint);

	if (canonical == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", error),
				 errhint("%s", hint)));
	return canonical;
}
