/*-------------------------------------------------------------------------
 *
 * text.c
 *		Writes sentences into fixed buffers, without stdio.
 *
 *-------------------------------------------------------------------------
 */
#include "core/text.h"

#include <string.h>

/* Digits of the longest int64_t, its sign and the terminator. */
#define INTEGER_LEN 21

/* What the reader sees where something is missing. */
#define DOTS "..."

void
fo_core_mend_cut(char *buffer, size_t size, int needed)
{
	size_t		length = strlen(buffer);
	size_t		kept;

	if (needed < 0 || (size_t) needed < size || length == 0)
		return;
	kept = length > strlen(DOTS) ? (size_t) fo_core_clip(buffer, (int) (length - strlen(DOTS))) : 0;
	fo_core_copy_text(buffer + kept, length + 1 - kept, DOTS);
}

void
fo_core_clean_text(char *text, bool is_valid)
{
	for (unsigned char *at = (unsigned char *) text; *at != '\0'; at++)
	{
		if (*at < 0x20 || *at == 0x7f)
			*at = ' ';
		else if (*at >= 0x80 && !is_valid)
			*at = '?';
	}
}

void
fo_core_plain_name(const char *name, char *to)
{
	static const char digits[] = "0123456789abcdef";
	size_t		used = 0;

	memset(to, 0, FO_NAME_LEN);
	for (; *name != '\0'; name++)
	{
		unsigned char byte = (unsigned char) *name;
		bool		is_plain = byte >= 32 && byte < 127;

		if (used + (is_plain ? 1 : 4) >= FO_NAME_LEN)
			return;
		if (is_plain)
		{
			to[used++] = *name;
			continue;
		}
		to[used++] = '\\';
		to[used++] = 'x';
		to[used++] = digits[byte >> 4];
		to[used++] = digits[byte & 15];
	}
}

void
fo_core_text_begin(FoText *text, char *buffer, size_t size)
{
	memset(buffer, 0, size);
	text->buffer = buffer;
	text->size = size;
	text->used = 0;
	text->is_cut = false;
}

void
fo_core_text_add(FoText *text, const char *words)
{
	size_t		room = text->size - text->used;

	if (text->is_cut)
		return;
	text->is_cut = strlen(words) >= room;
	fo_core_copy_text(text->buffer + text->used, room, words);
	text->used += strlen(text->buffer + text->used);
}

void
fo_core_text_add_integer(FoText *text, int64_t number)
{
	char		digits[INTEGER_LEN];
	char	   *first = digits + INTEGER_LEN - 1;
	uint64_t	rest = number < 0 ? 0 - (uint64_t) number : (uint64_t) number;

	*first = '\0';
	do
	{
		*--first = (char) ('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (number < 0)
		*--first = '-';
	fo_core_text_add(text, first);
}

static void
add_hex(FoText *text, uint32_t number)
{
	static const char digits[] = "0123456789ABCDEF";
	char		word[9];
	char	   *first = word + sizeof(word) - 1;

	*first = '\0';
	do
	{
		*--first = digits[number % 16];
		number /= 16;
	} while (number != 0);
	fo_core_text_add(text, first);
}

void
fo_core_text_add_lsn(FoText *text, uint64_t lsn)
{
	add_hex(text, (uint32_t) (lsn >> 32));
	fo_core_text_add(text, "/");
	add_hex(text, (uint32_t) lsn);
}

void
fo_core_text_add_duration(FoText *text, int64_t duration_us)
{
	int64_t		ms = duration_us / 1000;

	if (ms < 1000)
	{
		fo_core_text_add_integer(text, ms);
		fo_core_text_add(text, " ms");
	}
	else if (ms < 120 * 1000)
	{
		fo_core_text_add_integer(text, ms / 1000);
		fo_core_text_add(text, ".");
		fo_core_text_add_integer(text, ms % 1000 / 100);
		fo_core_text_add(text, " s");
	}
	else
	{
		fo_core_text_add_integer(text, ms / 60000);
		fo_core_text_add(text, " min");
	}
}

void
fo_core_text_add_size(FoText *text, int64_t bytes)
{
	static const char *const units[] = {" bytes", " kB", " MB", " GB", " TB"};
	int			unit = 0;

	while (bytes >= 10 * 1024 && unit < 4)
	{
		bytes /= 1024;
		unit++;
	}
	fo_core_text_add_integer(text, bytes);
	fo_core_text_add(text, units[unit]);
}
