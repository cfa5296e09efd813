/*-------------------------------------------------------------------------
 *
 * settings_parse.c
 *		Settings of a group as text: read as PostgreSQL reads its own
 *		parameters, shown as SHOW shows them.
 *
 * Which settings there are, their types, units and ranges is said by the table
 * in core/settings.h alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "catalog/internal.h"

typedef struct Unit
{
	const char *name;
	double		factor;			/* in the unit that is stored */
} Unit;

/* Largest first. */
static const Unit durations[] = {
	{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}, {NULL}
};
static const Unit sizes[] = {
	{"TB", 1099511627776.0}, {"GB", 1073741824}, {"MB", 1048576}, {"kB", 1024}, {"B", 1}, {NULL}
};
static const Unit plain[] = {
	{"", 1}, {NULL}
};

static const Unit *
units_of(const FoSettingDef *def)
{
	switch (def->type)
	{
		case FO_SETTING_DURATION:
			return durations;
		case FO_SETTING_SIZE:
			return sizes;
		case FO_SETTING_BOOL:
		case FO_SETTING_INTEGER:
		case FO_SETTING_REAL:
		case FO_SETTING_ENUM:
		case FO_SETTING_TEXT:
			break;
	}
	return plain;
}

/* In the largest unit that is exact; palloc'd. */
static char *
format_number(const FoSettingDef *def, double number)
{
	const Unit *unit = units_of(def);

	if (def->type == FO_SETTING_REAL)
		return psprintf("%g", number);
	if (number == 0)
		return pstrdup("0");

	while (unit[1].name && fmod(number, unit->factor) != 0)
		unit++;
	return psprintf("%.0f%s", number / unit->factor, unit->name);
}

static char *
list_words(const FoSettingDef *def)
{
	StringInfoData list;

	initStringInfo(&list);
	appendStringInfoString(&list, "Available values: ");
	for (int i = 0; def->words[i]; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", def->words[i]);
	appendStringInfoChar(&list, '.');
	return list.data;
}

/* The range, and the units that the numbers may have. */
static char *
describe_range(const FoSettingDef *def)
{
	StringInfoData text;
	const Unit *units = units_of(def);

	initStringInfo(&text);
	appendStringInfo(&text, "Values from %s to %s are allowed",
					 format_number(def, def->min_value), format_number(def, def->max_value));
	for (int i = 0; units != plain && units[i].name; i++)
		appendStringInfo(&text, "%s%s", i > 0 ? ", " : "; units are ", units[i].name);
	appendStringInfoChar(&text, '.');
	return text.data;
}

/* A number with a unit or without.  *hint says which units there are. */
static bool
parse_number(const FoSettingDef *def, const char *value, double *number, char **hint)
{
	int			flags = 0;
	const char *message = NULL;

	if (def->type == FO_SETTING_DURATION)
		flags = GUC_UNIT_MS;
	else if (def->type == FO_SETTING_SIZE)
		flags = GUC_UNIT_BYTE;

	if (!parse_real(value, number, flags, &message))
	{
		*hint = message ? pstrdup(_(message)) : describe_range(def);
		return false;
	}
	if (def->type == FO_SETTING_REAL)
		return true;

	/* As for an integer parameter: fractions of the unit are rounded, '2.5' without a unit too. */
	*number = rint(*number);
	return true;
}

static bool
parse_word(const FoSettingDef *def, const char *value, double *number, char **hint)
{
	for (int i = 0; def->words[i]; i++)
	{
		if (pg_strcasecmp(value, def->words[i]) == 0)
		{
			*number = i;
			return true;
		}
	}
	*hint = list_words(def);
	return false;
}

/* Text to a number, or to itself; ranges are not looked at. */
static bool
parse_value(const FoSettingDef *def, const char *value, double *number, char **hint)
{
	bool		is_on;

	switch (def->type)
	{
		case FO_SETTING_BOOL:
			if (!parse_bool(value, &is_on))
			{
				*hint = pstrdup("Available values: on, off.");
				return false;
			}
			*number = is_on ? 1 : 0;
			return true;
		case FO_SETTING_DURATION:
		case FO_SETTING_SIZE:
		case FO_SETTING_INTEGER:
		case FO_SETTING_REAL:
			return parse_number(def, value, number, hint);
		case FO_SETTING_ENUM:
			return parse_word(def, value, number, hint);
		case FO_SETTING_TEXT:
			if (!fo_catalog_has_control_character(value))
				return true;
			*hint = pstrdup("It must not contain control characters.");
			return false;
	}
	return false;
}

static char *
describe_limit(const FoSettingDef *def)
{
	if (def->type == FO_SETTING_TEXT)
		return psprintf("It may have %.0f bytes.", def->max_value);
	return describe_range(def);
}

bool
fo_catalog_setting_parse(FoSettings *settings, const FoSettingDef *def, const char *value,
						 char **error, char **hint)
{
	double		number = 0;

	*error = NULL;
	*hint = NULL;
	if (parse_value(def, value, &number, hint))
	{
		if (fo_core_setting_store(settings, def, number, value))
			return true;
		*hint = describe_limit(def);
	}

	*error = def->is_secret || fo_catalog_has_control_character(value)
		? psprintf("invalid value for setting \"%s\"", def->name)
		: psprintf("invalid value for setting \"%s\": \"%s\"", def->name, value);
	return false;
}

char *
fo_catalog_setting_format(const FoSettings *settings, const FoSettingDef *def)
{
	const char *text = NULL;
	double		number = fo_core_setting_fetch(settings, def, &text);

	switch (def->type)
	{
		case FO_SETTING_BOOL:
			return pstrdup(number != 0 ? "on" : "off");
		case FO_SETTING_ENUM:
			return pstrdup(def->words[(int) number]);
		case FO_SETTING_TEXT:
			return pstrdup(def->is_secret && text[0] != '\0' ? "********" : text);
		case FO_SETTING_DURATION:
		case FO_SETTING_SIZE:
		case FO_SETTING_INTEGER:
		case FO_SETTING_REAL:
			break;
	}
	return format_number(def, number);
}
