/*-------------------------------------------------------------------------
 *
 * settings.c
 *		The table of a group's settings: the only place where a setting is
 *		declared.
 *
 * Defaults stand in the table as a DBA would write them and are read from
 * there, so that what failover_settings shows as a default and what a group
 * starts with cannot differ.  The reader for them knows no more than the table
 * needs; what users type is parsed with PostgreSQL's own parser elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#include "core/settings.h"

#include <math.h>
#include <string.h>

#define SECOND 1000.0
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define LONGEST (10000 * DAY)
#define MEGABYTE 1048576.0
#define PETABYTE (1024.0 * 1024 * 1024 * MEGABYTE)

/* Longest name of a notification channel that PostgreSQL takes, in bytes. */
#define CHANNEL_LEN (FO_NAME_LEN - 1)

static const char *const strategy_words[] = {"priority", "most_advanced", NULL};
static const char *const prefer_words[] = {"consistency", "availability", NULL};
static const char *const sync_mode_words[] = {"off", "quorum", "strict", NULL};
static const char *const on_slow_words[] = {"alert", "ignore", "switchover", NULL};

#define FIELD(name) #name
#define AT(name) offsetof(FoSettings, name)
#define BOOLEAN(name, text, words) \
	{FIELD(name), FO_SETTING_BOOL, NULL, text, 0, 1, NULL, false, words, AT(name)}
#define DURATION(name, text, min, max, words) \
	{FIELD(name), FO_SETTING_DURATION, "ms", text, min, max, NULL, false, words, AT(name)}
#define SIZE(name, text, min, max, words) \
	{FIELD(name), FO_SETTING_SIZE, "B", text, min, max, NULL, false, words, AT(name)}
#define INTEGER(name, text, min, max, words) \
	{FIELD(name), FO_SETTING_INTEGER, NULL, text, min, max, NULL, false, words, AT(name)}
#define REAL(name, text, min, max, words) \
	{FIELD(name), FO_SETTING_REAL, NULL, text, min, max, NULL, false, words, AT(name)}
#define ENUM(name, text, allowed, words) \
	{FIELD(name), FO_SETTING_ENUM, NULL, text, 0, 0, allowed, false, words, AT(name)}
#define TEXT(name, text, longest, is_secret, words) \
	{FIELD(name), FO_SETTING_TEXT, NULL, text, 0, longest, NULL, is_secret, words, AT(name)}

const FoSettingDef fo_core_settings[] = {
	DURATION(check_interval, "1s", 10, HOUR,
			 "Sets the time between two checks of a peer."),
	DURATION(check_timeout, "2s", 10, HOUR,
			 "Sets how long a check may take before it counts as failed."),
	DURATION(connect_check_interval, "5s", 100, DAY,
			 "Sets the time between two trials of whether a peer takes new connections."),
	INTEGER(failure_threshold, "3", 1, 1000,
			"Sets how many checks in a row must fail before silence counts as failure."),
	INTEGER(recovery_threshold, "2", 1, 1000,
			"Sets how many checks in a row must succeed before a failed peer counts as healthy."),
	BOOLEAN(auto_failover, "on",
			"Lets the coordinator fail over by itself when the primary is dead."),
	BOOLEAN(auto_failback, "off",
			"Lets the coordinator move the primary back to the preferred peer by itself, unless a person has moved it away; needs the node library."),
	DURATION(failback_delay, "5min", 0, LONGEST,
			 "Sets how long the preferred primary must have followed without a fault before an automatic failback."),
	BOOLEAN(auto_rejoin, "on",
			"Lets the coordinator bring back by itself a standby that does not follow the primary."),
	INTEGER(rejoin_attempts, "3", 0, 1000,
			"Sets how often bringing a peer back is tried before the pauses become long; 0 leaves it to a human."),
	DURATION(rejoin_backoff, "5s", 0, DAY,
			 "Sets the time before bringing a peer back is tried again; it grows with each trial."),
	ENUM(strategy, "priority", strategy_words,
		 "Chooses among equally advanced standbys: priority takes the lowest priority number, most_advanced the highest position."),
	SIZE(max_lag, "16MB", 0, PETABYTE,
		 "Sets how far a standby may be behind the last known position of the primary to be promoted."),
	ENUM(prefer, "consistency", prefer_words,
		 "Decides where the old primary can neither be proven dead nor be fenced, or is fenced and has what no standby has received: consistency waits, availability fails over."),
	ENUM(sync_mode, "off", sync_mode_words,
		 "Lets the group manage synchronous_standby_names of its primary: quorum takes out standbys that are lost and puts them back, strict keeps all of them and lets commits wait, off leaves the setting alone."),
	INTEGER(sync_standbys, "1", 1, 64,
			"Sets how many standbys must confirm a commit where sync_mode is not off."),
	DURATION(lease_time, "3s", 100, HOUR,
			 "Sets how long a primary with the node library may commit without hearing from the coordinator or its standbys."),
	DURATION(block_period, "60s", 0, LONGEST,
			 "Sets for how long after a failover there is no further automatic one, unless acknowledged."),
	BOOLEAN(cascade, "off",
			"Allows one more failover inside the block period when the new primary is provably dead."),
	INTEGER(max_attempts, "3", 1, 1000,
			"Sets how many failovers are tried automatically within a block period, and how many candidates within a failover."),
	DURATION(restart_grace, "0", 0, DAY,
			 "Sets how long a stopped primary may take to come back; 0 waits 5s after an orderly shutdown of a peer without the node library, and not at all otherwise."),
	DURATION(startup_timeout, "60s", 1 * SECOND, DAY,
			 "Sets how long a primary may stay in start-up, crash recovery or shutdown before it counts as dead."),
	BOOLEAN(write_check, "on",
			"Makes checks try whether the primary can still write WAL."),
	DURATION(write_check_timeout, "5s", 100, DAY,
			 "Sets how long a primary that answers may be unable to write before it counts as dead."),
	REAL(slow_factor, "0.5", 0, 1000,
		 "Sets by which share of its usual response time a peer must exceed it to count as slow."),
	DURATION(slow_floor, "100ms", 0, HOUR,
			 "Sets by how much at least a peer must exceed its usual response time to count as slow."),
	ENUM(on_slow, "alert", on_slow_words,
		 "Decides what a slow primary leads to: an alert, nothing, or a planned switchover."),
	DURATION(promote_timeout, "30s", 1 * SECOND, DAY,
			 "Sets how long a promotion may take."),
	DURATION(switchover_timeout, "30s", 1 * SECOND, DAY,
			 "Sets how long a planned move waits for the old primary to checkpoint and to come back, and, 5s at most, to stop."),
	SIZE(read_max_lag, "16MB", 0, PETABYTE,
		 "Sets how far a standby may be behind to be offered to readers; this release stores it and does not act on it."),
	INTEGER(reconnect_attempts, "5", 0, 1000,
			"Sets how often a routed query reconnects; this release stores it and does not act on it."),
	DURATION(reconnect_backoff, "2s", 10, HOUR,
			 "Sets the first pause before a routed query reconnects, doubled each time; this release stores it and does not act on it."),
	DURATION(event_retention, "90d", 1 * HOUR, LONGEST,
			 "Sets how long events and ended operations are kept."),
	DURATION(sample_interval, "10s", 100, DAY,
			 "Sets the time between two stored samples of the metrics; this release stores it and does not act on it."),
	DURATION(sample_retention, "7d", 1 * HOUR, LONGEST,
			 "Sets how long samples are kept; this release stores it and does not act on it."),
	TEXT(notify_channel, "failover", CHANNEL_LEN, false,
		 "Names the channel that each transition is notified on; empty for none."),
	TEXT(webhook_url, "", FO_SETTING_TEXT_LEN - 1, false,
		 "Names the URL that each transition is posted to; this release stores it and does not act on it."),
	TEXT(webhook_secret, "", FO_SETTING_TEXT_LEN - 1, true,
		 "Holds the key that posted transitions are signed with; this release stores it and does not act on it."),
};

const int	fo_core_settings_n = sizeof(fo_core_settings) / sizeof(fo_core_settings[0]);

/* Units that defaults are written in; the empty one ends the table. */
static const struct
{
	const char *unit;
	double		factor;
}			default_units[] = {
	{"ms", 1}, {"s", SECOND}, {"min", MINUTE}, {"h", HOUR}, {"d", DAY},
	{"kB", 1024}, {"MB", MEGABYTE}, {"", 1},
};

const FoSettingDef *
fo_core_setting_find(const char *name)
{
	int			i;

	for (i = 0; i < fo_core_settings_n; i++)
	{
		if (strcmp(fo_core_settings[i].name, name) == 0)
			return &fo_core_settings[i];
	}
	return NULL;
}

/* The number of words an ENUM allows. */
static int
count_words(const char *const *words)
{
	int			n = 0;

	while (words[n] != NULL)
		n++;
	return n;
}

static bool
store_text(char *field, const FoSettingDef *def, const char *text)
{
	if (text == NULL || strlen(text) > (size_t) def->max_value)
		return false;
	fo_core_copy_text(field, FO_SETTING_TEXT_LEN, text);
	return true;
}

bool
fo_core_setting_store(FoSettings *settings, const FoSettingDef *def,
					  double number, const char *text)
{
	char	   *field = (char *) settings + def->offset;
	double		max_value = def->max_value;
	int64_t		rounded;
	bool		is_on;

	if (def->type == FO_SETTING_TEXT)
		return store_text(field, def, text);
	if (def->type == FO_SETTING_ENUM)
		max_value = count_words(def->words) - 1;
	if (isnan(number) || number < def->min_value || number > max_value)
		return false;

	rounded = (int64_t) rint(number);
	switch (def->type)
	{
		case FO_SETTING_BOOL:
			is_on = (rounded != 0);
			memcpy(field, &is_on, sizeof(is_on));
			break;
		case FO_SETTING_REAL:
			memcpy(field, &number, sizeof(number));
			break;
		case FO_SETTING_DURATION:
		case FO_SETTING_SIZE:
		case FO_SETTING_INTEGER:
		case FO_SETTING_ENUM:
			memcpy(field, &rounded, sizeof(rounded));
			break;
		case FO_SETTING_TEXT:
			break;
	}
	return true;
}

double
fo_core_setting_fetch(const FoSettings *settings, const FoSettingDef *def, const char **text)
{
	const char *field = (const char *) settings + def->offset;
	int64_t		integer;
	double		real;
	bool		is_on;

	if (text != NULL)
		*text = NULL;
	switch (def->type)
	{
		case FO_SETTING_TEXT:
			if (text != NULL)
				*text = field;
			return 0;
		case FO_SETTING_BOOL:
			memcpy(&is_on, field, sizeof(is_on));
			return is_on ? 1 : 0;
		case FO_SETTING_REAL:
			memcpy(&real, field, sizeof(real));
			return real;
		case FO_SETTING_DURATION:
		case FO_SETTING_SIZE:
		case FO_SETTING_INTEGER:
		case FO_SETTING_ENUM:
			break;
	}
	memcpy(&integer, field, sizeof(integer));
	return (double) integer;
}

/* Read a default of the table: a decimal number and one of default_units. */
static double
read_default_number(const char *text)
{
	double		number = 0;
	double		place = 1;
	bool		is_fraction = false;
	int			i;

	for (; (*text >= '0' && *text <= '9') || *text == '.'; text++)
	{
		if (*text == '.')
		{
			is_fraction = true;
			continue;
		}
		number = number * 10 + (*text - '0');
		if (is_fraction)
			place *= 10;
	}
	for (i = 0; default_units[i].unit[0] != '\0'; i++)
	{
		if (strcmp(default_units[i].unit, text) == 0)
			break;
	}
	return number / place * default_units[i].factor;
}

/* Read a default of the table, whatever its type; TEXT has no number. */
static double
read_default(const FoSettingDef *def)
{
	int			word;

	switch (def->type)
	{
		case FO_SETTING_TEXT:
			return 0;
		case FO_SETTING_BOOL:
			return strcmp(def->default_text, "on") == 0 ? 1 : 0;
		case FO_SETTING_ENUM:
			for (word = 0; def->words[word] != NULL; word++)
			{
				if (strcmp(def->words[word], def->default_text) == 0)
					break;
			}
			return word;
		case FO_SETTING_REAL:
		case FO_SETTING_DURATION:
		case FO_SETTING_SIZE:
		case FO_SETTING_INTEGER:
			break;
	}
	return read_default_number(def->default_text);
}

void
fo_core_settings_init(FoSettings *settings)
{
	int			i;

	memset(settings, 0, sizeof(*settings));
	for (i = 0; i < fo_core_settings_n; i++)
		(void) fo_core_setting_store(settings, &fo_core_settings[i], read_default(&fo_core_settings[i]),
									 fo_core_settings[i].default_text);
}
