/*-------------------------------------------------------------------------
 *
 * upstream.c
 *		Reading the primary_conninfo of a peer.
 *
 * It is another server's text, and what is kept of it is stored and shown: so
 * no secret, and no control character, gets past here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "libpq-fe.h"

#include "core/conninfo.h"
#include "net/probe.h"

/* What names the server that is followed. */
static const char *const places[] = {"host", "hostaddr", "port", "target_session_attrs",
"load_balance_hosts", "service", NULL};

/* Where what is read goes. */
typedef struct Upstream
{
	FoObservation *observed;
	StringInfoData kept;
} Upstream;

static bool
is_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
	{
		if (strcmp(word, *words) == 0)
			return true;
	}
	return false;
}

/* keyword='value', quoted as libpq reads it. */
static void
append_option(StringInfo to, const char *keyword, const char *value)
{
	if (to->len > 0)
		appendStringInfoChar(to, ' ');
	appendStringInfo(to, "%s='", keyword);
	for (; *value != '\0'; value++)
	{
		if (*value == '\'' || *value == '\\')
			appendStringInfoChar(to, '\\');
		appendStringInfoChar(to, *value);
	}
	appendStringInfoChar(to, '\'');
}

static void
take_option(Upstream *upstream, const char *keyword, const char *value)
{
	if (*value == '\0')
		return;
	if (fo_core_conninfo_is_secret(keyword))
	{
		upstream->observed->has_upstream_password = true;
		return;
	}
	if (is_one_of(keyword, places))
		return;
	if (strcmp(keyword, "application_name") == 0)
		fo_net_copy_name(upstream->observed->application_name, FO_NAME_LEN, value);
	append_option(&upstream->kept, keyword, value);
}

/* False if it cannot be read. */
static bool
take_pairs(Upstream *upstream, const char *conninfo)
{
	FoConninfoPair pair;
	FoConninfoRead read;

	while ((read = fo_core_conninfo_next(&conninfo, &pair)) == FO_CONNINFO_PAIR)
	{
		char	   *keyword = pnstrdup(pair.keyword, pair.keyword_len);
		char	   *value = palloc(pair.value_len + 1);

		fo_core_conninfo_value(&pair, value);
		take_option(upstream, keyword, value);
		pfree(keyword);
		pfree(value);
	}
	return read == FO_CONNINFO_END;
}

static bool
take_uri(Upstream *upstream, const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

	if (options == NULL)
		return false;
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
	{
		if (option->val != NULL)
			take_option(upstream, option->keyword, option->val);
	}
	PQconninfoFree(options);
	return true;
}

void
fo_net_read_upstream(const char *conninfo, FoObservation *observed, char **template_conninfo)
{
	Upstream	upstream = {observed};
	bool		is_read;

	if (conninfo == NULL || *conninfo == '\0')
		return;
	initStringInfo(&upstream.kept);
	is_read = fo_core_conninfo_is_uri(conninfo) ? take_uri(&upstream, conninfo) : take_pairs(&upstream, conninfo);
	if (!is_read && strstr(conninfo, "password") != NULL)
		observed->has_upstream_password = true;
	fo_net_clean_text(upstream.kept.data);
	if (is_read && template_conninfo != NULL)
		*template_conninfo = upstream.kept.data;
	else
		pfree(upstream.kept.data);
}
