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

/* Do the heard standbys hold every commit that was acknowledged under these names? */
static bool
is_covered(const FoGroupView *group, const FoFinalPosition *final, uint32_t newest_timeline,
		   const FoSyncNames *names)
{
	const FoPeerView *primary = fo_core_primary(group);
	FoSyncCoverage coverage;
	int			i;

	fo_core_sync_cover_begin(&coverage, names);
	for (i = 0; i < group->peers_n; i++)
	{
		if (i != group->primary)
			fo_core_sync_cover_add(&coverage, group->peers[i].observed.application_name,
								   fo_core_is_heard(group, final, newest_timeline, i));
	}
	fo_core_sync_cover_self(&coverage, primary->name);
	fo_core_sync_cover_self(&coverage, primary->observed.application_name);
	return !has_outsiders(primary, names, group->peers_n - 1) && fo_core_sync_cover_ask(&coverage);
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
managed_proof(const FoGroupView *group, const FoFinalPosition *final, uint32_t newest_timeline)
{
	FoSyncNames names;

	fo_core_primary_sync_names(group, &names);
	if (!is_covered(group, final, newest_timeline, &names))
		return FO_SYNC_PROOF_UNCOVERED;
	fo_core_former_sync_names(group, &names);
	if (!is_covered(group, final, newest_timeline, &names))
		return FO_SYNC_PROOF_UNCOVERED;
	if (is_setting_foreign(group, fo_core_primary(group), &names) &&
		!is_covered(group, final, newest_timeline, &names))
		return FO_SYNC_PROOF_UNCOVERED;
	return FO_SYNC_PROOF_COVERED;
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
	int			i;

	if (primary != NULL && group->is_sync_managed)
		return managed_proof(group, final, newest_timeline);
	if (primary == NULL || primary->observed.at == 0)
	{
		for (i = 0; i < group->peers_n; i++)
		{
			if (i != group->primary && !fo_core_is_heard(group, final, newest_timeline, i))
				return FO_SYNC_PROOF_UNCOVERED;
		}
		return FO_SYNC_PROOF_NONE;
	}
	fo_core_primary_sync_names(group, &names);
	if (names.method == FO_SYNC_NAMES_NONE)
		return FO_SYNC_PROOF_NONE;
	return is_covered(group, final, newest_timeline, &names) ? FO_SYNC_PROOF_COVERED : FO_SYNC_PROOF_UNCOVERED;
}
