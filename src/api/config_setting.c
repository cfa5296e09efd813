/*-------------------------------------------------------------------------
 *
 * config_setting.c
 *		Sets the settings of a group: failover_set, failover_reset,
 *		failover_apply_profile, and the list of all there are.
 *
 * Only what differs from its default is stored, in the form in which a DBA
 * would write it.  Each change is looked at together with the others in force:
 * what single ranges cannot see, such as a lease that is shorter than the time
 * between two checks, draws a warning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/varlena.h"

#include "api/api.h"
#include "api/profile.h"
#include "catalog/catalog.h"
#include "catalog/rows.h"

PG_FUNCTION_INFO_V1(failover_set);
PG_FUNCTION_INFO_V1(failover_reset);
PG_FUNCTION_INFO_V1(failover_apply_profile);
PG_FUNCTION_INFO_V1(failover_setting_definitions);
PG_FUNCTION_INFO_V1(failover_show_setting);

/* A misspelt name is at most this many letters away from the one that was meant. */
#define TYPO_MAX 4

void
fo_api_load_settings(const char *group, FoSettings *settings)
{
	FoParams	params = {0};
	uint64		n;
	uint64		i;

	fo_core_settings_init(settings);
	fo_catalog_add_name(&params, group);
	n = fo_catalog_write("SELECT name, value FROM %s.failover_setting WHERE group_name = $1", &params);
	for (i = 0; i < n; i++)
	{
		const FoSettingDef *def = fo_core_setting_find(fo_catalog_column_text(i, 1));
		char	   *error;
		char	   *hint;

		/* a row of a later release, or edited by hand: the coordinator warns of it */
		if (def != NULL)
			(void) fo_catalog_setting_parse(settings, def, fo_catalog_column_text(i, 2), &error, &hint);
	}
}

/* The setting whose name is most like this one, or NULL if none is. */
static const char *
closest_setting(const char *name)
{
	const char *closest = NULL;
	int			best = TYPO_MAX + 1;
	int			i;

	/* longer ones are refused by the distance function, and resemble nothing */
	if (strlen(name) >= FO_NAME_LEN)
		return NULL;
	for (i = 0; i < fo_core_settings_n; i++)
	{
		const char *candidate = fo_core_settings[i].name;
		int			distance = varstr_levenshtein_less_equal(name, strlen(name), candidate, strlen(candidate),
															 1, 1, 1, TYPO_MAX, true);

		if (distance < best && distance < (int) strlen(candidate) / 2)
		{
			best = distance;
			closest = candidate;
		}
	}
	return closest;
}

static const FoSettingDef *
require_setting(const char *name)
{
	const FoSettingDef *def = fo_core_setting_find(name);
	const char *closest;

	if (def != NULL)
		return def;
	closest = closest_setting(name);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("unrecognized setting \"%s\"", name),
			 errdetail("The view failover_settings shows the settings of groups."),
			 closest != NULL
			 ? errhint("Perhaps you meant \"%s\".", closest)
			 : errhint("Look the name up there.")));
	return NULL;				/* keep compiler quiet */
}

static void
parse_setting(FoSettings *settings, const FoSettingDef *def, const char *value)
{
	char	   *error = NULL;
	char	   *hint = NULL;

	if (!fo_catalog_setting_parse(settings, def, value, &error, &hint))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", error),
				 hint != NULL ? errhint("%s", hint) : 0));
}

/*
 * What no single range can see.  No error: of two settings that are changed one
 * after the other, the first may look odd for a moment.
 */
static void
warn_together(const FoSettings *settings)
{
	if (settings->lease_time <= settings->check_interval)
		ereport(WARNING,
				(errmsg("setting \"lease_time\" is not greater than \"check_interval\""),
				 errdetail("Leases are renewed by checks: they would end before the next one."),
				 errhint("Raise \"lease_time\" or lower \"check_interval\".")));
}

/* The value as it is stored: as it is shown, but for text, which may be a secret. */
static const char *
stored_form(const FoSettings *settings, const FoSettingDef *def)
{
	const char *text;

	if (def->type != FO_SETTING_TEXT)
		return fo_catalog_setting_format(settings, def);
	(void) fo_core_setting_fetch(settings, def, &text);
	return text;
}

/* Store the value that settings has for def; a default is stored by storing nothing. */
static void
store_setting(const FoLockedGroup *group, const FoSettingDef *def, const FoSettings *settings)
{
	FoSettings	defaults;
	FoParams	params = {0};
	const char *value = stored_form(settings, def);

	fo_core_settings_init(&defaults);
	fo_catalog_add_name(&params, group->name);
	fo_catalog_add_text(&params, def->name);
	if (strcmp(value, stored_form(&defaults, def)) == 0)
	{
		fo_catalog_write("DELETE FROM %s.failover_setting WHERE group_name = $1 AND name = $2", &params);
		return;
	}
	fo_catalog_add_text(&params, value);
	fo_catalog_write("INSERT INTO %s.failover_setting (group_name, name, value) VALUES ($1, $2, $3)"
					 " ON CONFLICT (group_name, name) DO UPDATE"
					 " SET value = excluded.value, set_at = excluded.set_at, set_by = excluded.set_by", &params);
}

static void
record_setting(FoLockedGroup *group, const FoSettingDef *def, const FoSettings *old)
{
	StringInfo	detail = makeStringInfo();

	fo_api_json_open(detail);
	fo_api_json_text(detail, "setting", def->name);
	fo_api_json_text(detail, "old", fo_catalog_setting_format(old, def));
	fo_api_json_text(detail, "new", fo_catalog_setting_format(&group->settings, def));
	fo_api_record(group, NULL, "setting_changed",
				  psprintf("setting \"%s\" changed to \"%s\"", def->name, fo_catalog_setting_format(&group->settings, def)),
				  detail, NULL);
}

/* Set def to value in the locked group, and write that down. */
static void
change_setting(FoLockedGroup *group, const FoSettingDef *def, const char *value)
{
	FoSettings	old = group->settings;

	parse_setting(&group->settings, def, value);
	if (strcmp(stored_form(&old, def), stored_form(&group->settings, def)) == 0)
	{
		ereport(NOTICE,
				(errmsg("setting \"%s\" of group \"%s\" is \"%s\" already",
						def->name, group->name, fo_catalog_setting_format(&old, def))));
		return;
	}
	warn_together(&group->settings);
	store_setting(group, def, &group->settings);
	record_setting(group, def, &old);
}

Datum
failover_set(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *name = fo_api_arg_text(fcinfo, 1, "name");
	char	   *value = fo_api_arg_text(fcinfo, 2, "value");
	const FoSettingDef *def = require_setting(name);
	FoLockedGroup group;

	fo_api_require_writable(fcinfo);
	fo_api_change_begin();
	fo_api_lock_group(group_name, &group);
	change_setting(&group, def, value);
	fo_api_change_end();
	PG_RETURN_VOID();
}

Datum
failover_reset(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *name = fo_api_arg_text(fcinfo, 1, "name");
	const FoSettingDef *def = require_setting(name);
	FoLockedGroup group;

	fo_api_require_writable(fcinfo);
	fo_api_change_begin();
	fo_api_lock_group(group_name, &group);
	change_setting(&group, def, def->default_text);
	fo_api_change_end();
	PG_RETURN_VOID();
}

/*
 * Either all settings of the profile are taken, or an ERROR leaves everything
 * as it was.
 */
Datum
failover_apply_profile(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name(fcinfo, 0, "group_name");
	char	   *profile_name = fo_api_arg_text(fcinfo, 1, "profile");
	const FoProfile *profile = fo_api_profile_find(profile_name);
	FoLockedGroup group;
	StringInfo	detail = makeStringInfo();
	int			i;

	fo_api_require_writable(fcinfo);
	if (profile == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized profile \"%s\"", profile_name),
				 errdetail("Profiles are named in lower case."),
				 errhint("Allowed values: %s.", fo_api_profile_names())));

	fo_api_change_begin();
	fo_api_lock_group(group_name, &group);
	fo_api_json_open(detail);
	fo_api_json_text(detail, "profile", profile->name);
	for (i = 0; i < profile->settings_n; i++)
	{
		const FoSettingDef *def = require_setting(profile->settings[i].name);

		parse_setting(&group.settings, def, profile->settings[i].value);
		store_setting(&group, def, &group.settings);
	}
	warn_together(&group.settings);
	fo_api_record(&group, NULL, "profile_applied",
				  psprintf("profile \"%s\" applied", profile->name), detail, NULL);
	fo_api_change_end();
	PG_RETURN_VOID();
}

/* A number of a setting's units, as pg_settings writes it. */
static char *
number_text(const FoSettingDef *def, double number)
{
	return psprintf(def->type == FO_SETTING_REAL ? "%g" : "%.0f", number);
}

static bool
is_numeric(const FoSettingDef *def)
{
	switch (def->type)
	{
		case FO_SETTING_DURATION:
		case FO_SETTING_SIZE:
		case FO_SETTING_INTEGER:
		case FO_SETTING_REAL:
			return true;
		case FO_SETTING_BOOL:
		case FO_SETTING_ENUM:
		case FO_SETTING_TEXT:
			break;
	}
	return false;
}

/* The value as failover_settings shows it: numbers in their unit, words as they are, secrets not at all. */
static char *
unit_form(const FoSettings *settings, const FoSettingDef *def)
{
	const char *text;

	if (is_numeric(def))
		return number_text(def, fo_core_setting_fetch(settings, def, &text));
	return fo_catalog_setting_format(settings, def);
}

static void
put_bound(FoRow *row, const FoSettingDef *def, double bound)
{
	fo_api_row_text(row, is_numeric(def) ? number_text(def, bound) : NULL);
}

/* The description, with the words that an enumeration allows. */
static char *
describe(const FoSettingDef *def)
{
	StringInfoData text;
	int			i;

	initStringInfo(&text);
	appendStringInfoString(&text, def->description);
	if (def->type != FO_SETTING_ENUM)
		return text.data;
	for (i = 0; def->words[i] != NULL; i++)
		appendStringInfo(&text, "%s%s", i == 0 ? " Values: " : ", ", def->words[i]);
	appendStringInfoChar(&text, '.');
	return text.data;
}

Datum
failover_setting_definitions(PG_FUNCTION_ARGS)
{
	FoSettings	defaults;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	fo_core_settings_init(&defaults);
	for (i = 0; i < fo_core_settings_n; i++)
	{
		const FoSettingDef *def = &fo_core_settings[i];
		FoRow		row = {0};

		fo_api_row_text(&row, def->name);
		fo_api_row_text(&row, def->unit);
		fo_api_row_string(&row, unit_form(&defaults, def));
		put_bound(&row, def, def->min_value);
		put_bound(&row, def, def->max_value);
		fo_api_row_text(&row, describe(def));
		fo_api_row_put(fcinfo, &row);
	}
	return (Datum) 0;
}

/* For the view failover_settings: NULL for NULL, and for what does not parse any more, which the coordinator does not take either. */
Datum
failover_show_setting(PG_FUNCTION_ARGS)
{
	const FoSettingDef *def;
	FoSettings	settings;
	char	   *error;
	char	   *hint;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	def = fo_core_setting_find(fo_api_arg_text(fcinfo, 0, "name"));
	fo_core_settings_init(&settings);
	if (def == NULL || !fo_catalog_setting_parse(&settings, def, fo_api_arg_text(fcinfo, 1, "value"), &error, &hint))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(unit_form(&settings, def)));
}
