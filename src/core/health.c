/*-------------------------------------------------------------------------
 *
 * health.c
 *		From the results of single checks to the health of one peer.
 *
 * What each figure is for:
 *
 *	- Health (healthy, degraded, unhealthy) is what people and routing see.
 *	  It moves down after failure_threshold failures in a row and up after
 *	  recovery_threshold answers in a row, so a peer that alternates between
 *	  the two does not make the state alternate.  An outage in the past is no
 *	  blemish; many separate ones within the last checks are ("flaky").
 *	- The baseline is what this peer's response time usually is.  Answers that
 *	  count as slow are learned from at a fraction of the weight: a slow hour
 *	  stays visible, a peer that is slower for good becomes the new normal.
 *	- Suspicion (phi) is for the operator's eye and for metrics.  No verdict
 *	  rests on it: silence is judged by counting and by witnesses.
 *
 * Gaps are learned only between two answers with no failure in between, or an
 * outage would teach the detector that outages are normal.
 *
 *-------------------------------------------------------------------------
 */
#include "core/health.h"

#include <math.h>
#include <string.h>

/* Weight of a new sample in the running means, once that many were seen. */
#define LEARN_WEIGHT (1.0 / 32)
/* Weight of an answer that counts as slow. */
#define LEARN_WEIGHT_SLOW (1.0 / 320)
/* Answers before the baseline is trusted, gaps before suspicion is. */
#define ANSWERS_TO_LEARN 16
#define GAPS_TO_LEARN 8

/* Flaky: so many separate series of failures among so many last checks. */
#define FLAKY_SERIES 4
#define FLAKY_CHECKS 32

/* The standard deviation of a normal distribution over its mean absolute deviation. */
#define SIGMA_PER_DEVIATION 1.2533
#define SIGMA_FLOOR_MS 50.0
#define SIGMA_FLOOR_SHARE 0.25
#define SUSPICION_MAX 99.0

void
fo_core_health_init(FoHealthState *state)
{
	memset(state, 0, sizeof(*state));
	state->response_ms = -1;
	state->baseline_ms = -1;
}

static void
remember_in_window(FoHealthState *state, bool is_success)
{
	uint64_t	bit = (uint64_t) 1 << (state->window_next % 64);
	uint64_t   *word = &state->window[state->window_next / 64];

	*word = is_success ? (*word | bit) : (*word & ~bit);
	state->window_next = (state->window_next + 1) % FO_HEALTH_WINDOW;
	if (state->window_used < FO_HEALTH_WINDOW)
		state->window_used++;
}

/* Result of the check that lies age checks back; 0 is the latest. */
static bool
recall_from_window(const FoHealthState *state, int age)
{
	int			slot = (state->window_next - 1 - age + FO_HEALTH_WINDOW) % FO_HEALTH_WINDOW;

	return (state->window[slot / 64] >> (slot % 64)) & 1;
}

/* Does it fail again and again, though never for long? */
static bool
is_flaky(const FoHealthState *state)
{
	int			checks = state->window_used < FLAKY_CHECKS ? state->window_used : FLAKY_CHECKS;
	int			series = 0;
	int			age;

	for (age = 0; age + 1 < checks; age++)
	{
		if (!recall_from_window(state, age) && recall_from_window(state, age + 1))
			series++;
	}
	return series >= FLAKY_SERIES;
}

/* A running mean and mean absolute deviation; the first samples count in full. */
static void
learn(double *mean, double *deviation, double sample, int64_t seen, double weight)
{
	double		difference = sample - *mean;

	if (seen <= 0)
	{
		*mean = sample;
		*deviation = 0;
		return;
	}
	if (seen < (int64_t) (1 / LEARN_WEIGHT) && weight >= LEARN_WEIGHT)
		weight = 1.0 / (double) (seen + 1);
	*mean += weight * difference;
	*deviation += weight * (fabs(difference) - *deviation);
}

/* Judge one response time against the baseline, then learn from it. */
static void
note_response(FoHealthState *state, const FoSettings *settings, double response_ms)
{
	int64_t		answers = state->checks_total - state->failures_total - 1;
	double		excess = response_ms - state->baseline_ms;
	bool		is_over;

	state->response_ms = response_ms;
	is_over = answers >= ANSWERS_TO_LEARN
		&& excess > state->baseline_ms * settings->slow_factor
		&& excess > (double) settings->slow_floor;
	learn(&state->baseline_ms, &state->deviation_ms, response_ms, answers,
		  is_over ? LEARN_WEIGHT_SLOW : LEARN_WEIGHT);

	if (is_over)
		state->slow_streak = state->slow_streak > 0 ? state->slow_streak + 1 : 1;
	else
		state->slow_streak = state->slow_streak < 0 ? state->slow_streak - 1 : -1;
	if (state->slow_streak >= settings->failure_threshold)
		state->is_slow = true;
	else if (-state->slow_streak >= settings->recovery_threshold)
		state->is_slow = false;
}

static void
note_success(FoHealthState *state, const FoSettings *settings, double response_ms, FoTime now)
{
	bool		is_gap_normal = state->consecutive_failures == 0 && state->last_success_at != 0;

	if (is_gap_normal && now > state->last_success_at)
	{
		learn(&state->gap_mean_ms, &state->gap_deviation_ms,
			  (double) (now - state->last_success_at) / 1000.0, state->gaps, LEARN_WEIGHT);
		state->gaps++;
	}
	state->consecutive_failures = 0;
	if (state->consecutive_successes++ == 0)
		state->first_success_at = now;
	state->first_failure_at = 0;
	state->last_success_at = now;
	note_response(state, settings, response_ms < 0 ? 0 : response_ms);
}

static void
note_failure(FoHealthState *state, FoTime now)
{
	state->failures_total++;
	state->consecutive_successes = 0;
	state->first_success_at = 0;
	if (state->consecutive_failures++ == 0)
		state->first_failure_at = now;
}

/* What the counters say health is now, given what it was. */
static FoHealth
assess(const FoHealthState *state, const FoSettings *settings)
{
	bool		serves_nobody = state->error_class == FO_ERROR_STARTING_UP
		|| state->error_class == FO_ERROR_SHUTTING_DOWN;

	if (state->consecutive_failures > 0)
	{
		if (state->consecutive_failures < settings->failure_threshold)
			return state->health;
		return fo_core_error_proves_life(state->error_class) && !serves_nobody
			? FO_HEALTH_DEGRADED : FO_HEALTH_UNHEALTHY;
	}
	if (state->health == FO_HEALTH_UNHEALTHY && state->consecutive_successes < settings->recovery_threshold)
		return FO_HEALTH_UNHEALTHY;
	if (state->health == FO_HEALTH_DEGRADED && state->consecutive_successes < settings->recovery_threshold)
		return FO_HEALTH_DEGRADED;
	return state->is_slow || is_flaky(state) ? FO_HEALTH_DEGRADED : FO_HEALTH_HEALTHY;
}

/*
 * An outage begins or ends with this change.  It begins with the first failure
 * of the series, unless the series began while the peer was alive and merely
 * did not let us in.
 */
static void
date_outage(FoHealthState *state, const FoSettings *settings, FoTime now)
{
	if (state->health != FO_HEALTH_UNHEALTHY)
		state->down_since = 0;
	else if (state->consecutive_failures > settings->failure_threshold)
		state->down_since = now;
	else
		state->down_since = state->first_failure_at;
}

bool
fo_core_health_note(FoHealthState *state, const FoSettings *settings,
					const FoCheckResult *result, FoTime now)
{
	FoHealth	before = state->health;

	state->checks_total++;
	state->last_check_at = now;
	state->error_class = result->error;
	remember_in_window(state, result->error == FO_ERROR_NONE);
	if (result->error == FO_ERROR_NONE)
		note_success(state, settings, result->response_ms, now);
	else
		note_failure(state, now);

	state->health = assess(state, settings);
	if (state->health == before)
		return false;
	if (state->health == FO_HEALTH_UNHEALTHY || before == FO_HEALTH_UNHEALTHY)
		date_outage(state, settings, now);
	return true;
}

double
fo_core_health_success_rate(const FoHealthState *state)
{
	int			successes = 0;
	int			age;

	if (state->window_used == 0)
		return -1;
	for (age = 0; age < state->window_used; age++)
		successes += recall_from_window(state, age) ? 1 : 0;
	return (double) successes / state->window_used;
}

/*
 * The tail of a normal distribution through erfc().  The deviation has a floor,
 * or a peer that answers like clockwork would be suspected a moment late.
 */
double
fo_core_health_suspicion(const FoHealthState *state, FoTime now)
{
	double		silent_ms = (double) (now - state->last_success_at) / 1000.0;
	double		sigma = state->gap_deviation_ms * SIGMA_PER_DEVIATION;
	double		tail;

	if (state->gaps < GAPS_TO_LEARN || silent_ms <= 0)
		return 0;
	sigma = fmax(sigma, fmax(SIGMA_FLOOR_MS, state->gap_mean_ms * SIGMA_FLOOR_SHARE));
	tail = 0.5 * erfc((silent_ms - state->gap_mean_ms) / (sigma * sqrt(2.0)));
	if (tail <= 0)
		return SUSPICION_MAX;
	return fmin(SUSPICION_MAX, fmax(0, -log10(tail)));
}
