/*-------------------------------------------------------------------------
 *
 * outage.c
 *		Rules 30-79: is the primary alive?
 *
 * Four kinds of trouble, judged apart because different things prove them:
 *
 *	- It answers but cannot write, or its kept session answers but nobody gets
 *	  a new one (30-36).  Witnesses go on receiving through both, so receiving
 *	  is no alibi here: a write check, or a forced reconnect, decides.
 *	- It answers but may not write (37, 38): it gets no lease, and no other
 *	  primary would get one.
 *	- It says itself that it lives (40-52): never dead, except that a start-up
 *	  or shutdown which does not end becomes a failure in the end.
 *	- It is gone (60-72): refused, or silent.  A refusal needs no counting, and
 *	  after its process was seen to end it is a proof; silence is counted.  Either
 *	  needs every witness to have lost it, and at least one to say so.
 *
 *-------------------------------------------------------------------------
 */
#include "core/judging.h"

/* Failed checks before a witness is disturbed; fewer if the threshold is lower. */
#define FAILURES_BEFORE_ASKING 2

/* Wait for the return of an agentless peer that was shut down in order, unless the group says otherwise. */
#define AUTOMATIC_GRACE_MS 5000

/*
 * Checks follow each other quickly once one has failed, so their count alone
 * would call a connection that is reset three times within a moment "silence".
 */
bool
fo_core_is_threshold_reached(FoJudging *judging)
{
	const FoSettings *settings = &judging->group->settings;
	int64_t		least_ms = settings->check_interval * (settings->failure_threshold - 1);

	return judging->primary->health.consecutive_failures >= settings->failure_threshold
		&& fo_core_has_come(judging, judging->trouble + FO_MS(least_ms));
}

/* The last attempt to reach the primary was refused. */
static bool
is_refused(const FoJudging *judging)
{
	return judging->primary->error == FO_ERROR_REFUSED;
}

bool
fo_core_is_silent(const FoJudging *judging)
{
	return judging->primary->error == FO_ERROR_TIMEOUT || judging->primary->error == FO_ERROR_RESET;
}

/* Refused or silent, counted or not. */
static bool
is_missing(const FoJudging *judging)
{
	return is_refused(judging) || fo_core_is_silent(judging);
}

/* Missing beyond what one lost packet explains. */
static bool
is_missing_for_sure(FoJudging *judging)
{
	return is_refused(judging)
		|| (fo_core_is_silent(judging) && fo_core_is_threshold_reached(judging));
}

/* Every witness that counts has lost the primary, and at least one says so. */
static bool
is_lost_by_all(const FoJudging *judging)
{
	const FoEvidence *evidence = &judging->evidence;

	return evidence->lost > 0 && evidence->receiving == 0 && evidence->stale == 0
		&& judging->witnesses.awaited < 0;
}

/* Make a witness the subject of the sentence; false if there is none. */
static bool
is_about(FoJudging *judging, int32_t witness)
{
	judging->subject = witness;
	return witness >= 0;
}

static void
tell_trouble(FoJudging *judging)
{
	judging->span_us = judging->trouble == 0 ? 0 : judging->group->now - judging->trouble;
}

/*
 * The write check fails while other checks are answered.  A full disk may keep
 * the status query from being answered too.
 */
static bool
is_write_failing(FoJudging *judging)
{
	const FoPeerView *primary = judging->primary;

	if (!judging->group->settings.write_check || primary->write_failing_since == 0)
		return false;
	if (!fo_core_peer_answers(primary) && primary->error != FO_ERROR_DISK_FULL)
		return false;
	judging->span_us = judging->group->now - primary->write_failing_since;
	return true;
}

/*
 * Since when nothing at all speaks for writes: the write check has failed, the
 * primary has answered the other checks (a cut of the network hangs writes
 * too, and outlasts its end in the session that it hung) and its WAL has not
 * advanced.
 */
static FoTime
stalled_since(const FoPeerView *primary)
{
	FoTime		since = primary->write_failing_since;

	if (primary->error == FO_ERROR_NONE && primary->health.first_success_at > since)
		since = primary->health.first_success_at;
	return primary->lsn_moved_at > since ? primary->lsn_moved_at : since;
}

static bool
is_stalled(FoJudging *judging)
{
	FoTime		timeout = FO_MS(judging->group->settings.write_check_timeout);

	return is_write_failing(judging)
		&& fo_core_has_come(judging, stalled_since(judging->primary) + timeout);
}

/* Within its timeout; beyond that, WAL that advances has shown that only the check fails. */
static bool
is_stall_suspected(FoJudging *judging)
{
	FoTime		timeout = FO_MS(judging->group->settings.write_check_timeout);

	return is_write_failing(judging)
		&& judging->primary->lsn_moved_at <= judging->primary->write_failing_since + timeout;
}

/* Its gate refuses every commit: nothing that moving the primary would mend. */
static bool
is_leaseless(FoJudging *judging)
{
	FoTime		from = fo_core_leaseless_from(judging->group);

	judging->span_us = judging->group->now - judging->primary->leaseless_since;
	return from != 0 && fo_core_has_come(judging, from);
}

static bool
is_leaseless_unconfirmed(FoJudging *judging)
{
	return judging->group->is_unconfirmed && is_leaseless(judging);
}

/*
 * New connections meet silence while the kept session answers, and have done
 * so for long enough that one of them was tried after the session came back.
 */
static bool
is_door_shut(FoJudging *judging)
{
	const FoPeerView *primary = judging->primary;
	const FoSettings *settings = &judging->group->settings;

	if (!fo_core_peer_answers(primary) || primary->connect_failing_since == 0
		|| primary->connect_failures < settings->failure_threshold)
		return false;
	judging->span_us = judging->group->now - judging->trouble;
	return fo_core_has_come(judging, judging->trouble + FO_MS(settings->check_timeout));
}

static bool
is_door_shut_to_witness(FoJudging *judging)
{
	return is_door_shut(judging) && is_about(judging, judging->witnesses.probe_lost);
}

/* Trying to reconnect, or told to and silent since. */
static bool
is_door_asked_about(FoJudging *judging)
{
	const FoWitnesses *witnesses = &judging->witnesses;

	if (!is_door_shut(judging))
		return false;
	if (is_about(judging, witnesses->probe_asked))
		return true;
	return is_about(judging, witnesses->probe_unheard)
		&& !fo_core_peer_answers(&judging->group->peers[judging->subject]);
}

static bool
is_door_open_to_witness(FoJudging *judging)
{
	return is_door_shut(judging) && is_about(judging, judging->witnesses.probe_back);
}

/* Whom to ask about the door: who has been asked already, else rather one that is not receiving anyway. */
static bool
is_door_to_be_asked_about(FoJudging *judging)
{
	const FoWitnesses *witnesses = &judging->witnesses;

	if (!is_door_shut(judging))
		return false;
	if (is_about(judging, witnesses->probe_unheard) || is_about(judging, witnesses->lost)
		|| is_about(judging, witnesses->unasked))
		return true;
	return is_about(judging, witnesses->receiving);
}

static bool
is_refusing_credentials(FoJudging *judging)
{
	return judging->primary->error == FO_ERROR_AUTH;
}

static bool
is_full(FoJudging *judging)
{
	return judging->primary->error == FO_ERROR_TOO_MANY_CONNECTIONS;
}

static bool
is_query_failing(FoJudging *judging)
{
	return judging->primary->error == FO_ERROR_QUERY;
}

static bool
is_disk_full(FoJudging *judging)
{
	return judging->primary->error == FO_ERROR_DISK_FULL;
}

static bool
is_odd(FoJudging *judging)
{
	return judging->primary->error == FO_ERROR_PROTOCOL;
}

static bool
is_unresolvable(FoJudging *judging)
{
	return judging->primary->error == FO_ERROR_DNS;
}

/* Starting up, recovering from a crash or shutting down. */
static bool
is_in_transition(FoJudging *judging)
{
	const FoPeerView *primary = judging->primary;

	if (primary->error != FO_ERROR_STARTING_UP && primary->error != FO_ERROR_SHUTTING_DOWN)
		return false;
	judging->span_us = judging->group->now
		- (primary->alive_error_since != 0 ? primary->alive_error_since : judging->trouble);
	return true;
}

static bool
is_in_short_transition(FoJudging *judging)
{
	FoTime		limit = FO_MS(judging->group->settings.startup_timeout);

	return is_in_transition(judging)
		&& !fo_core_has_come(judging, judging->group->now - judging->span_us + limit);
}

static bool
is_in_endless_transition(FoJudging *judging)
{
	return is_in_transition(judging) && is_lost_by_all(judging);
}

static bool
is_isolated(FoJudging *judging)
{
	return is_missing(judging) && judging->evidence.standbys > 0 && judging->evidence.answering == 0;
}

static bool
is_refused_but_received(FoJudging *judging)
{
	return is_refused(judging) && is_about(judging, judging->witnesses.receiving);
}

static bool
is_silent_but_received(FoJudging *judging)
{
	return fo_core_is_silent(judging) && is_about(judging, judging->witnesses.receiving);
}

static bool
is_witness_back(FoJudging *judging)
{
	if (!is_missing(judging) || !is_about(judging, judging->witnesses.probe_back))
		return false;
	judging->span_us = judging->group->now - judging->group->peers[judging->subject].probe_at;
	return true;
}

/*
 * Ask only about what has lasted: reconnecting interrupts a standby's
 * streaming, and takes longer than a crashed primary needs to be known as one.
 * But ask at once about a primary that does not answer at all where a lease
 * makes the failover wait anyway: the answer should be there when it has ended.
 */
static bool
is_witness_to_be_asked(FoJudging *judging)
{
	const FoSettings *settings = &judging->group->settings;
	int64_t		failures = settings->failure_threshold < FAILURES_BEFORE_ASKING
		? settings->failure_threshold : FAILURES_BEFORE_ASKING;

	if (!is_missing(judging) || !is_about(judging, judging->witnesses.unasked))
		return false;
	if (judging->primary->observed.has_node_library && judging->primary->error == FO_ERROR_TIMEOUT)
		return true;
	return judging->primary->health.consecutive_failures >= failures
		&& fo_core_has_come(judging, judging->trouble + FO_MS(settings->check_interval));
}

static bool
is_witness_asked(FoJudging *judging)
{
	return is_missing(judging) && is_about(judging, judging->witnesses.probe_asked);
}

static bool
is_suspected(FoJudging *judging)
{
	tell_trouble(judging);
	return fo_core_is_silent(judging) && !fo_core_is_threshold_reached(judging);
}

static bool
is_witness_stale(FoJudging *judging)
{
	return is_missing(judging) && is_about(judging, judging->witnesses.stale);
}

static bool
is_witness_awaited(FoJudging *judging)
{
	return is_missing(judging) && is_about(judging, judging->witnesses.awaited);
}

static bool
is_unwitnessed(FoJudging *judging)
{
	return is_missing(judging) && judging->evidence.lost == 0;
}

/* Could it be a restart?  Waited out from the first failed attempt on. */
static bool
is_in_grace(FoJudging *judging)
{
	const FoPeerView *primary = judging->primary;
	int64_t		grace_ms = judging->group->settings.restart_grace;

	if (!is_missing_for_sure(judging) || !is_lost_by_all(judging))
		return false;
	if (grace_ms == 0 && primary->is_stop_orderly && !primary->observed.has_node_library)
		grace_ms = AUTOMATIC_GRACE_MS;
	judging->span_us = judging->trouble + FO_MS(grace_ms) - judging->group->now;
	return !fo_core_has_come(judging, judging->trouble + FO_MS(grace_ms));
}

static bool
is_dead(FoJudging *judging)
{
	return is_refused(judging) && !fo_core_may_be_walled_off(judging->primary) && is_lost_by_all(judging);
}

static bool
is_as_good_as_dead(FoJudging *judging)
{
	tell_trouble(judging);
	return is_missing_for_sure(judging) && is_lost_by_all(judging);
}

static const FoRuleRow rows[] = {
	{{30, "the primary answers, but for write_check_timeout it could not write and no WAL was written", FO_VERDICT_FAILOVER,
		"Primary \"%p\" answers but has not been able to write for %t: it is stalled and counts as dead."}, is_stalled},
	{{31, "the primary takes no new connections, and a standby that was asked to reconnect could not", FO_VERDICT_FAILOVER,
		"Primary \"%p\" has taken no new connection for %t, and standby \"%w\" could not reconnect either: it counts as dead."},
	is_door_shut_to_witness},
	{{32, "the primary takes no new connections, and a standby is trying to reconnect", FO_VERDICT_HOLD,
		"Primary \"%p\" has taken no new connection for %t; standby \"%w\" is trying to reconnect to it."}, is_door_asked_about},
	{{33, "the primary takes no new connections from here, but a standby was able to reconnect", FO_VERDICT_ALERT,
		"Primary \"%p\" takes no new connections from the coordinator, but standby \"%w\" was able to reconnect to it."},
	is_door_open_to_witness},
	{{34, "the primary takes no new connections, and no standby has been asked to reconnect", FO_VERDICT_ASK,
		"Primary \"%p\" has taken no new connection for %t: standby \"%w\" is asked to reconnect, to see whether it can."},
	is_door_to_be_asked_about},
	{{35, "the primary takes no new connections, and no standby can be asked to reconnect", FO_VERDICT_ALERT,
		"Primary \"%p\" has taken no new connection for %t, and there is no standby to confirm that."}, is_door_shut},
	{{36, "the primary answers but cannot write", FO_VERDICT_HOLD,
		"Primary \"%p\" answers but has not been able to write for %t: suspected to be stalled."}, is_stall_suspected},
	{{37, "the primary answers but holds no lease, because too few standbys have taken the term of this coordinator", FO_VERDICT_ALERT,
		"Primary \"%p\" answers but refuses commits: it gets no lease because too few standbys have taken this coordinator's term, so another one may have taken over; failover_acknowledge() says that none has."},
	is_leaseless_unconfirmed},
	{{38, "the primary answers but holds no lease", FO_VERDICT_ALERT,
		"Primary \"%p\" answers but refuses commits: it has held no lease for %t."}, is_leaseless},
	{{40, "the primary rejects the coordinator's credentials", FO_VERDICT_ALERT,
		"Primary \"%p\" is alive but does not let the coordinator in: see its pg_hba.conf and the coordinator's credentials."},
	is_refusing_credentials},
	{{41, "the primary has no connection left", FO_VERDICT_ALERT,
		"Primary \"%p\" is alive but has no connection left for the coordinator."}, is_full},
	{{42, "the status query fails on the primary", FO_VERDICT_ALERT,
		"Primary \"%p\" is alive but fails to execute the status query."}, is_query_failing},
	{{43, "the primary reports a full disk", FO_VERDICT_ALERT,
		"Primary \"%p\" is alive but reports that its disk is full."}, is_disk_full},
	{{44, "something else than PostgreSQL answers at the primary's address", FO_VERDICT_HOLD,
		"What answers at the address of primary \"%p\" is no PostgreSQL server that the coordinator understands: that proves nothing."},
	is_odd},
	{{45, "the primary's host name does not resolve", FO_VERDICT_HOLD,
		"The host name of primary \"%p\" does not resolve: that proves nothing about the server."}, is_unresolvable},
	{{50, "the primary is starting up, recovering or shutting down", FO_VERDICT_HOLD,
		"Primary \"%p\" has been starting up, recovering or shutting down for %t: it is not dead."}, is_in_short_transition},
	{{51, "the primary has been in transition for startup_timeout, and every witness has lost it", FO_VERDICT_FAILOVER,
		"Primary \"%p\" has been starting up, recovering or shutting down for %t, over startup_timeout, and every witness has lost it."},
	is_in_endless_transition},
	{{52, "the primary has been in transition for startup_timeout, but not every witness has lost it", FO_VERDICT_HOLD,
		"Primary \"%p\" has been starting up, recovering or shutting down for %t, over startup_timeout, but no loss is confirmed by all witnesses."},
	is_in_transition},
	{{60, "neither the primary nor any other peer answers", FO_VERDICT_HOLD,
		"Neither primary \"%p\" nor any other peer answers: the coordinator may be isolated, or everything is down."}, is_isolated},
	{{61, "the primary refuses connections, but a witness receives from it", FO_VERDICT_HOLD,
		"Primary \"%p\" refuses connections from the coordinator, but standby \"%w\" still receives from it."},
	is_refused_but_received},
	{{62, "the primary is silent, but a witness receives from it", FO_VERDICT_HOLD,
		"Primary \"%p\" is unreachable from here only: standby \"%w\" still receives from it."}, is_silent_but_received},
	{{63, "the primary is missing, but a witness was able to reconnect to it", FO_VERDICT_HOLD,
		"Primary \"%p\" does not answer here, but standby \"%w\" was able to reconnect to it %t ago."}, is_witness_back},
	{{64, "the primary is missing, and a witness says it is streaming while nothing arrives", FO_VERDICT_ASK,
		"Primary \"%p\" does not answer, and standby \"%w\" says it is streaming while nothing arrives: it is asked to reconnect."},
	is_witness_to_be_asked},
	{{65, "the primary is missing, and a witness is trying to reconnect", FO_VERDICT_HOLD,
		"Primary \"%p\" does not answer; standby \"%w\" is trying to reconnect to it."}, is_witness_asked},
	{{66, "the primary is silent, for fewer checks than failure_threshold", FO_VERDICT_HOLD,
		"Primary \"%p\" has not answered for %t: suspected, but too few checks have failed to say more."}, is_suspected},
	{{67, "the primary is missing, but a witness has not noticed yet", FO_VERDICT_HOLD,
		"Primary \"%p\" does not answer, but standby \"%w\" has not lost its connection to it yet."}, is_witness_stale},
	{{68, "the primary is missing, but a witness has not been heard since", FO_VERDICT_HOLD,
		"Primary \"%p\" does not answer, but standby \"%w\", which was receiving from it, has not been heard since."},
	is_witness_awaited},
	{{69, "the primary is missing, and no standby that was receiving before can tell", FO_VERDICT_HOLD,
		"Primary \"%p\" does not answer, but no standby that answers was receiving from it shortly before: nobody confirms its death or could replace it without loss."},
	is_unwitnessed},
	{{70, "the primary is missing and every witness has lost it, within restart_grace", FO_VERDICT_HOLD,
		"Primary \"%p\" is down and every witness has lost it; it is given another %t to come back."}, is_in_grace},
	{{71, "the primary has ended and refuses connections, and every witness has lost it", FO_VERDICT_FAILOVER,
		"Primary \"%p\" refuses connections and every witness has lost it: it is dead."}, is_dead},
	{{72, "the primary is silent for failure_threshold checks, or refuses connections but was not seen to end, and every witness has lost it", FO_VERDICT_FAILOVER,
		"Primary \"%p\" has not been reachable for %t and every witness has lost it: it counts as dead."}, is_as_good_as_dead},
};

const FoRuleRun fo_core_outage_rules = FO_RULE_RUN(rows);
