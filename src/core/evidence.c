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

bool
fo_core_is_same_system(const FoGroupView *group, const FoPeerView *peer)
{
	const FoPeerView *primary = fo_core_primary(group);
	uint64_t	system = group->system_identifier;

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
fo_core_is_heard(const FoGroupView *group, const FoFinalPosition *final,
				 uint32_t newest_timeline, int index)
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
		&& timeline > primary->observed.timeline && timeline > newest_timeline)
		return false;
	if (final != NULL)
		return final[index].is_known;
	return fo_core_peer_answers(peer) && peer->observed.in_recovery;
}

void
fo_core_primary_sync_names(const FoGroupView *group, FoSyncNames *names)
{
	const FoPeerView *primary = fo_core_primary(group);

	fo_core_sync_parse(names, primary == NULL ? NULL : primary->observed.sync_names);
	if (primary != NULL && strlen(primary->observed.sync_names) >= FO_SYNC_NAMES_LEN - 1)
		names->method = FO_SYNC_NAMES_INVALID;
}

/*
 * With "*" any standby may have confirmed a commit.  Were there more of them
 * than peers that may answer for it, then an outsider may have been the one.
 */
static bool
has_outsiders(const FoPeerView *primary, const FoSyncNames *names, int standbys_n)
{
	int			i;

	for (i = 0; i < names->names_n; i++)
	{
		if (strcmp(names->names[i], "*") == 0)
			return primary->observed.streaming_standbys > standbys_n;
	}
	return false;
}

/*
 * A primary that this coordinator never saw may or may not have been
 * synchronous: then only hearing everybody leaves nothing out.
 */
FoSyncProof
fo_core_sync_proof(const FoGroupView *group, const FoFinalPosition *final, uint32_t newest_timeline)
{
	const FoPeerView *primary = fo_core_primary(group);
	FoSyncNames names;
	FoSyncCoverage coverage;
	int			standbys_n = 0;
	int			heard_n = 0;
	int			i;

	fo_core_primary_sync_names(group, &names);
	fo_core_sync_cover_begin(&coverage, &names);
	for (i = 0; i < group->peers_n; i++)
	{
		bool		is_heard = fo_core_is_heard(group, final, newest_timeline, i);

		if (i == group->primary)
			continue;
		standbys_n++;
		heard_n += is_heard ? 1 : 0;
		fo_core_sync_cover_add(&coverage, group->peers[i].observed.application_name, is_heard);
	}
	if (primary == NULL || primary->observed.at == 0)
		return heard_n == standbys_n ? FO_SYNC_PROOF_NONE : FO_SYNC_PROOF_UNCOVERED;
	if (names.method == FO_SYNC_NAMES_NONE)
		return FO_SYNC_PROOF_NONE;
	fo_core_sync_cover_self(&coverage, primary->name);
	fo_core_sync_cover_self(&coverage, primary->observed.application_name);
	if (has_outsiders(primary, &names, standbys_n) || !fo_core_sync_cover_ask(&coverage))
		return FO_SYNC_PROOF_UNCOVERED;
	return FO_SYNC_PROOF_COVERED;
}
