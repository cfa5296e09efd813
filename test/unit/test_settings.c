/*-------------------------------------------------------------------------
 *
 * test_settings.c
 *		The settings table, and the words and texts of the core.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/settings.h"
#include "core/text.h"
#include "unit.h"

TEST("settings: defaults are those of the contract")
{
	FoSettings	s;

	memset(&s, 0x5A, sizeof(s));
	fo_core_settings_init(&s);
	CHECK_INT(s.check_interval, 1000);
	CHECK_INT(s.check_timeout, 2000);
	CHECK_INT(s.connect_check_interval, 5000);
	CHECK_INT(s.failure_threshold, 3);
	CHECK_INT(s.recovery_threshold, 2);
	CHECK_INT(s.auto_failover, true);
	CHECK_INT(s.auto_failback, false);
	CHECK_INT(s.failback_delay, 5 * 60 * 1000);
	CHECK_INT(s.auto_rejoin, true);
	CHECK_INT(s.rejoin_attempts, 3);
	CHECK_INT(s.rejoin_backoff, 5000);
	CHECK_INT(s.strategy, FO_STRATEGY_PRIORITY);
	CHECK_INT(s.max_lag, 16 * 1024 * 1024);
	CHECK_INT(s.prefer, FO_PREFER_CONSISTENCY);
	CHECK_INT(s.sync_mode, FO_SYNC_OFF);
	CHECK_INT(s.sync_standbys, 1);
	CHECK_INT(s.lease_time, 3000);
	CHECK_INT(s.block_period, 60 * 1000);
	CHECK_INT(s.cascade, false);
	CHECK_INT(s.max_attempts, 3);
	CHECK_INT(s.restart_grace, 0);
	CHECK_INT(s.startup_timeout, 60 * 1000);
	CHECK_INT(s.write_check, true);
	CHECK_INT(s.write_check_timeout, 5000);
	CHECK(s.slow_factor == 0.5);
	CHECK_INT(s.slow_floor, 100);
	CHECK_INT(s.on_slow, FO_ON_SLOW_ALERT);
	CHECK_INT(s.promote_timeout, 30 * 1000);
	CHECK_INT(s.switchover_timeout, 30 * 1000);
	CHECK_INT(s.read_max_lag, 16 * 1024 * 1024);
	CHECK_INT(s.reconnect_attempts, 5);
	CHECK_INT(s.reconnect_backoff, 2000);
	CHECK_INT(s.event_retention, INT64_C(90) * 24 * 3600 * 1000);
	CHECK_INT(s.sample_interval, 10 * 1000);
	CHECK_INT(s.sample_retention, INT64_C(7) * 24 * 3600 * 1000);
	CHECK_TEXT(s.notify_channel, "failover");
	CHECK_TEXT(s.webhook_url, "");
	CHECK_TEXT(s.webhook_secret, "");
}

TEST("settings: every default is within its own range and survives a round trip")
{
	FoSettings	s;
	FoSettings	copy;
	int			i;

	fo_core_settings_init(&s);
	memset(&copy, 0, sizeof(copy));
	for (i = 0; i < fo_core_settings_n; i++)
	{
		const FoSettingDef *def = &fo_core_settings[i];
		const char *text;
		double		number = fo_core_setting_fetch(&s, def, &text);

		unit_context(def->name);
		CHECK(fo_core_setting_store(&copy, def, number, text));
		CHECK(fo_core_setting_find(def->name) == def);
		CHECK((text != NULL) == (def->type == FO_SETTING_TEXT));
	}
	CHECK(memcmp(&s, &copy, sizeof(s)) == 0);
	CHECK(fo_core_setting_find("no_such_setting") == NULL);
	CHECK(fo_core_setting_find("") == NULL);
}

TEST("settings: every field of the struct is declared exactly once")
{
	unsigned char seen[sizeof(FoSettings)];
	static const size_t sizes[] = {
		[FO_SETTING_BOOL] = sizeof(bool), [FO_SETTING_DURATION] = 8, [FO_SETTING_SIZE] = 8,
		[FO_SETTING_INTEGER] = 8, [FO_SETTING_REAL] = 8, [FO_SETTING_ENUM] = 8,
		[FO_SETTING_TEXT] = FO_SETTING_TEXT_LEN,
	};
	size_t		padding = 0;
	size_t		byte;
	int			i;

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < fo_core_settings_n; i++)
	{
		unit_context(fo_core_settings[i].name);
		for (byte = 0; byte < sizes[fo_core_settings[i].type]; byte++)
			CHECK_INT(seen[fo_core_settings[i].offset + byte]++, 0);
	}
	for (byte = 0; byte < sizeof(seen); byte++)
	{
		padding = seen[byte] != 0 ? 0 : padding + 1;
		CHECK(padding < 8);
	}
}

TEST("settings: what is out of range, no number or too long is refused and changes nothing")
{
	char		longest[FO_SETTING_TEXT_LEN + 8];
	FoSettings	s;
	FoSettings	before;
	int			i;

	fo_core_settings_init(&s);
	before = s;
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (i = 0; i < fo_core_settings_n; i++)
	{
		const FoSettingDef *def = &fo_core_settings[i];

		unit_context(def->name);
		CHECK(!fo_core_setting_store(&s, def, NAN, NULL));
		CHECK(!fo_core_setting_store(&s, def, INFINITY, longest));
		CHECK(!fo_core_setting_store(&s, def, -INFINITY, NULL));
		if (def->type == FO_SETTING_TEXT || def->type == FO_SETTING_ENUM)
			continue;
		CHECK(!fo_core_setting_store(&s, def, def->min_value - 1, NULL));
		CHECK(!fo_core_setting_store(&s, def, def->max_value * 1.01 + 1, NULL));
	}
	CHECK(!fo_core_setting_store(&s, fo_core_setting_find("strategy"), FO_STRATEGY_N, NULL));
	CHECK(!fo_core_setting_store(&s, fo_core_setting_find("strategy"), -1, NULL));
	CHECK(memcmp(&s, &before, sizeof(s)) == 0);
	CHECK(fo_core_setting_store(&s, fo_core_setting_find("max_lag"), 1e15, NULL));
	CHECK_INT(s.max_lag, INT64_C(1000000000000000));
	CHECK(fo_core_setting_store(&s, fo_core_setting_find("on_slow"), 2, NULL));
	CHECK_INT(s.on_slow, FO_ON_SLOW_SWITCHOVER);
}

TEST("settings: every setting is described in one sentence, and only secrets are hidden")
{
	int			i;

	for (i = 0; i < fo_core_settings_n; i++)
	{
		const FoSettingDef *def = &fo_core_settings[i];
		size_t		length = strlen(def->description);

		unit_context(def->name);
		CHECK(length > 20 && def->description[length - 1] == '.');
		CHECK(def->description[0] >= 'A' && def->description[0] <= 'Z');
		CHECK((def->words != NULL) == (def->type == FO_SETTING_ENUM));
		CHECK_INT(def->is_secret, strstr(def->name, "secret") != NULL);
	}
}

TEST("words: every error class, health, kind and receiver state has its own")
{
	int			a;
	int			b;

	for (a = 0; a < FO_ERROR_N; a++)
	{
		CHECK(strcmp(fo_core_error_class_name((FoErrorClass) a), "unknown") != 0);
		for (b = 0; b < a; b++)
			CHECK(strcmp(fo_core_error_class_name((FoErrorClass) a), fo_core_error_class_name((FoErrorClass) b)) != 0);
	}
	CHECK_TEXT(fo_core_health_name(FO_HEALTH_UNKNOWN), "unknown");
	CHECK_TEXT(fo_core_health_name(FO_HEALTH_UNHEALTHY), "unhealthy");
	CHECK_TEXT(fo_core_group_kind_name(FO_KIND_SERVICE), "service");
	CHECK_TEXT(fo_core_receiver_name(FO_RECEIVER_STREAMING), "streaming");
	CHECK(!fo_core_error_proves_life(FO_ERROR_REFUSED));
	CHECK(!fo_core_error_proves_life(FO_ERROR_TIMEOUT));
	CHECK(!fo_core_error_proves_life(FO_ERROR_PROTOCOL));
	CHECK(fo_core_error_proves_life(FO_ERROR_AUTH));
	CHECK(fo_core_error_proves_life(FO_ERROR_STARTING_UP));
	CHECK(fo_core_error_shows_service(FO_ERROR_AUTH));
	CHECK(fo_core_error_shows_service(FO_ERROR_TOO_MANY_CONNECTIONS));
	CHECK(!fo_core_error_shows_service(FO_ERROR_SHUTTING_DOWN));
	CHECK(!fo_core_error_shows_service(FO_ERROR_REFUSED));
}

TEST("text: a copy is cut at a character, never inside one, and leaves nothing behind it")
{
	char		to[8];

	memset(to, 'z', sizeof(to));
	fo_core_copy_text(to, sizeof(to), "short");
	CHECK_TEXT(to, "short");
	CHECK(to[6] == '\0' && to[7] == '\0');
	fo_core_copy_text(to, sizeof(to), "exactly");
	CHECK_TEXT(to, "exactly");
	fo_core_copy_text(to, sizeof(to), "too long");
	CHECK_TEXT(to, "too lon");
	fo_core_copy_text(to, sizeof(to), "abcde\xE2\x82\xAC");
	CHECK_TEXT(to, "abcde");
	fo_core_copy_text(to, sizeof(to), "abcd\xE2\x82\xAC!");
	CHECK_TEXT(to, "abcd\xE2\x82\xAC");
	fo_core_copy_text(to, 1, "x");
	CHECK_TEXT(to, "");
	to[0] = 'k';
	fo_core_copy_text(to, 0, "x");
	CHECK(to[0] == 'k');
}

TEST("text: numbers, durations and sizes read well, and nothing follows a cut")
{
	char		buffer[64];
	FoText		text;

	fo_core_text_begin(&text, buffer, sizeof(buffer));
	fo_core_text_add_integer(&text, INT64_MIN);
	fo_core_text_add(&text, " ");
	fo_core_text_add_integer(&text, INT64_MAX);
	fo_core_text_add(&text, " ");
	fo_core_text_add_integer(&text, 0);
	CHECK_TEXT(buffer, "-9223372036854775808 9223372036854775807 0");

	fo_core_text_begin(&text, buffer, sizeof(buffer));
	fo_core_text_add_duration(&text, 999999);
	fo_core_text_add(&text, ", ");
	fo_core_text_add_duration(&text, 3250000);
	fo_core_text_add(&text, ", ");
	fo_core_text_add_duration(&text, INT64_C(7200000000));
	fo_core_text_add(&text, ", ");
	fo_core_text_add_size(&text, 512);
	fo_core_text_add(&text, ", ");
	fo_core_text_add_size(&text, 23 * 1024 * 1024);
	CHECK_TEXT(buffer, "999 ms, 3.2 s, 120 min, 512 bytes, 23 MB");

	fo_core_text_begin(&text, buffer, 6);
	fo_core_text_add(&text, "abcd");
	fo_core_text_add(&text, "efgh");
	fo_core_text_add(&text, "i");
	CHECK_TEXT(buffer, "abcde");
	CHECK(text.is_cut);
}
