/*-------------------------------------------------------------------------
 *
 * health.h
 *		From the results of single checks to the health of one peer.
 *
 * A pure accumulator: fo_core_health_note() takes one check result and the
 * time, and updates counters, the rolling success rate, the response-time
 * baseline (EWMA of mean and of absolute deviation, in the manner of RFC
 * 6298's retransmission timer but slower) and the suspicion level (phi accrual,
 * Hayashibara et al. 2004, over the gaps between answers).  Separate thresholds
 * down (failure_threshold) and up (recovery_threshold) give hysteresis, to
 * health and to slowness alike.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FO_CORE_HEALTH_H
#define FO_CORE_HEALTH_H

#include "core/settings.h"
#include "core/types.h"

/* Checks that the rolling success rate remembers. */
#define FO_HEALTH_WINDOW 128

typedef struct FoHealthState
{
	FoHealth	health;
	bool		is_slow;		/* failure_threshold answers in a row beyond slow_factor and slow_floor over the baseline */
	int32_t		slow_streak;	/* slow answers in a row; negative: answers in a row that were not */
	int32_t		consecutive_failures;
	int32_t		consecutive_successes;
	int64_t		checks_total;
	int64_t		failures_total;
	FoTime		last_check_at;	/* when the last result came in; 0 = never */
	FoTime		last_success_at;
	FoTime		first_success_at;	/* of the running series of answers; 0 = the last check failed */
	FoTime		first_failure_at;	/* of the running series of failures; 0 = none */
	FoErrorClass error_class;	/* of the last check; NONE if it succeeded */
	double		response_ms;	/* of the last success; < 0 = none yet */
	double		baseline_ms;	/* EWMA; < 0 = none yet */
	double		deviation_ms;	/* EWMA of the absolute deviation */
	double		gap_mean_ms;	/* EWMA of the time between successes */
	double		gap_deviation_ms;
	int64_t		gaps;			/* how many gaps were learned */
	uint64_t	window[FO_HEALTH_WINDOW / 64];	/* one bit a check, 1 = success */
	int32_t		window_used;	/* bits in use */
	int32_t		window_next;	/* next bit to write */
	FoTime		down_since;		/* first failure of the outage; 0 = it is not unhealthy */
} FoHealthState;

typedef struct FoCheckResult
{
	FoErrorClass error;			/* FO_ERROR_NONE = answered */
	double		response_ms;	/* when answered */
} FoCheckResult;

extern void fo_core_health_init(FoHealthState *state);

/*
 * Take in one result at time now.  Returns true if health changed.  Errors
 * that prove life (too many connections, auth, starting up...) make a peer
 * degraded, or unhealthy where it serves nobody (starting_up, shutting_down),
 * by the same thresholds.  The first answer of a peer of unknown health makes
 * it healthy at once.
 */
extern bool fo_core_health_note(FoHealthState *state, const FoSettings *settings,
								const FoCheckResult *result, FoTime now);

/* Share of successes in the window, 0..1; -1 before the first check. */
extern double fo_core_health_success_rate(const FoHealthState *state);

/*
 * Phi: -log10 of the probability that a healthy peer is silent for as long as
 * this one is now.  0 before enough gaps were learned; capped at 99.
 */
extern double fo_core_health_suspicion(const FoHealthState *state, FoTime now);

#endif							/* FO_CORE_HEALTH_H */
