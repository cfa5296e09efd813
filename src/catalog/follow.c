/*-------------------------------------------------------------------------
 *
 * follow.c
 *		Composing the primary_conninfo that makes a standby follow another
 *		server.
 *
 * The follow template is a peer's own primary_conninfo on its way back to that
 * peer: user, passfile, certificates and timeouts are the peer's business and
 * stay as they are.  Only what names the server to follow is replaced, and
 * what must not travel is left out: secrets, and a service, which would bring
 * back the old host.
 *
 * A peer may be newer than the libpq here, and know more keywords: pairs are
 * taken apart by core/conninfo.h, which does not judge them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq-fe.h"
#include "nodes/pg_list.h"

#include "catalog/internal.h"
#include "core/conninfo.h"
#include "core/text.h"

typedef struct Pair
{
	char	   *keyword;
	char	   *value;
} Pair;

/* Keywords of a template that name another server, or mean nothing to a walreceiver. */
static const char *const not_followed[] = {
	"host", "hostaddr", "port", "service", "servicefile", "target_session_attrs",
	"load_balance_hosts", "replication", "fallback_application_name", NULL
};

static Pair *
make_pair(const char *keyword, const char *value)
{
	Pair	   *pair = palloc(sizeof(Pair));

	pair->keyword = pstrdup(keyword);
	pair->value = pstrdup(value);
	return pair;
}

/* List of Pair; NIL if the text is malformed. */
static List *
split_pairs(const char *text)
{
	List	   *pairs = NIL;
	FoConninfoPair found;
	FoConninfoRead read;

	while ((read = fo_core_conninfo_next(&text, &found)) == FO_CONNINFO_PAIR)
	{
		char	   *value = palloc(found.value_len + 1);

		fo_core_conninfo_value(&found, value);
		pairs = lappend(pairs, make_pair(pnstrdup(found.keyword, found.keyword_len), value));
	}
	return read == FO_CONNINFO_END ? pairs : NIL;
}

/* Likewise for a URI, by libpq's own parser. */
static List *
split_uri(const char *uri)
{
	PQconninfoOption *options = PQconninfoParse(uri, NULL);
	List	   *pairs = NIL;

	if (options == NULL)
		return NIL;

	PG_TRY();
	{
		for (PQconninfoOption *option = options; option->keyword; option++)
		{
			if (option->val)
				pairs = lappend(pairs, make_pair(option->keyword, option->val));
		}
	}
	PG_FINALLY();
	{
		PQconninfoFree(options);
	}
	PG_END_TRY();
	return pairs;
}

static List *
split(const char *conninfo)
{
	if (fo_core_conninfo_is_uri(conninfo))
		return split_uri(conninfo);
	return split_pairs(conninfo);
}

/* The last one counts, as for libpq; one without a value is as good as none. */
static char *
find_value(List *pairs, const char *keyword)
{
	char	   *value = NULL;
	ListCell   *cell;

	foreach(cell, pairs)
	{
		Pair	   *pair = lfirst(cell);

		if (strcmp(pair->keyword, keyword) == 0)
			value = pair->value;
	}
	return value && value[0] != '\0' ? value : NULL;
}

char *
fo_catalog_conninfo_get(const char *conninfo, const char *keyword)
{
	return find_value(split(conninfo), keyword);
}

static bool
is_plain_keyword(const char *keyword)
{
	return keyword[strspn(keyword, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool
is_followed(const Pair *pair)
{
	if (!is_plain_keyword(pair->keyword) || pair->value[0] == '\0')
		return false;

	for (int i = 0; not_followed[i]; i++)
	{
		if (strcmp(pair->keyword, not_followed[i]) == 0)
			return false;
	}
	if (fo_core_conninfo_is_secret(pair->keyword))
		return false;

	/* ALTER SYSTEM takes no newline, and no honest value has one. */
	for (const char *c = pair->value; *c; c++)
	{
		if ((unsigned char) *c < ' ')
			return false;
	}
	return true;
}

static void
append_if_set(StringInfo conninfo, const char *keyword, const char *value)
{
	if (value && value[0] != '\0')
		fo_catalog_append_pair(conninfo, keyword, value);
}

/* is_own: the template is of the standby itself, so the name in it is its name. */
static char *
compose(const char *template_conninfo, const char *upstream_conninfo, const char *application_name, bool is_own)
{
	List	   *template = template_conninfo ? split(template_conninfo) : NIL;
	List	   *upstream = split(upstream_conninfo);
	StringInfoData conninfo;
	ListCell   *cell;
	char		plain_name[FO_NAME_LEN];

	initStringInfo(&conninfo);
	append_if_set(&conninfo, "host", find_value(upstream, "host"));
	append_if_set(&conninfo, "hostaddr", find_value(upstream, "hostaddr"));
	append_if_set(&conninfo, "port", find_value(upstream, "port"));

	foreach(cell, template)
	{
		Pair	   *pair = lfirst(cell);

		if (is_followed(pair) && (is_own || strcmp(pair->keyword, "application_name") != 0))
			fo_catalog_append_pair(&conninfo, pair->keyword, pair->value);
	}

	if (!is_own || !find_value(template, "application_name"))
	{
		fo_core_plain_name(application_name, plain_name);
		append_if_set(&conninfo, "application_name", plain_name);
	}
	return conninfo.data;
}

char *
fo_catalog_conninfo_follow(const char *template_conninfo, const char *upstream_conninfo,
						   const char *application_name)
{
	return compose(template_conninfo, upstream_conninfo, application_name, true);
}

char *
fo_catalog_conninfo_borrow(const char *template_conninfo, const char *upstream_conninfo,
						   const char *application_name)
{
	return compose(template_conninfo, upstream_conninfo, application_name, false);
}
