/*-------------------------------------------------------------------------
 *
 * row.c
 *		Builds the rows and the JSON that the SQL-callable functions return.
 *
 * A function appends its columns in the order of its declaration; the number
 * is checked against the declared row type, so that a library and a script
 * that do not belong together end in an ERROR and not in garbage.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#include "api/api.h"

static void
append(FoRow *row, Datum value, bool is_null)
{
	if (row->n >= FO_ROW_MAX)
		elog(ERROR, "too many columns in a row");
	row->values[row->n] = value;
	row->nulls[row->n] = is_null;
	row->n++;
}

void
fo_api_row_null(FoRow *row)
{
	append(row, (Datum) 0, true);
}

void
fo_api_row_text(FoRow *row, const char *value)
{
	if (value == NULL || value[0] == '\0')
		fo_api_row_null(row);
	else
		fo_api_row_string(row, value);
}

void
fo_api_row_string(FoRow *row, const char *value)
{
	append(row, CStringGetTextDatum(value), false);
}

void
fo_api_row_bool(FoRow *row, bool value)
{
	append(row, BoolGetDatum(value), false);
}

void
fo_api_row_int4(FoRow *row, int32 value)
{
	append(row, Int32GetDatum(value), false);
}

void
fo_api_row_int8(FoRow *row, int64 value)
{
	append(row, Int64GetDatum(value), false);
}

void
fo_api_row_float8(FoRow *row, double value)
{
	append(row, Float8GetDatum(value), false);
}

void
fo_api_row_positive(FoRow *row, double value)
{
	if (isnan(value) || value < 0)
		fo_api_row_null(row);
	else
		fo_api_row_float8(row, value);
}

void
fo_api_row_lsn(FoRow *row, FoLsn lsn)
{
	if (lsn == 0)
		fo_api_row_null(row);
	else
		append(row, LSNGetDatum(lsn), false);
}

void
fo_api_row_timestamptz(FoRow *row, TimestampTz at)
{
	if (at == 0)
		fo_api_row_null(row);
	else
		append(row, TimestampTzGetDatum(at), false);
}

void
fo_api_row_interval(FoRow *row, int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = us;
	append(row, IntervalPGetDatum(interval), false);
}

void
fo_api_row_texts(FoRow *row, int n, const char *const *values)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(n, 1));
	int			i;

	for (i = 0; i < n; i++)
		datums[i] = CStringGetTextDatum(values[i]);
	append(row, PointerGetDatum(construct_array(datums, n, TEXTOID, -1, false, TYPALIGN_INT)), false);
}

void
fo_api_row_jsonb(FoRow *row, const char *json)
{
	append(row, DirectFunctionCall1(jsonb_in, CStringGetDatum(json)), false);
}

void
fo_api_row_time(FoRow *row, FoTime at, FoTime now)
{
	if (at == 0)
		fo_api_row_null(row);
	else
		fo_api_row_timestamptz(row, GetCurrentTimestamp() - (now - at));
}

static void
check_columns(const FoRow *row, TupleDesc desc)
{
	if (row->n != desc->natts)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"failover\" and its library are of different versions"),
				 errhint("Run ALTER EXTENSION failover UPDATE after the library was installed and the server restarted.")));
}

void
fo_api_row_put(FunctionCallInfo fcinfo, FoRow *row)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	check_columns(row, result->setDesc);
	tuplestore_putvalues(result->setResult, result->setDesc, row->values, row->nulls);
}

Datum
fo_api_row_return(FunctionCallInfo fcinfo, FoRow *row)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	check_columns(row, desc);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), row->values, row->nulls));
}

void
fo_api_json_open(StringInfo json)
{
	appendStringInfoChar(json, '{');
}

void
fo_api_json_key(StringInfo json, const char *key)
{
	/* a key follows either the brace that opened its object or a value */
	if (json->len > 0 && json->data[json->len - 1] != '{')
		appendStringInfoString(json, ", ");
	escape_json(json, key);
	appendStringInfoString(json, ": ");
}

void
fo_api_json_text(StringInfo json, const char *key, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	fo_api_json_key(json, key);
	escape_json(json, value);
}

void
fo_api_json_int(StringInfo json, const char *key, int64 value)
{
	fo_api_json_key(json, key);
	appendStringInfo(json, INT64_FORMAT, value);
}

void
fo_api_json_bool(StringInfo json, const char *key, bool value)
{
	fo_api_json_key(json, key);
	appendStringInfoString(json, value ? "true" : "false");
}

void
fo_api_json_close(StringInfo json)
{
	appendStringInfoChar(json, '}');
}
