/*-------------------------------------------------------------------------
 *
 * profile.c
 *		Named sets of settings, for failover_apply_profile.
 *
 * Every profile names the same settings, so that applying one after another
 * gives the same result whatever came before.  They differ in how soon silence
 * is taken for death and how much checking costs; none of them gives
 * consistency away: prefer, max_lag and sync_mode are the DBA's own decision.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "api/profile.h"

/* Laptops and test servers: little traffic, patience with a machine that is busy or asleep. */
static const FoProfileSetting development[] = {
	{"check_interval", "5s"},
	{"check_timeout", "10s"},
	{"connect_check_interval", "30s"},
	{"failure_threshold", "5"},
	{"recovery_threshold", "2"},
	{"lease_time", "20s"},
	{"block_period", "0"},
	{"restart_grace", "15s"},
	{"write_check_timeout", "30s"},
	{"promote_timeout", "2min"},
	{"event_retention", "7d"},
};

/* The defaults. */
static const FoProfileSetting production[] = {
	{"check_interval", "1s"},
	{"check_timeout", "2s"},
	{"connect_check_interval", "5s"},
	{"failure_threshold", "3"},
	{"recovery_threshold", "2"},
	{"lease_time", "3s"},
	{"block_period", "60s"},
	{"restart_grace", "0"},
	{"write_check_timeout", "5s"},
	{"promote_timeout", "30s"},
	{"event_retention", "90d"},
};

/* Shortest outages, on a network that is never silent for half a second. */
static const FoProfileSetting aggressive[] = {
	{"check_interval", "250ms"},
	{"check_timeout", "500ms"},
	{"connect_check_interval", "1s"},
	{"failure_threshold", "2"},
	{"recovery_threshold", "2"},
	{"lease_time", "1s"},
	{"block_period", "30s"},
	{"restart_grace", "0"},
	{"write_check_timeout", "2s"},
	{"promote_timeout", "15s"},
	{"event_retention", "90d"},
};

#define PROFILE(name) {#name, name, lengthof(name)}

static const FoProfile profiles[] = {
	PROFILE(development),
	PROFILE(production),
	PROFILE(aggressive),
};

const FoProfile *
fo_api_profile_find(const char *name)
{
	int			i;

	for (i = 0; i < (int) lengthof(profiles); i++)
	{
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	}
	return NULL;
}

char *
fo_api_profile_names(void)
{
	StringInfoData names;
	int			i;

	initStringInfo(&names);
	for (i = 0; i < (int) lengthof(profiles); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", profiles[i].name);
	return names.data;
}
