/*-------------------------------------------------------------------------
 *
 * test_conninfo.c
 *		Taking connection strings apart.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "core/conninfo.h"
#include "unit.h"

/* The text as "keyword=<value>;" for each pair, then "end" or "malformed". */
static const char *
taken_apart(const char *text)
{
	static char answer[512];
	FoConninfoPair pair;
	FoConninfoRead read;
	char		value[256];
	int			used = 0;

	while ((read = fo_core_conninfo_next(&text, &pair)) == FO_CONNINFO_PAIR)
	{
		fo_core_conninfo_value(&pair, value);
		used += snprintf(answer + used, sizeof(answer) - used, "%.*s=<%s>;",
						 (int) pair.keyword_len, pair.keyword, value);
	}
	snprintf(answer + used, sizeof(answer) - used, "%s", read == FO_CONNINFO_END ? "end" : "malformed");
	return answer;
}

TEST("pairs are read as libpq reads them, whatever their keywords are")
{
	CHECK_TEXT(taken_apart(""), "end");
	CHECK_TEXT(taken_apart(" \t\n"), "end");
	CHECK_TEXT(taken_apart("host=a port=1"), "host=<a>;port=<1>;end");
	CHECK_TEXT(taken_apart("host = a  port= '1' "), "host=<a>;port=<1>;end");
	CHECK_TEXT(taken_apart("keyword_of_tomorrow='x y'"), "keyword_of_tomorrow=<x y>;end");
	CHECK_TEXT(taken_apart("a='it\\'s' b=\\ c='' d=x\\\\y"), "a=<it's>;b=< c=''>;d=<x\\y>;end");
	CHECK_TEXT(taken_apart("a='' b=1"), "a=<>;b=<1>;end");
	CHECK_TEXT(taken_apart("a="), "a=<>;end");
	CHECK_TEXT(taken_apart("a=x\\"), "a=<x>;end");
}

TEST("what is no list of pairs is said to be none")
{
	CHECK_TEXT(taken_apart("nonsense"), "malformed");
	CHECK_TEXT(taken_apart("=x"), "malformed");
	CHECK_TEXT(taken_apart("a='x"), "malformed");
	CHECK_TEXT(taken_apart("a='x\\'"), "malformed");
	CHECK_TEXT(taken_apart("a=1 b"), "a=<1>;malformed");
}

TEST("URIs are recognized")
{
	CHECK(fo_core_conninfo_is_uri("postgresql://a/b"));
	CHECK(fo_core_conninfo_is_uri("postgres://"));
	CHECK(!fo_core_conninfo_is_uri("host=postgresql://a"));
}

TEST("secrets of any libpq are known by their names")
{
	CHECK(fo_core_conninfo_is_secret("password"));
	CHECK(fo_core_conninfo_is_secret("sslpassword"));
	CHECK(fo_core_conninfo_is_secret("oauth_client_secret"));
	CHECK(fo_core_conninfo_is_secret("scram_client_key"));
	CHECK(!fo_core_conninfo_is_secret("sslkey"));
	CHECK(!fo_core_conninfo_is_secret("passfile"));
}
