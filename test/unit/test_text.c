/*-------------------------------------------------------------------------
 *
 * test_text.c
 *		What is cut is cut between two characters.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "unit.h"

/* One, two, three and four bytes: 10 in all. */
#define WORD "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x98"

/* The ends of its characters. */
static const int ends[] = {0, 1, 3, 6, 10};

/* The greatest of them that is not over limit. */
static int
last_end(int limit)
{
	int			found = 0;

	for (int i = 0; i < 5; i++)
	{
		if (ends[i] <= limit)
			found = ends[i];
	}
	return found;
}

TEST("text: a name that is not plain is made plain, and differs from others of its kind")
{
	char		plain[FO_NAME_LEN];

	fo_core_plain_name("pg-1 \"x\"", plain);
	CHECK_TEXT(plain, "pg-1 \"x\"");
	fo_core_plain_name("k\xc3\xb6ln", plain);
	CHECK_TEXT(plain, "k\\xc3\\xb6ln");
	fo_core_plain_name("\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6", plain);
	CHECK_INT((int) strlen(plain), 60);
}

TEST("a text is clipped before the character that does not fit")
{
	for (int limit = 0; limit <= 12; limit++)
		CHECK_INT(fo_core_clip(WORD, limit), last_end(limit));
	CHECK_INT(fo_core_clip("", 5), 0);
}

TEST("a text that was cut ends with dots behind a whole character")
{
	for (int size = 1; size <= 14; size++)
	{
		char		buffer[14];
		char		wanted[14];
		bool		is_cut = size <= (int) strlen(WORD);

		fo_core_mend_cut(buffer, size, snprintf(buffer, size, "%s", WORD));
		if (is_cut)
			snprintf(wanted, size, "%.*s...", last_end(size - 4), WORD);
		else
			snprintf(wanted, size, "%s", WORD);
		CHECK_TEXT(buffer, wanted);
	}
}

TEST("what was not cut stays as it is, whatever its encoding")
{
	char		buffer[8] = "caf\xe9";

	fo_core_mend_cut(buffer, sizeof(buffer), 4);
	CHECK_TEXT(buffer, "caf\xe9");
	fo_core_mend_cut(buffer, sizeof(buffer), -1);
	CHECK_TEXT(buffer, "caf\xe9");
}

TEST("bytes that are no UTF-8 do no harm")
{
	char		buffer[8] = "\x80\x80\x80\x80\x80\x80\x80";

	fo_core_mend_cut(buffer, sizeof(buffer), 100);
	CHECK_TEXT(buffer, "...");
	CHECK_INT(fo_core_clip("\x80\x80\x80", 2), 0);
}
