/*-------------------------------------------------------------------------
 *
 * conninfo.h
 *		Taking a connection string apart by the rules of libpq's manual, without
 *		judging its keywords: a server may know more of them than our libpq does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_CONNINFO_H
#define FO_CORE_CONNINFO_H

#include <stdbool.h>
#include <stddef.h>

/* One pair, as stretches of the text. */
typedef struct FoConninfoPair
{
	const char *keyword;
	size_t		keyword_len;
	const char *value;			/* with its backslashes, without its quotes */
	size_t		value_len;
} FoConninfoPair;

typedef enum FoConninfoRead
{
	FO_CONNINFO_PAIR,			/* one was read, and the text moved on */
	FO_CONNINFO_END,			/* there is no other */
	FO_CONNINFO_MALFORMED		/* what follows is none */
} FoConninfoRead;

/* Is it a URI?  Those are for libpq's own parser. */
extern bool fo_core_conninfo_is_uri(const char *text);

/* Read the next pair of keyword=value at *text, and move *text behind it. */
extern FoConninfoRead fo_core_conninfo_next(const char **text, FoConninfoPair *pair);

/* The value as it is meant.  The buffer has room for value_len + 1 bytes. */
extern void fo_core_conninfo_value(const FoConninfoPair *pair, char *buffer);

/* Is this what a secret is called, in libpqs of today and, it is to be hoped, of tomorrow? */
extern bool fo_core_conninfo_is_secret(const char *keyword);

#endif							/* FO_CORE_CONNINFO_H */
