/*-------------------------------------------------------------------------
 *
 * conninfo.c
 *		Taking a connection string apart.
 *
 * PQconninfoParse refuses the whole of a text when it does not know one
 * keyword, and pg_basebackup -R writes every keyword that its own libpq knows:
 * the primary_conninfo of a newer server could not be read with it.
 *
 *-------------------------------------------------------------------------
 */
#include "core/conninfo.h"

#include <string.h>

/* In every locale the same. */
static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *
skip_space(const char *text)
{
	while (is_space(*text))
		text++;
	return text;
}

bool
fo_core_conninfo_is_uri(const char *text)
{
	return strncmp(text, "postgresql://", strlen("postgresql://")) == 0 ||
		strncmp(text, "postgres://", strlen("postgres://")) == 0;
}

/* Up to "=", which is skipped.  NULL if there is none. */
static const char *
read_keyword(const char *text, FoConninfoPair *pair)
{
	pair->keyword = text;
	while (*text && *text != '=' && !is_space(*text))
		text++;
	pair->keyword_len = text - pair->keyword;
	text = skip_space(text);
	return *text == '=' && pair->keyword_len > 0 ? text + 1 : NULL;
}

/* NULL if a quote is not closed. */
static const char *
read_value(const char *text, FoConninfoPair *pair)
{
	bool		is_quoted;

	text = skip_space(text);
	is_quoted = *text == '\'';
	if (is_quoted)
		text++;
	pair->value = text;
	for (; *text; text++)
	{
		if (is_quoted ? *text == '\'' : is_space(*text))
			break;
		if (*text == '\\' && *++text == '\0')
			break;
	}
	pair->value_len = text - pair->value;
	if (!is_quoted)
		return text;
	return *text == '\'' ? text + 1 : NULL;
}

FoConninfoRead
fo_core_conninfo_next(const char **text, FoConninfoPair *pair)
{
	const char *at = skip_space(*text);

	if (*at == '\0')
		return FO_CONNINFO_END;
	at = read_keyword(at, pair);
	if (at != NULL)
		at = read_value(at, pair);
	if (at == NULL)
		return FO_CONNINFO_MALFORMED;
	*text = at;
	return FO_CONNINFO_PAIR;
}

void
fo_core_conninfo_value(const FoConninfoPair *pair, char *buffer)
{
	for (size_t i = 0; i < pair->value_len; i++)
	{
		if (pair->value[i] == '\\' && ++i == pair->value_len)
			break;
		*buffer++ = pair->value[i];
	}
	*buffer = '\0';
}

bool
fo_core_conninfo_is_secret(const char *keyword)
{
	return strstr(keyword, "password") != NULL || strstr(keyword, "secret") != NULL ||
		strstr(keyword, "_key") != NULL;
}
