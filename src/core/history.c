/*-------------------------------------------------------------------------
 *
 * history.c
 *		Timeline histories: where a timeline ends, and where two histories part.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
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

static bool
read_line(const char *line, uint32_t *timeline, FoLsn *end)
{
	char	   *after;
	char	   *low;
	unsigned long high;

	/* strtoul() would look for a number on the next line. */
	if (line[0] < '0' || line[0] > '9')
		return false;
	*timeline = (uint32_t) strtoul(line, &after, 10);
	if (*after != '\t' && *after != ' ')
		return false;
	high = strtoul(after + 1, &low, 16);
	if (low == after + 1 || *low != '/')
		return false;
	*end = ((FoLsn) high << 32) | (FoLsn) strtoul(low + 1, &after, 16);
	return after != low + 1;
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
