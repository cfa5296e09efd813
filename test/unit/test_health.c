/*-------------------------------------------------------------------------
 *
 * test_health.c
 *		From results of checks to the health of one peer.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "core/health.h"
#include "unit.h"

#define SECOND INT64_C(1000000)

static FoSettings settings;
static FoHealthState state;
static FoTime now;

static void
begin(void)
{
	fo_core_settings_init(&settings);
	fo_core_health_init(&state);
	now = 1000 * SECOND;
}

/* One check after another second. */
static bool
check(FoErrorClass error, double response_ms)
{
	FoCheckResult result = {error, response_ms};

	now += SECOND;
	return fo_core_health_note(&state, &settings, &result, now);
}

static void
check_times(int n, FoErrorClass error, double response_ms)
{
	while (n-- > 0)
		(void) check(error, response_ms);
}

TEST("health: unknown until the first answer, which is enough")
{
	begin();
	CHECK_INT(state.health, FO_HEALTH_UNKNOWN);
	CHECK(fo_core_health_success_rate(&state) == -1);
	CHECK(check(FO_ERROR_NONE, 1));
	CHECK_INT(state.health, FO_HEALTH_HEALTHY);
	CHECK(fo_core_health_success_rate(&state) == 1);

	begin();
	CHECK(!check(FO_ERROR_REFUSED, 0));
	CHECK_INT(state.health, FO_HEALTH_UNKNOWN);
	check_times(2, FO_ERROR_REFUSED, 0);
	CHECK_INT(state.health, FO_HEALTH_UNHEALTHY);
}

TEST("health: down after failure_threshold failures, up after recovery_threshold answers")
{
	begin();
	check_times(10, FO_ERROR_NONE, 1);
	check_times(2, FO_ERROR_TIMEOUT, 0);
	CHECK_INT(state.health, FO_HEALTH_HEALTHY);
	CHECK(check(FO_ERROR_TIMEOUT, 0));
	CHECK_INT(state.health, FO_HEALTH_UNHEALTHY);
	CHECK_INT(state.consecutive_failures, 3);
	CHECK(!check(FO_ERROR_NONE, 1));
	CHECK_INT(state.health, FO_HEALTH_UNHEALTHY);
	CHECK(check(FO_ERROR_NONE, 1));
	CHECK_INT(state.health, FO_HEALTH_HEALTHY);
	CHECK_INT(state.consecutive_successes, 2);
}

TEST("health: alternating results do not make health alternate")
{
	int			changes = 0;
	int			i;

	begin();
	check_times(5, FO_ERROR_NONE, 1);
	for (i = 0; i < 200; i++)
		changes += check(i % 2 == 0 ? FO_ERROR_TIMEOUT : FO_ERROR_NONE, 1) ? 1 : 0;
	CHECK_INT(changes, 1);
	CHECK_INT(state.health, FO_HEALTH_DEGRADED);

	/* From down as well: one answer between failures is no recovery. */
	begin();
	check_times(3, FO_ERROR_TIMEOUT, 0);
	changes = 0;
	for (i = 0; i < 200; i++)
		changes += check(i % 2 == 0 ? FO_ERROR_NONE : FO_ERROR_TIMEOUT, 1) ? 1 : 0;
	CHECK_INT(changes, 0);
	CHECK_INT(state.health, FO_HEALTH_UNHEALTHY);
}

TEST("health: a peer that lives but lets nobody in is degraded, one that serves nobody is unhealthy")
{
	static const FoErrorClass alive[] = {FO_ERROR_AUTH, FO_ERROR_TOO_MANY_CONNECTIONS, FO_ERROR_DISK_FULL, FO_ERROR_QUERY};
	static const FoErrorClass down[] = {FO_ERROR_REFUSED, FO_ERROR_TIMEOUT, FO_ERROR_RESET, FO_ERROR_DNS,
	FO_ERROR_PROTOCOL, FO_ERROR_STARTING_UP, FO_ERROR_SHUTTING_DOWN};
	size_t		i;

	for (i = 0; i < sizeof(alive) / sizeof(alive[0]); i++)
	{
		begin();
		check_times(3, FO_ERROR_NONE, 1);
		check_times(3, alive[i], 0);
		CHECK_INT(state.health, FO_HEALTH_DEGRADED);
		CHECK_INT(state.down_since, 0);
	}
	for (i = 0; i < sizeof(down) / sizeof(down[0]); i++)
	{
		begin();
		check_times(3, FO_ERROR_NONE, 1);
		check_times(3, down[i], 0);
		CHECK_INT(state.health, FO_HEALTH_UNHEALTHY);
	}
}

TEST("health: a past outage is forgiven, many separate failures are not")
{
	int			i;

	begin();
	check_times(30, FO_ERROR_NONE, 1);
	check_times(60, FO_ERROR_REFUSED, 0);
	check_times(2, FO_ERROR_NONE, 1);
	CHECK_INT(state.health, FO_HEALTH_HEALTHY);

	begin();
	check_times(30, FO_ERROR_NONE, 1);
	for (i = 0; i < 4; i++)
	{
		check_times(1, FO_ERROR_TIMEOUT, 0);
		check_times(4, FO_ERROR_NONE, 1);
	}
	CHECK_INT(state.health, FO_HEALTH_DEGRADED);
	check_times(32, FO_ERROR_NONE, 1);
	CHECK_INT(state.health, FO_HEALTH_HEALTHY);
}

TEST("health: an outage runs from the first failure to the recovery")
{
	FoTime		first;

	begin();
	check_times(3, FO_ERROR_NONE, 1);
	first = now + SECOND;
	check_times(10, FO_ERROR_REFUSED, 0);
	CHECK_INT(state.down_since, first);
	check_times(2, FO_ERROR_NONE, 1);
	CHECK_INT(state.down_since, 0);

	/* An hour of "too many connections" before the crash is no outage. */
	begin();
	check_times(3600, FO_ERROR_TOO_MANY_CONNECTIONS, 0);
	check_times(1, FO_ERROR_REFUSED, 0);
	CHECK_INT(state.down_since, now);
}

TEST("health: success rate covers exactly the last checks of the window")
{
	begin();
	check_times(FO_HEALTH_WINDOW, FO_ERROR_TIMEOUT, 0);
	CHECK(fo_core_health_success_rate(&state) == 0);
	check_times(FO_HEALTH_WINDOW / 4, FO_ERROR_NONE, 1);
	CHECK(fo_core_health_success_rate(&state) == 0.25);
	check_times(FO_HEALTH_WINDOW, FO_ERROR_NONE, 1);
	CHECK(fo_core_health_success_rate(&state) == 1);
	CHECK_INT(state.checks_total, FO_HEALTH_WINDOW * 9 / 4);
}

TEST("health: slow only beyond factor and floor, after as many answers as failures would take")
{
	begin();
	check_times(50, FO_ERROR_NONE, 10);
	CHECK(state.baseline_ms > 9.99 && state.baseline_ms < 10.01);
	check_times(10, FO_ERROR_NONE, 105);
	CHECK(!state.is_slow);

	begin();
	check_times(50, FO_ERROR_NONE, 10);
	check_times(2, FO_ERROR_NONE, 500);
	CHECK(!state.is_slow);
	CHECK(check(FO_ERROR_NONE, 500));
	CHECK(state.is_slow);
	CHECK_INT(state.health, FO_HEALTH_DEGRADED);
	check_times(1, FO_ERROR_NONE, 10);
	CHECK(state.is_slow);
	check_times(1, FO_ERROR_NONE, 10);
	CHECK(!state.is_slow);
	CHECK_INT(state.health, FO_HEALTH_HEALTHY);

	/* 500 ms is not slow for one that always takes 450. */
	begin();
	check_times(50, FO_ERROR_NONE, 450);
	check_times(10, FO_ERROR_NONE, 600);
	CHECK(!state.is_slow);
}

TEST("health: a slow hour does not become the baseline, slowness for good does")
{
	begin();
	check_times(100, FO_ERROR_NONE, 10);
	check_times(60, FO_ERROR_NONE, 1000);
	CHECK(state.is_slow);
	CHECK(state.baseline_ms < 250);
	check_times(3600, FO_ERROR_NONE, 1000);
	CHECK(!state.is_slow);
}

TEST("health: suspicion grows with silence, is zero while too little is known, and is bounded")
{
	double		last = 0;
	int			i;

	begin();
	check_times(5, FO_ERROR_NONE, 1);
	CHECK(fo_core_health_suspicion(&state, now + 100 * SECOND) == 0);
	check_times(100, FO_ERROR_NONE, 1);
	CHECK(fo_core_health_suspicion(&state, now) == 0);
	CHECK(fo_core_health_suspicion(&state, now - SECOND) == 0);
	for (i = 1; i < 100; i++)
	{
		double		phi = fo_core_health_suspicion(&state, now + i * SECOND / 10);

		CHECK(phi >= last && phi <= 99);
		last = phi;
	}
	CHECK(fo_core_health_suspicion(&state, now + SECOND) < 1);
	CHECK(fo_core_health_suspicion(&state, now + 5 * SECOND) > 8);
	CHECK(fo_core_health_suspicion(&state, now + 5000 * SECOND) == 99);
}

TEST("health: an outage does not teach that outages are normal")
{
	double		before;

	begin();
	check_times(100, FO_ERROR_NONE, 1);
	before = state.gap_mean_ms;
	check_times(50, FO_ERROR_TIMEOUT, 0);
	check_times(1, FO_ERROR_NONE, 1);
	CHECK(state.gap_mean_ms == before);
}

TEST("health: random results keep every figure in its range")
{
	int			i;

	begin();
	for (i = 0; i < 20000; i++)
	{
		FoHealth	before = state.health;
		bool		changed = check(unit_one_in(3) ? (FoErrorClass) unit_below(FO_ERROR_N) : FO_ERROR_NONE,
									(double) unit_below(2000) - 10);
		double		rate = fo_core_health_success_rate(&state);

		CHECK_INT(changed, state.health != before);
		CHECK(rate >= 0 && rate <= 1);
		CHECK(state.baseline_ms >= -1 && state.baseline_ms <= 2000);
		CHECK((state.health == FO_HEALTH_UNHEALTHY) == (state.down_since != 0));
		CHECK(state.consecutive_failures == 0 || state.consecutive_successes == 0);
		CHECK(fo_core_health_suspicion(&state, now + SECOND) >= 0);
	}
}
