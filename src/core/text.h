/*-------------------------------------------------------------------------
 *
 * text.h
 *		Writes sentences into fixed buffers, without stdio.
 *
 * What does not fit is cut at a character boundary, and everything after the
 * cut is dropped: a sentence never goes on behind a gap.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_TEXT_H
#define FO_CORE_TEXT_H

#include "core/types.h"

/*
 * For who uses stdio all the same: snprintf() has filled the buffer and returned
 * needed; if that was too much, the text is made to end with "...".
 */
extern void fo_core_mend_cut(char *buffer, size_t size, int needed);

/*
 * Another server's text, in place, as one line without control characters; where
 * it is not valid in the encoding that it is to be kept in, what is not ASCII
 * becomes question marks.
 */
extern void fo_core_clean_text(char *text, bool is_valid);

/*
 * A name in plain ASCII, other bytes as \xNN, which is how PostgreSQL shows them
 * from 16 on: 15 would make a question mark of each where an application_name
 * is set.  What does not fit is cut; to has FO_NAME_LEN bytes.
 */
extern void fo_core_plain_name(const char *name, char *to);

typedef struct FoText
{
	char	   *buffer;
	size_t		size;
	size_t		used;			/* without the terminator */
	bool		is_cut;
} FoText;

/* Start an empty text; the buffer is zeroed. */
extern void fo_core_text_begin(FoText *text, char *buffer, size_t size);

extern void fo_core_text_add(FoText *text, const char *words);
extern void fo_core_text_add_integer(FoText *text, int64_t number);

/* A WAL position as PostgreSQL writes it. */
extern void fo_core_text_add_lsn(FoText *text, uint64_t lsn);

/* A duration in the unit that reads best: "850 ms", "3.2 s", "12 min". */
extern void fo_core_text_add_duration(FoText *text, int64_t duration_us);

/* A size in the largest unit that keeps it over 9: "512 bytes", "23 MB". */
extern void fo_core_text_add_size(FoText *text, int64_t bytes);

#endif							/* FO_CORE_TEXT_H */
