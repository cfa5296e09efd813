/*-------------------------------------------------------------------------
 *
 * internal.h
 *		What the files of this room use of each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CATALOG_INTERNAL_H
#define FO_CATALOG_INTERNAL_H

#include "lib/stringinfo.h"

#include "catalog/catalog.h"
#include "compat.h"

/* Oid of the extension's schema; InvalidOid if it is not installed. */
extern Oid	fo_catalog_namespace(void);

/* ERROR 55000: the extension is not installed in this database. */
pg_noreturn extern void fo_catalog_raise_missing(void);

/*
 * As fo_catalog_conninfo_normalize, but returns NULL with *error and *hint
 * palloc'd instead of raising ERROR.
 */
extern char *fo_catalog_conninfo_check(const char *conninfo, char **error, char **hint);

extern bool fo_catalog_has_control_character(const char *value);

/* Append keyword=value to a conninfo, quoted where libpq needs it. */
extern void fo_catalog_append_pair(StringInfo conninfo, const char *keyword, const char *value);

#endif							/* FO_CATALOG_INTERNAL_H */
