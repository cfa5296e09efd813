/*-------------------------------------------------------------------------
 *
 * args.c
 *		Reads and validates the arguments of the SQL-callable functions.
 *
 * The functions are not STRICT: a NULL where none makes sense is an ERROR that
 * names the argument, not a silent nothing.  Names are of type text so that
 * one that is too long can be refused; the type name would cut it, and a cut
 * name may be that of another group.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "api/api.h"

/* Longest duration that anybody means: ten years. */
#define DURATION_MAX_MONTHS 120

/* What to give for an argument, by its name: the same words mean the same in every function. */
static const char *
hint_for(const char *arg)
{
	static const struct
	{
		const char *arg;
		const char *hint;
	}			hints[] = {
		{"group_name", "Give the name of a group; failover_status() shows all of them."},
		{"peer_name", "Give the name of a peer; the view failover_peers shows all of them."},
		{"target", "Give the name of a peer, or NULL for the best candidate; failover_candidates() ranks them."},
		{"zone", "Give the name of a zone, '' for none."},
		{"kind", "Give 'streaming'."},
		{"name", "Give the name of a setting; the view failover_settings shows all of them."},
		{"value", "Give a value, or call failover_reset() for the default."},
		{"profile", "Give 'development', 'production' or 'aggressive'."},
		{"operation", "Give 'switchover', 'failback' or 'drill'."},
		{"at", "Give a time that is to come, for example now() + interval '1 hour'."},
		{"event_id", "Give the number of an operation; the views failover_scheduled and failover_history show them."},
		{"enabled", "Give true to begin maintenance, false to end it."},
	};

	for (int i = 0; i < (int) lengthof(hints); i++)
	{
		if (strcmp(hints[i].arg, arg) == 0)
			return hints[i].hint;
	}
	return "Give a value, or leave the argument out where it has a default.";
}

static void
require_value(FunctionCallInfo fcinfo, int n, const char *arg)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", arg),
				 errdetail("NULL has no meaning for this argument."),
				 errhint("%s", hint_for(arg))));
}

/* Is there a control character (C0, DEL or C1) at text? */
static bool
is_control(const unsigned char *text)
{
	if (text[0] < 0x20 || text[0] == 0x7f)
		return true;
	return GetDatabaseEncoding() == PG_UTF8 &&
		text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f;
}

static void
check_name(const char *name, const char *arg)
{
	const unsigned char *p;

	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be empty", arg),
				 errdetail("A name has 1 to %d bytes.", FO_NAME_LEN - 1),
				 errhint("%s", hint_for(arg))));
	if (strlen(name) >= FO_NAME_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is too long", arg),
				 errdetail("A name has 1 to %d bytes, and this one has %zu.", FO_NAME_LEN - 1, strlen(name)),
				 errhint("Give a shorter name: none is cut, because a cut name may be that of something else.")));
	for (p = (const unsigned char *) name; *p != '\0'; p++)
	{
		if (is_control(p))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"%s\" contains a control character", arg),
					 errdetail("Byte %d of it is not printable.", (int) (p - (const unsigned char *) name) + 1),
					 errhint("Names may consist of any other characters.")));
	}
}

char *
fo_api_arg_name(FunctionCallInfo fcinfo, int n, const char *arg)
{
	require_value(fcinfo, n, arg);
	return fo_api_arg_name_or_null(fcinfo, n, arg);
}

char *
fo_api_arg_name_or_null(FunctionCallInfo fcinfo, int n, const char *arg)
{
	char	   *name;

	if (PG_ARGISNULL(n))
		return NULL;
	name = text_to_cstring(PG_GETARG_TEXT_PP(n));
	check_name(name, arg);
	return name;
}

char *
fo_api_arg_text(FunctionCallInfo fcinfo, int n, const char *arg)
{
	require_value(fcinfo, n, arg);
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/*
 * A reason goes into logs, events and notifications: line breaks in it become
 * blanks, so that nobody can forge a second line.
 */
char *
fo_api_arg_reason(FunctionCallInfo fcinfo, int n)
{
	char	   *given;
	char	   *reason;
	char	   *p;

	if (PG_ARGISNULL(n))
		return NULL;
	given = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (given[0] == '\0')
		return NULL;
	for (p = given; *p != '\0'; p++)
	{
		if ((unsigned char) *p < 0x20 || *p == 0x7f)
			*p = ' ';
	}
	reason = palloc0(FO_SENTENCE_LEN);
	memcpy(reason, given, pg_mbcliplen(given, strlen(given), FO_SENTENCE_LEN - 1));
	return reason;
}

int64
fo_api_arg_bigint(FunctionCallInfo fcinfo, int n, const char *arg)
{
	require_value(fcinfo, n, arg);
	return PG_GETARG_INT64(n);
}

TimestampTz
fo_api_arg_time(FunctionCallInfo fcinfo, int n, const char *arg)
{
	require_value(fcinfo, n, arg);
	return PG_GETARG_TIMESTAMPTZ(n);
}

bool
fo_api_arg_bool(FunctionCallInfo fcinfo, int n, const char *arg)
{
	require_value(fcinfo, n, arg);
	return PG_GETARG_BOOL(n);
}

int32
fo_api_arg_natural(FunctionCallInfo fcinfo, int n, const char *arg)
{
	int32		value;

	require_value(fcinfo, n, arg);
	value = PG_GETARG_INT32(n);
	if (value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be negative", arg),
				 errdetail("It is %d.", value),
				 errhint("Give 0 or a greater number.")));
	return value;
}

TimestampTz
fo_api_arg_until(FunctionCallInfo fcinfo, int n, const char *arg)
{
	Interval	zero = {0};
	Interval	longest = {0};
	Datum		duration;

	if (PG_ARGISNULL(n))
		return DT_NOEND;
	duration = PG_GETARG_DATUM(n);
	longest.month = DURATION_MAX_MONTHS;
	if (DatumGetInt32(DirectFunctionCall2(interval_cmp, duration, IntervalPGetDatum(&zero))) <= 0 ||
		DatumGetInt32(DirectFunctionCall2(interval_cmp, duration, IntervalPGetDatum(&longest))) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is out of range", arg),
				 errdetail("It is %s.", DatumGetCString(DirectFunctionCall1(interval_out, duration))),
				 errhint("Give a duration above zero and up to ten years, or NULL for no limit.")));
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(GetCurrentTimestamp()), duration));
}
