/*-------------------------------------------------------------------------
 *
 * test_syncnames.c
 *		Reading synchronous_standby_names, and what it proves.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "scene.h"

typedef struct GrammarCase
{
	const char *text;
	FoSyncMethod method;
	int			required;
	int			names_n;
	const char *first_name;
	const char *last_name;
} GrammarCase;

static const GrammarCase grammar[] = {
	{NULL, FO_SYNC_NAMES_NONE, 0, 0, "", ""},
	{"", FO_SYNC_NAMES_NONE, 0, 0, "", ""},
	{"pg2", FO_SYNC_NAMES_FIRST, 1, 1, "pg2", "pg2"},
	{" pg2 , pg3 ", FO_SYNC_NAMES_FIRST, 1, 2, "pg2", "pg3"},
	{"*", FO_SYNC_NAMES_FIRST, 1, 1, "*", "*"},
	{"2 (a, b, c)", FO_SYNC_NAMES_FIRST, 2, 3, "a", "c"},
	{"2(a,b,c)", FO_SYNC_NAMES_FIRST, 2, 3, "a", "c"},
	{"FIRST 1 (a, b)", FO_SYNC_NAMES_FIRST, 1, 2, "a", "b"},
	{"first 1 (a, b)", FO_SYNC_NAMES_FIRST, 1, 2, "a", "b"},
	{"ANY 2 (a, b, c)", FO_SYNC_NAMES_ANY, 2, 3, "a", "c"},
	{"aNy\t2\n(a,\r\nb , c)", FO_SYNC_NAMES_ANY, 2, 3, "a", "c"},
	{"ANY 1 (*)", FO_SYNC_NAMES_ANY, 1, 1, "*", "*"},
	{"ANY 1 (\"my \"\"odd\"\" name\", b)", FO_SYNC_NAMES_ANY, 1, 2, "my \"odd\" name", "b"},
	{"\"any\", \"FIRST\"", FO_SYNC_NAMES_FIRST, 1, 2, "any", "FIRST"},
	{"1, 2", FO_SYNC_NAMES_FIRST, 1, 2, "1", "2"},
	{"2 (1, 3)", FO_SYNC_NAMES_FIRST, 2, 2, "1", "3"},
	{"_a$1, \xC3\xA9t\xC3\xA9", FO_SYNC_NAMES_FIRST, 1, 2, "_a$1", "\xC3\xA9t\xC3\xA9"},
	{"anyone", FO_SYNC_NAMES_FIRST, 1, 1, "anyone", "anyone"},

	{" ", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"a b", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"a,", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{",a", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"any", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"a, any", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"ANY (a)", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"ANY 1 a", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"ANY 1 ()", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"ANY 0 (a)", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"ANY -1 (a)", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"ANY 99999999999999999999 (a)", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"ANY 1 (a", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"ANY 1 (a))", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"1 (a) b", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"pg-2", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"\"open", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"\"", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
	{"a;b", FO_SYNC_NAMES_INVALID, 0, 0, "", ""},
};

TEST("sync names: the grammar of synchronous_standby_names is read as PostgreSQL reads it")
{
	FoSyncNames names;
	size_t		i;

	for (i = 0; i < sizeof(grammar) / sizeof(grammar[0]); i++)
	{
		unit_context(grammar[i].text != NULL ? grammar[i].text : "(null)");
		fo_core_sync_parse(&names, grammar[i].text);
		CHECK_INT(names.method, grammar[i].method);
		CHECK_INT(names.required, grammar[i].required);
		CHECK_INT(names.names_n, grammar[i].names_n);
		if (names.names_n == 0)
			continue;
		CHECK_TEXT(names.names[0], grammar[i].first_name);
		CHECK_TEXT(names.names[names.names_n - 1], grammar[i].last_name);
	}
}

TEST("sync names: more or longer names than there is room for prove nothing")
{
	char		text[4096];
	FoSyncNames names;
	int			i;

	text[0] = '\0';
	for (i = 0; i < FO_SYNC_MAX_NAMES; i++)
		sprintf(text + strlen(text), "%sn%d", i == 0 ? "" : ",", i);
	fo_core_sync_parse(&names, text);
	CHECK_INT(names.names_n, FO_SYNC_MAX_NAMES);
	strcat(text, ",one_more");
	fo_core_sync_parse(&names, text);
	CHECK_INT(names.method, FO_SYNC_NAMES_INVALID);
	CHECK_INT(names.names_n, 0);

	memset(text, 'n', FO_NAME_LEN);
	text[FO_NAME_LEN] = '\0';
	fo_core_sync_parse(&names, text);
	CHECK_INT(names.method, FO_SYNC_NAMES_INVALID);
	text[FO_NAME_LEN - 1] = '\0';
	fo_core_sync_parse(&names, text);
	CHECK_INT(names.method, FO_SYNC_NAMES_FIRST);
}

TEST("sync names: names match without regard to case, and * matches all")
{
	FoSyncNames names;

	fo_core_sync_parse(&names, "ANY 1 (Pg2, \"Pg 3\")");
	CHECK(fo_core_sync_lists(&names, "pG2"));
	CHECK(fo_core_sync_lists(&names, "pg 3"));
	CHECK(!fo_core_sync_lists(&names, "pg"));
	CHECK(!fo_core_sync_lists(&names, "pg22"));
	CHECK(!fo_core_sync_lists(&names, ""));
	fo_core_sync_parse(&names, "*");
	CHECK(fo_core_sync_lists(&names, "anything"));
	fo_core_sync_parse(&names, "");
	CHECK(!fo_core_sync_lists(&names, "pg2"));
}

TEST("sync names: random bytes are read or refused, never beyond their end")
{
	static const char alphabet[] = "ab*,()\"1290 \tANYanyFIRSTfirst_$;-\xC3\xA9";
	char		text[80];
	FoSyncNames names;
	int			round;
	int			i;

	for (round = 0; round < 200000; round++)
	{
		int			length = unit_below((int) sizeof(text));

		for (i = 0; i < length; i++)
			text[i] = unit_one_in(50) ? (char) (1 + unit_below(255)) : alphabet[unit_below((int) sizeof(alphabet) - 1)];
		text[length] = '\0';
		fo_core_sync_parse(&names, text);
		CHECK(names.names_n >= 0 && names.names_n <= FO_SYNC_MAX_NAMES);
		if (names.method == FO_SYNC_NAMES_NONE || names.method == FO_SYNC_NAMES_INVALID)
			CHECK(names.names_n == 0 && names.required == 0);
		else
			CHECK(names.names_n > 0 && names.required > 0);
	}
}

static const char *const abc[] = {"a", "b", "c"};

/* heard: one letter a member of abc, 'x' = heard. */
static bool
covers(const char *text, const char *self, const char *heard)
{
	FoSyncNames names;
	bool		is_heard[3];
	int			n = (int) strlen(heard);
	int			i;

	for (i = 0; i < n; i++)
		is_heard[i] = heard[i] == 'x';
	fo_core_sync_parse(&names, text);
	return is_covered_by(&names, self, n, abc, is_heard);
}

TEST("sync coverage: n-k+1 of n listed standbys must have been heard")
{
	CHECK(covers("ANY 1 (a, b, c)", "p", "xxx"));
	CHECK(!covers("ANY 1 (a, b, c)", "p", "xx-"));
	CHECK(covers("ANY 2 (a, b, c)", "p", "xx-"));
	CHECK(!covers("ANY 2 (a, b, c)", "p", "x--"));
	CHECK(covers("ANY 3 (a, b, c)", "p", "--x"));
	CHECK(!covers("ANY 3 (a, b, c)", "p", "---"));
	CHECK(!covers("ANY 9 (a, b, c)", "p", "---"));
	CHECK(covers("ANY 9 (a, b, c)", "p", "x--"));
	CHECK(covers("FIRST 2 (a, b, c)", "p", "-xx"));
	CHECK(!covers("a", "p", "-xx"));
	CHECK(covers("a", "p", "x--"));
	CHECK(covers("*", "p", "xxx"));
	CHECK(!covers("*", "p", "xx-"));
	CHECK(!covers("", "p", "xxx"));
	CHECK(!covers("a b", "p", "xxx"));
}

TEST("sync coverage: a listed name that nobody bears counts as unheard, the primary's own does not count")
{
	CHECK(!covers("ANY 1 (a, b, c, d)", "p", "xxx"));
	CHECK(covers("ANY 2 (a, b, c, d)", "p", "xxx"));
	CHECK(covers("ANY 1 (a, b, c, P)", "p", "xxx"));
	CHECK(!covers("ANY 1 (a, b, c, p)", NULL, "xxx"));
	CHECK(!covers("ANY 1 (a, b, c, p)", "", "xxx"));
	CHECK(!covers("ANY 1 (d)", "p", "xxx"));
}

/* Was every possible set of k confirming standbys of n met by the heard ones? */
static bool
is_met_always(int n, int k, unsigned heard)
{
	unsigned	confirming;

	for (confirming = 0; confirming < 1u << n; confirming++)
	{
		if (__builtin_popcount(confirming) >= k && (confirming & heard) == 0)
			return false;
	}
	return heard != 0;
}

TEST("sync coverage: agrees with trying every set of standbys that may have confirmed")
{
	static const char *const members[] = {"m0", "m1", "m2", "m3", "m4"};
	int			n;
	int			k;
	unsigned	heard;

	for (n = 1; n <= 5; n++)
	{
		for (k = 1; k <= n; k++)
		{
			for (heard = 0; heard < 1u << n; heard++)
			{
				char		text[64];
				FoSyncNames names;
				bool		is_heard[5];
				int			i;

				sprintf(text, "ANY %d (m0", k);
				for (i = 1; i < n; i++)
					sprintf(text + strlen(text), ", m%d", i);
				strcat(text, ")");
				for (i = 0; i < n; i++)
					is_heard[i] = (heard >> i) & 1;
				fo_core_sync_parse(&names, text);
				unit_context(text);
				CHECK_INT(is_covered_by(&names, "p", n, members, is_heard), is_met_always(n, k, heard));
			}
		}
	}
}
