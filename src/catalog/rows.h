/*-------------------------------------------------------------------------
 *
 * rows.h
 *		Values on their way into statements and out of result rows.
 *
 * Parameters are collected in order ($1, $2, ...) with their types, so that a
 * statement's text never contains a value.  Columns are read by number from
 * SPI_tuptable.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CATALOG_ROWS_H
#define FO_CATALOG_ROWS_H

#include "utils/tuplestore.h"

#include "catalog/catalog.h"

#define FO_PARAMS_MAX 28

typedef struct FoParams
{
	int			n;
	Oid			types[FO_PARAMS_MAX];
	Datum		values[FO_PARAMS_MAX];
	char		nulls[FO_PARAMS_MAX];
} FoParams;

/* A palloc'd copy in which bytes that are not valid in the database's encoding (a peer may say anything) are '?'. */
extern char *fo_catalog_clean_text(const char *value);

/* Text and names are cleaned on their way in. */
extern void fo_catalog_add_text(FoParams *params, const char *value);	/* NULL = NULL */
extern void fo_catalog_add_text_or_null(FoParams *params, const char *value);	/* '' = NULL too */
extern void fo_catalog_add_name(FoParams *params, const char *value);	/* '' and NULL = NULL */
extern void fo_catalog_add_int(FoParams *params, int32 value);
extern void fo_catalog_add_bigint(FoParams *params, int64 value, bool is_null);
extern void fo_catalog_add_bool(FoParams *params, bool value);
extern void fo_catalog_add_ms(FoParams *params, double value);	/* < 0 = NULL */
extern void fo_catalog_add_time(FoParams *params, TimestampTz value);	/* 0 = NULL */
extern void fo_catalog_add_duration(FoParams *params, int64 us);
extern void fo_catalog_add_names(FoParams *params, int n, char (*names)[FO_NAME_LEN]);	/* text[]; n < 0 = NULL */

/*
 * A stretch of statements in a backend's own transaction.  What is palloc'd in
 * between is gone afterwards.
 */
extern void fo_catalog_connect(void);
extern void fo_catalog_disconnect(void);

/* fo_catalog_execute for writing, with collected parameters. */
extern uint64 fo_catalog_write(const char *sql, FoParams *params);

/* Append all rows of SPI_tuptable to the store. */
extern void fo_catalog_rows_to_store(Tuplestorestate *store);

/* Columns of row number row of SPI_tuptable.  NULL reads as NULL, '', 0, false, or -1 where it says so. */
extern char *fo_catalog_column_text(uint64 row, int column);	/* palloc'd; NULL */
extern void fo_catalog_column_copy(uint64 row, int column, char *to, size_t size);	/* text or name, cut if too long */
extern int32 fo_catalog_column_int(uint64 row, int column);
extern int64 fo_catalog_column_bigint(uint64 row, int column, int64 if_null);
extern bool fo_catalog_column_bool(uint64 row, int column);
extern double fo_catalog_column_ms(uint64 row, int column);	/* -1 */
extern TimestampTz fo_catalog_column_time(uint64 row, int column);	/* 0 */
extern int64 fo_catalog_column_duration_us(uint64 row, int column);	/* 0 */

/* Of a text[], at most max names, palloc'd in cxt (NULL for none); returns how many, -1 for a NULL. */
extern int	fo_catalog_column_names(MemoryContext cxt, uint64 row, int column, int max,
									char (**names)[FO_NAME_LEN]);

#endif							/* FO_CATALOG_ROWS_H */
