/*-------------------------------------------------------------------------
 *
 * summary.c
 *		One look at a group for people and monitoring.
 *
 * What counts as degraded: whatever makes the group serve worse than it was
 * set up to, or survive one failure less.  What a DBA chose does not count: a
 * peer in maintenance, one that may not be promoted, a delayed standby.
 *
 *-------------------------------------------------------------------------
 */
#include "core/summary.h"

#include <string.h>

#include "core/evidence.h"
#include "core/text.h"

static const char *const state_names[FO_GROUP_STATES_N] = {
	[FO_GROUP_UNKNOWN] = "unknown",
	[FO_GROUP_HEALTHY] = "healthy",
	[FO_GROUP_DEGRADED] = "degraded",
	[FO_GROUP_FAILOVER_IN_PROGRESS] = "failover_in_progress",
	[FO_GROUP_FAILOVER_COMPLETE] = "failover_complete",
	[FO_GROUP_RECOVERY_IN_PROGRESS] = "recovery_in_progress",
};

static const char *const redundancy_names[FO_REDUNDANCY_N] = {
	[FO_REDUNDANCY_NONE] = "none",
	[FO_REDUNDANCY_SINGLE] = "single",
	[FO_REDUNDANCY_DUAL] = "dual",
	[FO_REDUNDANCY_MULTI] = "multi",
};

static const char *const block_names[FO_BLOCK_N] = {
	[FO_BLOCK_NOT] = NULL,
	[FO_BLOCK_COORDINATOR] = "coordinator",
	[FO_BLOCK_SUPERSEDED] = "superseded",
	[FO_BLOCK_OPERATION] = "operation",
	[FO_BLOCK_PAUSE] = "pause",
	[FO_BLOCK_MAINTENANCE] = "maintenance",
	[FO_BLOCK_CLOCK] = "clock",
	[FO_BLOCK_ATTEMPTS] = "attempts",
	[FO_BLOCK_PERIOD] = "block_period",
	[FO_BLOCK_UNCONFIRMED] = "unconfirmed",
	[FO_BLOCK_RETRY] = "retry",
	[FO_BLOCK_CONSISTENCY] = "consistency",
	[FO_BLOCK_AUTO_FAILOVER] = "auto_failover",
};

const char *
fo_core_group_state_name(FoGroupState state)
{
	return state_names[state];
}

const char *
fo_core_redundancy_name(FoRedundancy redundancy)
{
	return redundancy_names[redundancy];
}

const char *
fo_core_block_name(FoBlock block)
{
	return block_names[block];
}

/* Room for one more reason in text, or false if only a count of them is kept from here on. */
static bool
begin_reason(FoSummary *summary, FoText *text)
{
	summary->reasons_n++;
	if (summary->reasons_n > FO_SUMMARY_REASONS_MAX)
		return false;
	fo_core_text_begin(text, summary->reasons[summary->reasons_n - 1], FO_SENTENCE_LEN);
	return true;
}

static void
add_reason(FoSummary *summary, const char *sentence)
{
	FoText		text;

	if (begin_reason(summary, &text))
		fo_core_text_add(&text, sentence);
}

/* Writes: noun "name" verb detail; detail may be NULL. */
static void
add_peer_reason(FoSummary *summary, const char *noun, const FoPeerView *peer, const char *verb, const char *detail)
{
	FoText		text;

	if (!begin_reason(summary, &text))
		return;
	fo_core_text_add(&text, noun);
	fo_core_text_add(&text, " \"");
	fo_core_text_add(&text, peer->name);
	fo_core_text_add(&text, "\" ");
	fo_core_text_add(&text, verb);
	if (detail != NULL)
		fo_core_text_add(&text, detail);
}

/* More reasons than room: the last place tells how many are not shown. */
static void
end_reasons(FoSummary *summary)
{
	FoText		text;
	int32_t		hidden = summary->reasons_n - FO_SUMMARY_REASONS_MAX + 1;

	if (summary->reasons_n <= FO_SUMMARY_REASONS_MAX)
		return;
	summary->reasons_n = FO_SUMMARY_REASONS_MAX;
	fo_core_text_begin(&text, summary->reasons[FO_SUMMARY_REASONS_MAX - 1], FO_SENTENCE_LEN);
	fo_core_text_add(&text, "and ");
	fo_core_text_add_integer(&text, hidden);
	fo_core_text_add(&text, " more");
}

static const FoCandidate *
candidate_of(const FoSummaryInput *input, int32_t peer)
{
	return fo_core_find_candidate(input->candidates, input->group->peers_n, peer);
}

/* Says why it is not well; false, and nothing said, if it answers as it should. */
static bool
explain_silence(FoSummary *summary, const char *noun, const FoPeerView *peer)
{
	char		detail[FO_NAME_LEN];
	FoText		text;

	if (fo_core_peer_answers(peer))
		return false;
	if (peer->last_attempt_at == 0)
	{
		add_peer_reason(summary, noun, peer, "has not been checked yet", NULL);
		return true;
	}
	fo_core_text_begin(&text, detail, sizeof(detail));
	fo_core_text_add(&text, " (");
	fo_core_text_add(&text, fo_core_error_class_name(peer->error));
	fo_core_text_add(&text, ")");
	add_peer_reason(summary, noun, peer, "does not answer", peer->error == FO_ERROR_NONE ? NULL : detail);
	return true;
}

static void
explain_primary(FoSummary *summary, const FoGroupView *group)
{
	const FoPeerView *primary;
	FoTime		leaseless_from = fo_core_leaseless_from(group);

	if (group->primary < 0)
	{
		add_reason(summary, "no primary is known");
		return;
	}
	primary = &group->peers[group->primary];
	if (explain_silence(summary, "primary", primary))
		return;
	if (group->kind == FO_KIND_STREAMING && primary->observed.in_recovery)
		add_peer_reason(summary, "primary", primary, "is in recovery", NULL);
	if (primary->is_fenced)
		add_peer_reason(summary, "primary", primary, "is fenced", NULL);
	if (primary->connect_failing_since != 0)
		add_peer_reason(summary, "primary", primary, "takes no new connections", NULL);
	if (primary->write_failing_since != 0)
		add_peer_reason(summary, "primary", primary, "cannot write", NULL);
	if (leaseless_from != 0 && leaseless_from <= group->now)
		add_peer_reason(summary, "primary", primary, "holds no lease and refuses commits", !primary->observed.has_node_library ?
						": the extension is gone there, or no longer fits; create it, or call failover_node_release() there" :
						!group->is_unconfirmed ? NULL :
						": too few standbys have taken this coordinator's term; failover_acknowledge() says that no other one has taken over");
	else if (primary->observed.is_armed && !primary->observed.has_node_library)
		add_peer_reason(summary, "primary", primary, "commits by lease, and cannot be asked or granted one: the extension is gone there, or no longer fits", NULL);
	if (primary->health.is_slow)
		add_peer_reason(summary, "primary", primary, "answers slowly", NULL);
	else if (primary->health.health == FO_HEALTH_UNHEALTHY || primary->health.health == FO_HEALTH_DEGRADED)
		add_peer_reason(summary, "primary", primary, "is ", fo_core_health_name(primary->health.health));
}

/* Is this what the DBA wanted, and so nothing to complain of? */
static bool
is_chosen(FoExclusion exclusion)
{
	return exclusion == FO_EXCLUDED_NOT || exclusion == FO_EXCLUDED_NOT_PROMOTABLE ||
		exclusion == FO_EXCLUDED_MAINTENANCE || exclusion == FO_EXCLUDED_DELAYED;
}

/* Can it not follow?  Why is written to sentence, of FO_SENTENCE_LEN. */
static bool
is_lost(const FoPeerView *peer, char *sentence)
{
	FoText		text;

	fo_core_text_begin(&text, sentence, FO_SENTENCE_LEN);
	return fo_core_explain_obstacle(peer, &text);
}

static void
explain_standby(FoSummary *summary, const FoSummaryInput *input, int32_t index)
{
	char		obstacle[FO_SENTENCE_LEN];
	const FoPeerView *peer = &input->group->peers[index];
	const FoCandidate *candidate = candidate_of(input, index);

	if (peer->is_in_maintenance)
		return;
	if (peer->is_fenced)
	{
		add_peer_reason(summary, "peer", peer, "is fenced: it was the primary, and has not come back as a standby", NULL);
		return;
	}
	if (explain_silence(summary, input->group->primary < 0 ? "peer" : "standby", peer))
		return;
	if (peer->is_counted_there && candidate != NULL)
		add_peer_reason(summary, "peer", peer, candidate->reason, NULL);
	else if (input->group->kind == FO_KIND_STREAMING && !peer->observed.in_recovery &&
		strcmp(peer->observed.rejoin_phase, "failed") == 0)
		add_peer_reason(summary, "peer", peer, "takes no writes, and could not become a standby: ",
						peer->observed.rejoin_report);
	else if (input->group->kind == FO_KIND_STREAMING && !peer->observed.in_recovery)
		add_peer_reason(summary, "peer", peer, "is out of recovery beside the primary", peer->is_stranger ?
						", and was never seen as a standby of the group: failover_rejoin() would replace its data, failover_unregister() takes it out" :
						peer->observed.is_armed && !peer->observed.may_commit ? ", without the lease: it takes no writes" : NULL);
	else if (candidate != NULL && !is_chosen(candidate->exclusion))
		add_peer_reason(summary, "standby", peer, candidate->reason, NULL);
	else if (is_lost(peer, obstacle))
		add_peer_reason(summary, "standby", peer, obstacle, NULL);
	else if (peer->health.is_slow)
		add_peer_reason(summary, "standby", peer, "answers slowly", NULL);
	else if (peer->health.health != FO_HEALTH_HEALTHY)
		add_peer_reason(summary, "standby", peer, "is ", fo_core_health_name(peer->health.health));
}

/* Writes: before number between total after. */
static void
add_count_reason(FoSummary *summary, const char *before, int32_t number, const char *between, int64_t total,
				 const char *after)
{
	FoText		text;

	if (!begin_reason(summary, &text))
		return;
	fo_core_text_add(&text, before);
	fo_core_text_add_integer(&text, number);
	fo_core_text_add(&text, between);
	fo_core_text_add_integer(&text, total);
	fo_core_text_add(&text, after);
}

/* A set that is smaller than what was asked for, or that commits wait for. */
static void
explain_sync_set(FoSummary *summary, const FoGroupView *group)
{
	const FoPeerView *primary = fo_core_primary(group);
	FoSyncNames names;

	if (!group->is_sync_managed || primary == NULL || !fo_core_peer_answers(primary) || primary->observed.in_recovery)
		return;
	fo_core_primary_sync_names(group, &names);
	if (names.method == FO_SYNC_NAMES_NONE)
		add_reason(summary, "no standby confirms commits: what is acknowledged now is on the primary alone");
	else if (names.required < group->settings.sync_standbys)
		add_count_reason(summary, "commits wait for ", names.required, " of the ", group->settings.sync_standbys,
						 " standbys that sync_standbys asks for");
	if (primary->observed.sync_standbys < names.required && primary->observed.is_privileged)
		add_count_reason(summary, "commits may hang: ", primary->observed.sync_standbys, " of the ", names.required,
						 " synchronous standbys that must confirm them stream");
}

/*
 * What the rules find amiss that nothing above has a word for.  Gates (from 100
 * on) are mostly what a DBA chose or what passes; those that are neither block.
 */
static void
explain_verdict(FoSummary *summary, const FoVerdict *verdict)
{
	if (verdict == NULL || summary->reasons_n > 0 || verdict->kind == FO_VERDICT_UNKNOWN ||
		verdict->kind == FO_VERDICT_NONE || verdict->rule >= FO_RULE_GATES)
		return;
	add_reason(summary, verdict->reason);
}

static void
explain(FoSummary *summary, const FoSummaryInput *input)
{
	int32_t		i;

	if (input->unknown_reason != NULL)
		add_reason(summary, input->unknown_reason);
	else if (input->group->peers_n == 0)
		add_reason(summary, "no peer is registered");
	else
	{
		explain_primary(summary, input->group);
		explain_sync_set(summary, input->group);
		for (i = 0; i < input->group->peers_n; i++)
		{
			if (i != input->group->primary)
				explain_standby(summary, input, i);
		}
		if (input->group->peers_n == 1)
			add_reason(summary, "there is no standby");
		else if (input->eligible == 0)
			add_reason(summary, "no standby could take over");
		explain_verdict(summary, input->verdict);
	}
	end_reasons(summary);
}

static void
count_peers(FoSummary *summary, const FoSummaryInput *input)
{
	const FoGroupView *group = input->group;
	int32_t		serving = 0;
	int32_t		i;

	summary->peers_total = group->peers_n;
	if (input->unknown_reason != NULL)
		return;
	for (i = 0; i < group->peers_n; i++)
	{
		const FoPeerView *peer = &group->peers[i];

		if (i == group->primary && fo_core_peer_answers(peer) && peer->health.health != FO_HEALTH_UNHEALTHY)
			serving++;
		if (peer->health.health != FO_HEALTH_HEALTHY)
			continue;
		summary->peers_healthy++;
		if (i != group->primary && !peer->is_in_maintenance && !peer->is_fenced &&
			(group->kind == FO_KIND_SERVICE || peer->observed.in_recovery))
			summary->standbys_healthy++;
	}
	summary->backups = input->eligible;
	serving += input->eligible;
	summary->redundancy = serving < FO_REDUNDANCY_MULTI ? (FoRedundancy) serving : FO_REDUNDANCY_MULTI;
	if (input->eligible > 0)
		summary->candidate = input->candidates[0].peer;
}

/* After a failover: is somebody on the way back? */
static bool
is_recovering(const FoSummaryInput *input)
{
	int32_t		i;

	for (i = 0; i < input->group->peers_n; i++)
	{
		const FoPeerView *peer = &input->group->peers[i];
		const FoCandidate *candidate = candidate_of(input, i);

		if (i == input->group->primary || peer->is_in_maintenance)
			continue;
		if (peer->error == FO_ERROR_STARTING_UP)
			return true;
		if (fo_core_peer_answers(peer) && peer->observed.in_recovery &&
			candidate != NULL && !is_chosen(candidate->exclusion))
			return true;
	}
	return false;
}

bool
fo_core_is_complete(const FoGroupView *group)
{
	int32_t		i;

	for (i = 0; i < group->peers_n; i++)
	{
		const FoPeerView *peer = &group->peers[i];

		if (!peer->is_in_maintenance && (!fo_core_peer_answers(peer) || peer->is_fenced))
			return false;
	}
	return true;
}

static FoGroupState
judge_state(const FoSummary *summary, const FoSummaryInput *input)
{
	const FoGroupView *group = input->group;

	if (input->unknown_reason != NULL)
		return FO_GROUP_UNKNOWN;
	if (group->is_operation_running)
		return input->operation == FO_OPERATION_REJOIN ? FO_GROUP_RECOVERY_IN_PROGRESS : FO_GROUP_FAILOVER_IN_PROGRESS;
	if (group->primary < 0 || group->peers[group->primary].last_attempt_at == 0)
		return FO_GROUP_UNKNOWN;
	if (!input->is_redundancy_restored)
		return is_recovering(input) ? FO_GROUP_RECOVERY_IN_PROGRESS : FO_GROUP_FAILOVER_COMPLETE;
	return summary->reasons_n > 0 ? FO_GROUP_DEGRADED : FO_GROUP_HEALTHY;
}

/* Would a failover be held now for what might be lost?  Whether a silent primary can be stopped shows only when it is silent. */
static bool
is_consistency_at_stake(const FoSummaryInput *input)
{
	const FoGroupView *group = input->group;

	return group->settings.prefer == FO_PREFER_CONSISTENCY && group->kind == FO_KIND_STREAMING && group->primary >= 0 &&
		(fo_core_sync_proof(group, NULL) == FO_SYNC_PROOF_UNCOVERED ||
		 (input->verdict != NULL && input->verdict->rule == FO_RULE_UNFENCEABLE));
}

/* In the order of the decision table's gates, but for consistency, which comes last. */
static FoBlock
find_block(const FoSummaryInput *input, bool is_at_stake)
{
	const FoGroupView *group = input->group;

	if (input->unknown_reason != NULL)
		return FO_BLOCK_COORDINATOR;
	if (group->newer_term != 0)
		return FO_BLOCK_SUPERSEDED;
	if (group->is_paused)
		return FO_BLOCK_PAUSE;
	if (group->clock_jump_until > group->now)
		return FO_BLOCK_CLOCK;
	if (group->is_operation_running)
		return FO_BLOCK_OPERATION;
	if (group->primary >= 0 && group->peers[group->primary].is_in_maintenance)
		return FO_BLOCK_MAINTENANCE;
	if (!group->settings.auto_failover)
		return FO_BLOCK_AUTO_FAILOVER;
	if (group->recent_failovers >= group->settings.max_attempts)
		return FO_BLOCK_ATTEMPTS;
	if (group->blocked_until > group->now)
		return FO_BLOCK_PERIOD;
	if (group->is_unconfirmed)
		return FO_BLOCK_UNCONFIRMED;
	if (group->retry_at > group->now)
		return FO_BLOCK_RETRY;
	return is_at_stake ? FO_BLOCK_CONSISTENCY : FO_BLOCK_NOT;
}

void
fo_core_summarize(const FoSummaryInput *input, FoSummary *summary)
{
	bool		is_at_stake = is_consistency_at_stake(input);

	memset(summary, 0, sizeof(*summary));
	summary->candidate = -1;
	count_peers(summary, input);
	explain(summary, input);
	summary->state = judge_state(summary, input);
	summary->blocked_by = find_block(input, is_at_stake);
	summary->is_failover_possible = summary->candidate >= 0 && summary->blocked_by != FO_BLOCK_SUPERSEDED &&
		!is_at_stake;
}
