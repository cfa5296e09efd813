/*-------------------------------------------------------------------------
 *
 * pace.c
 *		When the next check of a peer is due.
 *
 * While the group's primary is failing, checks follow each other in a burst,
 * because a verdict waits for what the witnesses say; the burst slows down from 5
 * to 100 ms and ends by itself, so that a primary that stays dead does not keep
 * the coordinator busy.
 *
 * Connecting to many peers costs this process CPU time (SCRAM: milliseconds
 * each), so when the loop runs late, connects that are not urgent wait a
 * little, as often as it takes; checks on kept sessions are cheap and do not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"

#include "coordinator/executor.h"
#include "coordinator/pace.h"

#define BURST_FIRST_MS 5
#define BURST_LAST_MS 100
#define BURST_LASTS_US FO_MS(30000)

/* Two checks of a peer are apart by the interval, give or take this share of it: peers drift out of step. */
#define JITTER_SHARE 0.05

/* The loop is overloaded when a timer runs this late; connects then wait for up to twice as long. */
#define LATE_US FO_MS(50)

/*
 * Who starts up or shuts down says so, and what it does next is waited for: it is asked again
 * after so long, then each time it has taken half as long again, up to the interval.
 */
#define BETWEEN_STATES_MIN_US FO_MS(50)

/* First connects are spread out by so much for each peer of the coordinator, where there are so many. */
#define SPREAD_US 2000
#define SPREAD_FROM 50

static int64
check_interval_ms(const FoPeer *peer)
{
	return peer->group->cfg.settings.check_interval;
}

bool
fo_coordinator_is_primary_failing(FoGroup *group)
{
	const FoPeer *primary = fo_coordinator_primary(group);

	if (fo_coordinator_run_is_stopping_primary(group))
		return false;
	return primary != NULL && (primary->view.failing_since != 0 || primary->view.connect_failing_since != 0);
}

/*
 * Asking again at once may bring news, except of a peer that is alive and does
 * not let us in: that would only fill its log with refusals.
 */
static bool
is_worth_hurrying(const FoPeer *peer)
{
	FoErrorClass error = peer->view.error;

	return !fo_core_error_proves_life(error) || error == FO_ERROR_STARTING_UP || error == FO_ERROR_SHUTTING_DOWN;
}

static bool
is_in_burst(const FoPace *pace, const FoPeer *peer)
{
	return fo_net_now() < pace->burst_until && fo_coordinator_is_primary_failing(peer->group) && is_worth_hurrying(peer);
}

static FoTime
jittered_us(int64 interval_ms)
{
	return (FoTime) (FO_MS(interval_ms) *
					 (1 - JITTER_SHARE + 2 * JITTER_SHARE * pg_prng_double(&pg_global_prng_state)));
}

static FoTime
regular_delay_us(const FoPeer *peer)
{
	FoTime		interval_us = jittered_us(check_interval_ms(peer));
	FoTime		since = peer->view.alive_error_since;

	if (since == 0)
		return interval_us;
	return Min(interval_us, Max(BETWEEN_STATES_MIN_US, (fo_net_now() - since) / 2));
}

void
fo_coordinator_pace_hurry(FoPace *pace)
{
	FoTime		now = fo_net_now();

	if (now >= pace->burst_until)
		pace->burst_ms = BURST_FIRST_MS;
	pace->burst_until = now + BURST_LASTS_US;
}

FoTime
fo_coordinator_pace_delay_us(FoPace *pace, const FoPeer *peer, bool is_wanted)
{
	FoTime		delay_us;

	if (is_wanted && is_worth_hurrying(peer))
		return 0;
	if (!is_in_burst(pace, peer))
		return regular_delay_us(peer);
	delay_us = FO_MS(Min(pace->burst_ms, check_interval_ms(peer)));
	pace->burst_ms = Min(pace->burst_ms * 3 / 2 + 1, BURST_LAST_MS);
	return delay_us;
}

FoTime
fo_coordinator_pace_pause_us(const FoPace *pace, const FoPeer *peer, FoTime due_at)
{
	if (fo_net_now() - due_at <= LATE_US || is_in_burst(pace, peer))
		return 0;
	return LATE_US + (FoTime) (pg_prng_double(&pg_global_prng_state) * LATE_US);
}

FoTime
fo_coordinator_pace_first_us(const FoPeer *peer)
{
	const FoWorld *world = peer->group->world;
	int64		peers_n = 0;

	for (int i = 0; i < world->groups_n; i++)
		peers_n += world->groups[i]->peers_n;
	if (peers_n < SPREAD_FROM)
		return 0;
	return (FoTime) (pg_prng_double(&pg_global_prng_state) * Min(peers_n * SPREAD_US, FO_MS(check_interval_ms(peer))));
}
