/*-------------------------------------------------------------------------
 *
 * settings.h
 *		The policy of a group: one struct, and one table that describes every
 *		field of it to SQL (name, type, unit, default, range, description).
 *
 * The table is the only place where a setting is declared.  failover_set(),
 * failover_reset(), failover_settings, the catalog loader and the reference
 * documentation are driven by it.  Parsing text with units is not done here
 * (it needs PostgreSQL's parser); this file knows ranges and storage.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_SETTINGS_H
#define FO_CORE_SETTINGS_H

#include "core/types.h"

#define FO_SETTING_TEXT_LEN 256

typedef enum FoSettingType
{
	FO_SETTING_BOOL,			/* bool */
	FO_SETTING_DURATION,		/* int64_t, milliseconds */
	FO_SETTING_SIZE,			/* int64_t, bytes */
	FO_SETTING_INTEGER,			/* int64_t */
	FO_SETTING_REAL,			/* double */
	FO_SETTING_ENUM,			/* int64_t, index into words */
	FO_SETTING_TEXT				/* char[FO_SETTING_TEXT_LEN] */
} FoSettingType;

typedef enum FoStrategy
{
	FO_STRATEGY_PRIORITY = 0,
	FO_STRATEGY_MOST_ADVANCED,
	FO_STRATEGY_N
} FoStrategy;

typedef enum FoPrefer { FO_PREFER_CONSISTENCY = 0, FO_PREFER_AVAILABILITY } FoPrefer;
typedef enum FoSyncMode { FO_SYNC_OFF = 0, FO_SYNC_QUORUM, FO_SYNC_STRICT } FoSyncMode;
typedef enum FoOnSlow { FO_ON_SLOW_ALERT = 0, FO_ON_SLOW_IGNORE, FO_ON_SLOW_SWITCHOVER } FoOnSlow;

/* Durations are milliseconds, sizes bytes. */
typedef struct FoSettings
{
	int64_t		check_interval;
	int64_t		check_timeout;
	int64_t		connect_check_interval;
	int64_t		failure_threshold;
	int64_t		recovery_threshold;
	bool		auto_failover;
	bool		auto_failback;
	int64_t		failback_delay;
	bool		auto_rejoin;
	int64_t		rejoin_attempts;
	int64_t		rejoin_backoff;
	int64_t		strategy;		/* FoStrategy */
	int64_t		max_lag;
	int64_t		prefer;			/* FoPrefer */
	int64_t		sync_mode;		/* FoSyncMode */
	int64_t		sync_standbys;
	int64_t		lease_time;
	int64_t		block_period;
	bool		cascade;
	int64_t		max_attempts;
	int64_t		restart_grace;
	int64_t		startup_timeout;
	bool		write_check;
	int64_t		write_check_timeout;
	double		slow_factor;
	int64_t		slow_floor;
	int64_t		on_slow;		/* FoOnSlow */
	int64_t		promote_timeout;
	int64_t		switchover_timeout;
	int64_t		read_max_lag;
	int64_t		reconnect_attempts;
	int64_t		reconnect_backoff;
	int64_t		event_retention;
	int64_t		sample_interval;
	int64_t		sample_retention;
	char		notify_channel[FO_SETTING_TEXT_LEN];	/* '' = no NOTIFY */
	char		webhook_url[FO_SETTING_TEXT_LEN];
	char		webhook_secret[FO_SETTING_TEXT_LEN];
} FoSettings;

typedef struct FoSettingDef
{
	const char *name;
	FoSettingType type;
	const char *unit;			/* unit that bare numbers are read in and values are shown in: "ms", "B" or NULL */
	const char *default_text;	/* as a DBA would write it: "1s", "16MB", "on" */
	double		min_value;		/* numeric types only */
	double		max_value;		/* numeric types; TEXT: the longest length in bytes */
	const char *const *words;	/* ENUM: allowed words, NULL-terminated, index = value */
	bool		is_secret;		/* shown as '********' */
	const char *description;	/* one sentence, starts with a verb */
	size_t		offset;			/* into FoSettings */
} FoSettingDef;

/* The table, in the order in which failover_settings lists it. */
extern const FoSettingDef fo_core_settings[];
extern const int fo_core_settings_n;

/* Find a setting by its exact name.  NULL if there is none. */
extern const FoSettingDef *fo_core_setting_find(const char *name);

/*
 * Store a parsed value.  number is used by all types but TEXT (BOOL: 0 or 1;
 * ENUM: the index), text by TEXT only.  False, and nothing stored, if it is
 * out of range, NaN or too long.
 */
extern bool fo_core_setting_store(FoSettings *settings, const FoSettingDef *def,
								  double number, const char *text);

/* Read a value back: the number of all types but TEXT; *text for TEXT. */
extern double fo_core_setting_fetch(const FoSettings *settings, const FoSettingDef *def,
									const char **text);

/* Fill in the defaults of every setting. */
extern void fo_core_settings_init(FoSettings *settings);

#endif							/* FO_CORE_SETTINGS_H */
