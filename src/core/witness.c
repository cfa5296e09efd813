/*-------------------------------------------------------------------------
 *
 * witness.c
 *		What the standbys know of the primary.
 *
 * A standby that was receiving WAL shortly before the primary's trouble began
 * is a witness.  What it says counts only if it was said after that moment:
 * an older answer describes the time before.  "Streaming" alone proves nothing
 * (a walreceiver shows it for wal_receiver_timeout after the primary's host is
 * gone); something must have arrived since.
 *
 * A witness that was asked to reconnect is not streaming for a moment because
 * we asked it, so until the outcome of that is known it has not "lost" anything.
 *
 *-------------------------------------------------------------------------
 */
#include "core/judging.h"

#include <string.h>

/*
 * WAL that was under way when the primary fell silent arrives this much later
 * at most; a witness's answer is older than its arrival by its response time.
 */
#define PROGRESS_SLACK_MS 500

/*
 * For how long a successful reconnect proves that the primary lives: while it
 * is missing, and while it answers but seems to take no new connections.
 */
#define PROBE_VALID_MS 30000
#define PROBE_VALID_ANSWERING_MS 300000

bool
fo_core_has_come(FoJudging *judging, FoTime moment)
{
	if (moment <= judging->group->now)
		return true;
	if (judging->recheck_at == 0 || moment < judging->recheck_at)
		judging->recheck_at = moment;
	return false;
}

int32_t
fo_core_first_by_name(const FoGroupView *group, int32_t a, int32_t b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return strcmp(group->peers[a].name, group->peers[b].name) <= 0 ? a : b;
}

/* Did anything reach the witness from the primary after the trouble began? */
static bool
has_progress(const FoPeerView *peer, FoTime trouble)
{
	double		response_ms = peer->health.response_ms > 0 ? peer->health.response_ms : 0;
	FoTime		threshold = trouble + FO_MS(PROGRESS_SLACK_MS) + (FoTime) (response_ms * 1000);

	if (peer->lsn_moved_at > threshold)
		return true;
	return peer->observed.message_age_us >= 0
		&& peer->observed.at - peer->observed.message_age_us > threshold;
}

/* The witness without any trouble of the primary: for display. */
static FoWitness
witness_in_peace(const FoPeerView *peer)
{
	if (!fo_core_peer_answers(peer))
		return FO_WITNESS_UNHEARD;
	return peer->observed.receiver == FO_RECEIVER_STREAMING ? FO_WITNESS_RECEIVES : FO_WITNESS_LOST;
}

/* Told to reconnect, with an outcome that is not known yet. */
static bool
is_interrupted_by_us(const FoPeerView *peer, FoTime trouble)
{
	return peer->probe == FO_PROBE_ASKED || (peer->probe == FO_PROBE_UNHEARD && peer->probe_at > trouble);
}

FoWitness
fo_core_witness(const FoGroupView *group, int index)
{
	const FoPeerView *peer = &group->peers[index];
	const FoObservation *observed = &peer->observed;
	FoTime		trouble = fo_core_trouble_since(group);

	if (fo_core_primary(group) == NULL || index == group->primary)
		return FO_WITNESS_NOT;
	if (observed->at != 0 && (!observed->in_recovery || !fo_core_is_same_system(group, peer)))
		return FO_WITNESS_NOT;
	if (!fo_core_was_receiving(group, peer))
		return FO_WITNESS_NOT;
	if (trouble == 0)
		return witness_in_peace(peer);
	if (observed->at <= trouble)
		return FO_WITNESS_UNHEARD;

	if (observed->receiver != FO_RECEIVER_STREAMING && !is_interrupted_by_us(peer, trouble))
		return FO_WITNESS_LOST;
	if (!fo_core_peer_answers(peer))
		return FO_WITNESS_UNHEARD;
	if (observed->receiver != FO_RECEIVER_STREAMING)
		return FO_WITNESS_STALE;
	if (has_progress(peer, trouble))
		return FO_WITNESS_RECEIVES;
	if (peer->probe != FO_PROBE_LOST || peer->probe_at <= trouble)
		return FO_WITNESS_STALE;

	/*
	 * It could not reconnect; if it streams by now, it can.  Or it has never stopped, because
	 * its recovery waits for a reader: then nothing has arrived since, and with a primary that
	 * would lose its lease without such a word that is enough.
	 */
	if (observed->at <= peer->probe_at || (observed->message_age_us >= 0 && fo_core_needs_lease(fo_core_primary(group))))
		return FO_WITNESS_LOST;
	return FO_WITNESS_RECEIVES;
}

/*
 * Not heard, and to be waited for?  Not once it has itself been failing for as
 * long as makes any peer count as down: the dead must not veto for ever.
 */
static bool
is_awaited(FoJudging *judging, const FoPeerView *peer)
{
	const FoSettings *settings = &judging->group->settings;
	int64_t		patience_ms = settings->check_interval * settings->failure_threshold;

	if (peer->error == FO_ERROR_NONE || peer->failing_since == 0)
		return true;
	if (peer->health.health == FO_HEALTH_UNHEALTHY || peer->is_in_maintenance)
		return false;
	if (patience_ms < settings->check_timeout)
		patience_ms = settings->check_timeout;
	return !fo_core_has_come(judging, peer->failing_since + FO_MS(patience_ms));
}

/* Was asking it in the present trouble answered by its return, not too long ago? */
static bool
is_probe_back(FoJudging *judging, const FoPeerView *peer)
{
	FoTime		valid = FO_MS(fo_core_peer_answers(judging->primary)
							  ? PROBE_VALID_ANSWERING_MS : PROBE_VALID_MS);

	return peer->probe == FO_PROBE_BACK && peer->probe_at > judging->trouble
		&& !fo_core_has_come(judging, peer->probe_at + valid);
}

static void
note_first(const FoJudging *judging, int32_t *slot, int32_t index)
{
	*slot = fo_core_first_by_name(judging->group, *slot, index);
}

/* A witness that streams, or says so: what became of asking it? */
static void
note_streaming(FoJudging *judging, int32_t index, FoWitness witness)
{
	const FoPeerView *peer = &judging->group->peers[index];
	FoWitnesses *witnesses = &judging->witnesses;

	note_first(judging, witness == FO_WITNESS_STALE ? &witnesses->stale : &witnesses->receiving, index);
	if (peer->probe == FO_PROBE_ASKED)
		note_first(judging, &witnesses->probe_asked, index);
	else if (is_probe_back(judging, peer))
		note_first(judging, &witnesses->probe_back, index);
	else if (witness == FO_WITNESS_STALE)
		note_first(judging, &witnesses->unasked, index);
}

static void
note_lost(FoJudging *judging, int32_t index)
{
	const FoPeerView *peer = &judging->group->peers[index];

	if (fo_core_peer_answers(peer))
		note_first(judging, &judging->witnesses.lost, index);
	if (peer->probe == FO_PROBE_LOST && peer->probe_at > judging->trouble)
		note_first(judging, &judging->witnesses.probe_lost, index);
}

/*
 * Told to reconnect, it may have lost a primary that others still receive from
 * and whose last commits will come through them: nobody else is asked before
 * it has said more, or counts as down.
 */
static void
note_unheard_probe(FoJudging *judging, int32_t index)
{
	const FoPeerView *peer = &judging->group->peers[index];

	if (peer->probe != FO_PROBE_UNHEARD || peer->probe_at <= judging->trouble)
		return;
	if (fo_core_peer_answers(peer) || is_awaited(judging, peer))
		note_first(judging, &judging->witnesses.probe_unheard, index);
}

static void
note_witness(FoJudging *judging, int32_t index)
{
	const FoPeerView *peer = &judging->group->peers[index];
	FoEvidence *evidence = &judging->evidence;
	FoWitness	witness = fo_core_witness(judging->group, index);

	if (witness == FO_WITNESS_NOT)
		return;
	evidence->witnesses++;
	note_unheard_probe(judging, index);
	switch (witness)
	{
		case FO_WITNESS_NOT:
			break;
		case FO_WITNESS_UNHEARD:
			evidence->unheard++;
			if (is_awaited(judging, peer))
				note_first(judging, &judging->witnesses.awaited, index);
			break;
		case FO_WITNESS_RECEIVES:
			evidence->receiving++;
			note_streaming(judging, index, witness);
			break;
		case FO_WITNESS_STALE:
			evidence->stale++;
			note_streaming(judging, index, witness);
			break;
		case FO_WITNESS_LOST:
			evidence->lost++;
			note_lost(judging, index);
			break;
	}
}

void
fo_core_collect_witnesses(FoJudging *judging)
{
	const FoGroupView *group = judging->group;
	int			i;

	memset(&judging->witnesses, -1, sizeof(judging->witnesses));
	for (i = 0; i < group->peers_n; i++)
	{
		if (i == group->primary)
			continue;
		judging->evidence.standbys++;
		judging->evidence.answering += fo_core_peer_answers(&group->peers[i]) ? 1 : 0;
		note_witness(judging, i);
	}
	if (judging->primary != NULL && !fo_core_peer_answers(judging->primary) && judging->trouble != 0)
		judging->evidence.silent_ms = (group->now - judging->trouble) / 1000;
}

const char *
fo_core_witness_name(FoWitness witness)
{
	switch (witness)
	{
		case FO_WITNESS_NOT:
			return "none";
		case FO_WITNESS_UNHEARD:
			return "unheard";
		case FO_WITNESS_RECEIVES:
			return "receives";
		case FO_WITNESS_STALE:
			return "stale";
		case FO_WITNESS_LOST:
			return "lost";
	}
	return "none";
}
