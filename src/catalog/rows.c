/*-------------------------------------------------------------------------
 *
 * rows.c
 *		Values on their way into statements and out of result rows.
 *
 * Used by the files of this room, inside SPI.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "catalog/rows.h"

static void
add(FoParams *params, Oid type, Datum value, bool is_null)
{
	Assert(params->n < FO_PARAMS_MAX);
	params->types[params->n] = type;
	params->values[params->n] = value;
	params->nulls[params->n] = is_null ? 'n' : ' ';
	params->n++;
}

/*
 * A palloc'd copy in which each byte that starts no valid character is a '?'.
 * An error text of a peer comes in the peer's own encoding, or in none.
 */
char *
fo_catalog_clean_text(const char *value)
{
	char	   *copy = pstrdup(value);
	int			len = strlen(copy);
	int			done = 0;

	for (;;)
	{
		done += pg_encoding_verifymbstr(GetDatabaseEncoding(), copy + done, len - done);
		if (done >= len)
			return copy;
		copy[done++] = '?';
	}
}

void
fo_catalog_add_text(FoParams *params, const char *value)
{
	add(params, TEXTOID, value ? CStringGetTextDatum(fo_catalog_clean_text(value)) : (Datum) 0, value == NULL);
}

void
fo_catalog_add_text_or_null(FoParams *params, const char *value)
{
	fo_catalog_add_text(params, value && value[0] != '\0' ? value : NULL);
}

void
fo_catalog_add_name(FoParams *params, const char *value)
{
	bool		is_null = value == NULL || value[0] == '\0';

	add(params, NAMEOID,
		is_null ? (Datum) 0 : DirectFunctionCall1(namein, CStringGetDatum(fo_catalog_clean_text(value))),
		is_null);
}

void
fo_catalog_add_int(FoParams *params, int32 value)
{
	add(params, INT4OID, Int32GetDatum(value), false);
}

void
fo_catalog_add_bigint(FoParams *params, int64 value, bool is_null)
{
	add(params, INT8OID, Int64GetDatum(value), is_null);
}

void
fo_catalog_add_bool(FoParams *params, bool value)
{
	add(params, BOOLOID, BoolGetDatum(value), false);
}

void
fo_catalog_add_ms(FoParams *params, double value)
{
	add(params, FLOAT8OID, Float8GetDatum(value), value < 0);
}

void
fo_catalog_add_time(FoParams *params, TimestampTz value)
{
	add(params, TIMESTAMPTZOID, TimestampTzGetDatum(value), value == 0);
}

void
fo_catalog_add_duration(FoParams *params, int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = us;
	add(params, INTERVALOID, IntervalPGetDatum(interval), false);
}

void
fo_catalog_add_names(FoParams *params, int n, char (*names)[FO_NAME_LEN])
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = CStringGetTextDatum(fo_catalog_clean_text(names[i]));
	add(params, TEXTARRAYOID,
		PointerGetDatum(construct_array(elements, Max(n, 0), TEXTOID, -1, false, TYPALIGN_INT)), n < 0);
}

void
fo_catalog_connect(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

void
fo_catalog_disconnect(void)
{
	SPI_finish();
}

uint64
fo_catalog_write(const char *sql, FoParams *params)
{
	return fo_catalog_execute(sql, params->n, params->types, params->values, params->nulls, false);
}

void
fo_catalog_rows_to_store(Tuplestorestate *store)
{
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(store, SPI_tuptable->vals[i]);
}

static Datum
column_value(uint64 row, int column, bool *is_null)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, is_null);
}

char *
fo_catalog_column_text(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

void
fo_catalog_column_copy(uint64 row, int column, char *to, size_t size)
{
	char	   *value = fo_catalog_column_text(row, column);

	fo_core_copy_text(to, size, value ? value : "");
}

int32
fo_catalog_column_int(uint64 row, int column)
{
	bool		is_null;
	Datum		value = column_value(row, column, &is_null);

	return is_null ? 0 : DatumGetInt32(value);
}

int64
fo_catalog_column_bigint(uint64 row, int column, int64 if_null)
{
	bool		is_null;
	Datum		value = column_value(row, column, &is_null);

	return is_null ? if_null : DatumGetInt64(value);
}

bool
fo_catalog_column_bool(uint64 row, int column)
{
	bool		is_null;
	Datum		value = column_value(row, column, &is_null);

	return !is_null && DatumGetBool(value);
}

double
fo_catalog_column_ms(uint64 row, int column)
{
	bool		is_null;
	Datum		value = column_value(row, column, &is_null);

	return is_null ? -1 : DatumGetFloat8(value);
}

TimestampTz
fo_catalog_column_time(uint64 row, int column)
{
	bool		is_null;
	Datum		value = column_value(row, column, &is_null);

	return is_null ? 0 : DatumGetTimestampTz(value);
}

/* Days and months count as interval_cmp counts them; we write neither, but somebody may. */
int64
fo_catalog_column_duration_us(uint64 row, int column)
{
	bool		is_null;
	Datum		value = column_value(row, column, &is_null);
	const Interval *interval;

	if (is_null)
		return 0;
	interval = DatumGetIntervalP(value);
	return interval->time +
		((int64) interval->month * DAYS_PER_MONTH + interval->day) * USECS_PER_DAY;
}

int
fo_catalog_column_names(MemoryContext cxt, uint64 row, int column, int max, char (**names)[FO_NAME_LEN])
{
	bool		is_null;
	Datum		value = column_value(row, column, &is_null);
	Datum	   *elements;
	bool	   *nulls;
	int			n = 0;

	*names = NULL;
	if (is_null)
		return -1;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	n = Min(n, max);
	if (n == 0)
		return 0;
	*names = MemoryContextAllocZero(cxt, n * FO_NAME_LEN);
	for (int i = 0; i < n; i++)
		fo_core_copy_text((*names)[i], FO_NAME_LEN, nulls[i] ? "" : TextDatumGetCString(elements[i]));
	return n;
}
