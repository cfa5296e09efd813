/*-------------------------------------------------------------------------
 *
 * evidence.c
 *		What a frozen snapshot says about the primary's trouble, about who was
 *		receiving when it began, and about acknowledged commits.
 *
 *-------------------------------------------------------------------------
 */
#include "core/evidence.h"

#include <string.h>

/* A receiver seen this long before the trouble counts as receiving then. */
#define RECEIVING_SLACK_MS 10000
#define RECEIVING_SLACK_CHECKS 3

/* A server that starts is granted a lease with its second check. */
#define LEASELESS_MS 3000
#define LEASELESS_CHECKS 3

FoTime
fo_core_receiving_slack(const FoGroupView *group)
{
	FoTime		slack = FO_MS(group->settings.check_interval) * RECEIVING_SLACK_CHECKS;

	return slack > FO_MS(RECEIVING_SLACK_MS) ? slack : FO_MS(RECEIVING_SLACK_MS);
}

FoTime
fo_core_trouble_since(const FoGroupView *group)
{
	const FoPeerView *primary = fo_core_primary(group);

	if (primary == NULL)
		return 0;
	if (!fo_core_peer_answers(primary))
		return primary->failing_since != 0 ? primary->failing_since : primary->last_attempt_at;
	if (primary->connect_failures < group->settings.failure_threshold || primary->connect_failing_since == 0)
		return primary->write_failing_since;

	/* Connects that failed while nothing else worked either are no trouble of their own. */
	return primary->connect_failing_since > primary->health.first_success_at
		? primary->connect_failing_since : primary->health.first_success_at;
}

/* Did the primary say, when it was heard last, that it streams to nobody? */
static bool
is_streaming_to_nobody(const FoPeerView *primary)
{
	return primary != NULL && primary->observed.at != 0 && primary->observed.is_privileged
		&& !primary->observed.in_recovery && primary->observed.streaming_standbys == 0;
}

/* When something came for the standby last: WAL, or a message. */
static FoTime
last_receipt(const FoPeerView *peer)
{
	FoTime		message_at = 0;

	if (peer->observed.message_age_us >= 0)
		message_at = peer->observed.at - peer->observed.message_age_us;
	return peer->lsn_moved_at > message_at ? peer->lsn_moved_at : message_at;
}

/*
 * A walreceiver that was cut off shows "streaming" for wal_receiver_timeout.
 * So where the primary knows of no standby, the standby's word is taken only
 * for as long as it has received something.
 */
FoTime
fo_core_last_received(const FoGroupView *group, const FoPeerView *peer)
{
	FoTime		receipt;

	if (peer->received_at == 0 || !is_streaming_to_nobody(fo_core_primary(group)))
		return peer->received_at;
	receipt = last_receipt(peer);
	return receipt < peer->received_at ? receipt : peer->received_at;
}

bool
fo_core_was_receiving(const FoGroupView *group, const FoPeerView *peer)
{
	FoTime		trouble = fo_core_trouble_since(group);
	FoTime		received_at = fo_core_last_received(group, peer);

	if (trouble == 0)
		trouble = group->now;
	return received_at != 0 && received_at >= trouble - fo_core_receiving_slack(group);
}

/* Two servers of one system that began in the same microsecond are one. */
bool
fo_core_is_same_server(const FoObservation *one, const FoObservation *other)
{
	return one->started_at != 0 && one->started_at == other->started_at &&
		one->system_identifier != 0 && one->system_identifier == other->system_identifier &&
		(one->incarnation == other->incarnation || one->incarnation == 0 || other->incarnation == 0);
}

int32_t
fo_core_alias_of(const FoGroupView *group, const FoPeerView *peer)
{
	const FoPeerView *primary = fo_core_primary(group);
	int32_t		i;

	if (primary != NULL && strncmp(primary->name, peer->name, FO_NAME_LEN) == 0)
		return -1;
	for (i = 0; i < group->peers_n; i++)
	{
		const FoPeerView *other = &group->peers[i];

		if ((strncmp(other->name, peer->name, FO_NAME_LEN) < 0 || other == primary) && fo_core_is_same_server(&other->observed, &peer->observed))
			return i;
	}
	return -1;
}

bool
fo_core_is_alias(const FoGroupView *group, const FoPeerView *peer)
{
	return peer->is_counted_there || fo_core_alias_of(group, peer) >= 0;
}

bool
fo_core_is_same_system(const FoGroupView *group, const FoPeerView *peer)
{
	const FoPeerView *primary = fo_core_primary(group);
	uint64_t	system = group->system_identifier;

	if (fo_core_is_alias(group, peer))
		return false;
	if (system == 0 && primary != NULL)
		system = primary->observed.system_identifier;
	return system == 0 || peer->observed.system_identifier == 0
		|| peer->observed.system_identifier == system;
}

/*
 * A position on a timeline that the primary never was on says nothing about
 * how much of the primary's WAL its holder has.
 */
bool
fo_core_is_heard(const FoGroupView *group, const FoFinalPosition *final, int index)
{
	const FoPeerView *primary = fo_core_primary(group);
	const FoPeerView *peer = &group->peers[index];
	uint32_t	timeline = final != NULL ? final[index].timeline : peer->observed.timeline;
	FoLsn		lsn = final != NULL ? final[index].lsn : peer->observed.lsn;

	if (index == group->primary || !fo_core_is_same_system(group, peer) || peer->is_history_rejected)
		return false;
	if (timeline == 0 || lsn == 0)
		return false;
	if (primary != NULL && primary->observed.timeline != 0
		&& timeline > primary->observed.timeline && timeline > group->newest_timeline)
		return false;
	if (final != NULL)
		return final[index].is_known;
	return fo_core_peer_answers(peer) && peer->observed.in_recovery;
}

/* Parse a text of at most FO_SYNC_NAMES_LEN bytes that may have been cut. */
static void
parse_cut(FoSyncNames *names, const char *text)
{
	fo_core_sync_parse(names, text);
	if (strlen(text) >= FO_SYNC_NAMES_LEN - 1)
		names->method = FO_SYNC_NAMES_INVALID;
}

void
fo_core_primary_sync_names(const FoGroupView *group, FoSyncNames *names)
{
	const FoPeerView *primary = fo_core_primary(group);

	if (group->is_sync_managed)
		parse_cut(names, group->sync_names);
	else
		parse_cut(names, primary == NULL ? "" : primary->observed.sync_names);
}

void
fo_core_former_sync_names(const FoGroupView *group, FoSyncNames *names)
{
	parse_cut(names, group->is_sync_managed ? group->sync_before : "");
}

/* Peers that may have streamed under a listed name; one that never said its name may have any. */
static int
count_bearers(const FoGroupView *group, const FoSyncNames *names)
{
	int			n = 0;
	int			i;

	for (i = 0; i < group->peers_n; i++)
	{
		const char *name = group->peers[i].observed.application_name;

		if (i != group->primary && (name[0] == '\0' || fo_core_sync_lists(names, name)))
			n++;
	}
	return n;
}

/*
 * A name does not make a standby a peer: a clone bears that of its original,
 * and with "*" any will do.  Were there more of them than peers that may
 * answer for it, then an outsider may have been the one that confirmed.
 */
static bool
has_outsiders(const FoGroupView *group, const FoPeerView *primary, const FoSyncNames *names)
{
	FoSyncNames seen;

	parse_cut(&seen, primary->observed.sync_names);
	if (primary->observed.listed_standbys > count_bearers(group, &seen))
		return true;
	return fo_core_sync_lists(names, "*") && primary->observed.streaming_standbys > group->peers_n - 1;
}

/* Do the heard standbys hold every commit that was acknowledged under these names? */
static bool
is_covered(const FoGroupView *group, const FoFinalPosition *final, const FoSyncNames *names)
{
	const FoPeerView *primary = fo_core_primary(group);
	FoSyncCoverage coverage;
	int			i;

	fo_core_sync_cover_begin(&coverage, names);
	for (i = 0; i < group->peers_n; i++)
	{
		if (i != group->primary)
			fo_core_sync_cover_add(&coverage, group->peers[i].observed.application_name,
								   fo_core_is_heard(group, final, i));
	}
	fo_core_sync_cover_self(&coverage, primary->name);
	fo_core_sync_cover_self(&coverage, primary->observed.application_name);
	return !has_outsiders(group, primary, names) && fo_core_sync_cover_ask(&coverage);
}

/* Has somebody else changed the setting that the group manages?  A fence is our own doing. */
static bool
is_setting_foreign(const FoGroupView *group, const FoPeerView *primary, FoSyncNames *names)
{
	const char *seen = primary->observed.sync_names;

	if (primary->observed.at == 0 || strcmp(seen, group->sync_names) == 0 || strcmp(seen, group->sync_before) == 0)
		return false;
	parse_cut(names, seen);
	return !fo_core_sync_lists(names, FO_SYNC_FENCE_NAME);
}

static FoSyncProof
managed_proof(const FoGroupView *group, const FoFinalPosition *final)
{
	FoSyncNames names;

	fo_core_primary_sync_names(group, &names);
	if (!is_covered(group, final, &names))
		return FO_SYNC_PROOF_UNCOVERED;
	fo_core_former_sync_names(group, &names);
	if (!is_covered(group, final, &names))
		return FO_SYNC_PROOF_UNCOVERED;
	if (is_setting_foreign(group, fo_core_primary(group), &names) &&
		!is_covered(group, final, &names))
		return FO_SYNC_PROOF_UNCOVERED;
	return FO_SYNC_PROOF_COVERED;
}

/*
 * A primary that this coordinator never saw may or may not have been
 * synchronous: then only hearing everybody leaves nothing out.
 */
FoSyncProof
fo_core_sync_proof(const FoGroupView *group, const FoFinalPosition *final)
{
	const FoPeerView *primary = fo_core_primary(group);
	FoSyncNames names;
	int			i;

	if (primary != NULL && group->is_sync_managed)
		return managed_proof(group, final);
	if (primary == NULL || primary->observed.at == 0)
	{
		for (i = 0; i < group->peers_n; i++)
		{
			if (i != group->primary && !fo_core_is_heard(group, final, i))
				return FO_SYNC_PROOF_UNCOVERED;
		}
		return FO_SYNC_PROOF_NONE;
	}
	fo_core_primary_sync_names(group, &names);
	if (names.method == FO_SYNC_NAMES_NONE)
		return FO_SYNC_PROOF_NONE;
	return is_covered(group, final, &names) ? FO_SYNC_PROOF_COVERED : FO_SYNC_PROOF_UNCOVERED;
}

uint32_t
fo_core_next_timeline(const FoGroupView *group, const FoFinalPosition *final, uint32_t ordered)
{
	uint32_t	newest = ordered;
	int			i;

	for (i = 0; i < group->peers_n; i++)
	{
		const FoPeerView *peer = &group->peers[i];

		if (!fo_core_is_same_system(group, peer))
			continue;
		if (peer->observed.timeline > newest)
			newest = peer->observed.timeline;
		if (final == NULL || !final[i].is_known)
			continue;
		if (final[i].timeline > newest)
			newest = final[i].timeline;
		if (final[i].newest_history > newest)
			newest = final[i].newest_history;
	}
	return newest + 1;
}

bool
fo_core_is_rejoining(const FoObservation *seen)
{
	return seen->rejoin_phase[0] != '\0' && strcmp(seen->rejoin_phase, "none") != 0
		&& strcmp(seen->rejoin_phase, "failed") != 0;
}

int64_t
fo_core_needed_term(const FoGroupView *group)
{
	const FoPeerView *primary = fo_core_primary(group);

	if (primary == NULL || !fo_core_peer_answers(primary) || primary->observed.in_recovery
		|| !primary->observed.has_node_library || primary->observed.fenced_term < group->term
		|| fo_core_is_rejoining(&primary->observed))
		return group->term;
	return primary->observed.fenced_term + 1;
}

FoTime
fo_core_leaseless_from(const FoGroupView *group)
{
	const FoPeerView *primary = fo_core_primary(group);
	FoTime		patience = FO_MS(group->settings.check_interval) * LEASELESS_CHECKS;
	FoTime		since;

	if (primary == NULL || primary->leaseless_since == 0 || !fo_core_peer_answers(primary)
		|| primary->observed.in_recovery)
		return 0;

	/* While it did not answer nobody could give it one. */
	since = primary->leaseless_since > primary->health.first_success_at
		? primary->leaseless_since : primary->health.first_success_at;
	return since + (patience > FO_MS(LEASELESS_MS) ? patience : FO_MS(LEASELESS_MS));
}

bool
fo_core_needs_lease(const FoPeerView *peer)
{
	return peer->observed.at != 0 ? peer->observed.is_armed : peer->was_armed;
}

bool
fo_core_is_primary_seen(const FoPeerView *primary, FoTime since)
{
	const FoObservation *seen = &primary->observed;

	return fo_core_peer_answers(primary) && seen->at > since && !seen->in_recovery
		&& !fo_core_is_rejoining(seen) && (!seen->is_armed || seen->may_commit);
}

bool
fo_core_explain_obstacle(const FoPeerView *peer, FoText *text)
{
	if (peer->is_history_rejected)
		fo_core_text_add(text, "has diverged from the primary's history");
	else if (peer->wal_gone_from != 0)
	{
		fo_core_text_add(text, "needs WAL from ");
		fo_core_text_add_lsn(text, peer->wal_gone_from);
		fo_core_text_add(text, " that the primary no longer has: clone it again");
	}
	else
		return false;
	return true;
}
