/*-------------------------------------------------------------------------
 *
 * history.c
 *		Timeline histories: where a timeline ends, and where two histories part.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "core/history.h"

/* One after the other: the lines of a history, then its present timeline, which has no end yet. */
typedef struct Reader
{
	const char *rest;
	uint32_t	present;		/* 0 = it has been read */
	uint32_t	timeline;
	FoLsn		end;
} Reader;

static int
digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A number of 32 bits, as far as it goes; *text is behind it then.  False if there is none. */
static bool
read_number(const char **text, int base, uint32_t *number)
{
	const char *first = *text;
	int			digit;

	*number = 0;
	for (; (digit = digit_of(**text)) >= 0 && digit < base; (*text)++)
		*number = *number * (uint32_t) base + (uint32_t) digit;
	return *text > first;
}

static bool
read_line(const char *line, uint32_t *timeline, FoLsn *end)
{
	uint32_t	high;
	uint32_t	low;

	if (!read_number(&line, 10, timeline) || (*line != '\t' && *line != ' '))
		return false;
	line++;
	if (!read_number(&line, 16, &high) || *line != '/')
		return false;
	line++;
	if (!read_number(&line, 16, &low))
		return false;
	*end = ((FoLsn) high << 32) | low;
	return true;
}

static bool
next(Reader *reader)
{
	while (*reader->rest != '\0')
	{
		const char *line = reader->rest;

		reader->rest += strcspn(line, "\n");
		reader->rest += *reader->rest == '\n' ? 1 : 0;
		if (read_line(line, &reader->timeline, &reader->end))
			return true;
	}
	if (reader->present == 0)
		return false;
	reader->timeline = reader->present;
	reader->end = UINT64_MAX;
	reader->present = 0;
	return true;
}

FoLsn
fo_core_history_end(const char *history, uint32_t timeline)
{
	Reader		reader = {.rest = history};

	while (next(&reader))
	{
		if (reader.timeline == timeline)
			return reader.end;
	}
	return 0;
}

FoLsn
fo_core_history_parting(const char *one, uint32_t one_timeline, const char *other, uint32_t other_timeline)
{
	Reader		ours = {.rest = one,.present = one_timeline};
	Reader		theirs = {.rest = other,.present = other_timeline};
	FoLsn		parting = 0;

	while (next(&ours) && next(&theirs) && ours.timeline == theirs.timeline)
	{
		parting = ours.end < theirs.end ? ours.end : theirs.end;
		if (ours.end != theirs.end)
			break;
	}
	return parting;
}
