/*-------------------------------------------------------------------------
 *
 * survey.c
 *		Asks the peers of a group for facts about themselves.
 *
 * failover_preflight has them asked and judges what is published in the backend
 * that wants to know (core/preflight.h); a planned move is judged by what was
 * heard a moment before.  Peers that have no session are not waited for: that
 * they do not answer is a finding by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/sources.h"
#include "coordinator/survey.h"
#include "net/survey.h"
#include "shared/shared.h"

/* Nobody is waited for longer than this after the peers' own deadline. */
#define SLACK_US FO_MS(500)

/* So long what the peers have said of themselves is taken for true. */
#define FRESH_US FO_MS(10000)

typedef struct Survey
{
	bool		is_used;
	FoTime		asked_at;
	FoTime		deadline;
	FoTimer		timer;
	char		group[FO_NAME_LEN];
} Survey;

static Survey surveys[FO_REQUESTS_MAX];

static FoPeerFacts *
facts_of(FoPeer *peer)
{
	if (peer->facts == NULL)
		peer->facts = MemoryContextAllocZero(peer->cxt, sizeof(FoPeerFacts));
	return peer->facts;
}

static void
note_silence(FoPeer *peer)
{
	fo_core_facts_init(facts_of(peer));
	peer->facts->at = fo_net_now();
	peer->group->is_publish_needed = true;
	fo_coordinator_touch(peer->group);
}

static void
surveyed(void *arg, const PGresult *result, const FoNetError *error, int64 rtt_us)
{
	FoPeer	   *peer = arg;

	if (result == NULL)
	{
		note_silence(peer);
		return;
	}
	fo_net_survey_read(result, fo_net_now(), facts_of(peer));
	fo_coordinator_put_sources(peer);
	peer->group->is_publish_needed = true;
	fo_coordinator_touch(peer->group);
}

static void
wake_up(void *arg)
{
	/* Nothing to do: the loop turns, and answer_surveys looks at the deadline. */
}

/* When nobody is waited for any more. */
static FoTime
deadline(const FoGroup *group, FoTime asked_at)
{
	return asked_at + FO_MS(group->cfg.settings.check_timeout) + FO_MS(FO_SOURCES_TIMEOUT_MS) + SLACK_US;
}

/*
 * What they are, and whom they could follow.  Before a planned move only the primary
 * tries that: it has to follow, and who lets it in lets others in as a rule.
 */
static void
ask(FoGroup *group, bool is_everybody_trying)
{
	int64		timeout_ms = group->cfg.settings.check_timeout;
	const FoPeer *primary = fo_coordinator_primary(group);

	group->surveyed_at = fo_net_now();
	for (int i = 0; i < group->peers_n; i++)
	{
		FoPeer	   *peer = group->peers[i];

		if (peer->link != NULL && fo_net_link_is_ready(peer->link))
			fo_net_survey_call(peer->link, timeout_ms, surveyed, peer);
		else
			note_silence(peer);
		if ((is_everybody_trying || peer == primary) && fo_core_peer_answers(&peer->view))
			fo_coordinator_try_sources(peer);
	}
}

void
fo_coordinator_begin_survey(FoGroup *group, int slot, bool is_everybody_trying)
{
	Survey	   *survey = &surveys[slot];

	ask(group, is_everybody_trying);
	survey->is_used = true;
	survey->asked_at = group->surveyed_at;
	survey->deadline = deadline(group, survey->asked_at);
	strlcpy(survey->group, group->cfg.name, sizeof(survey->group));
	survey->timer.callback = wake_up;
	fo_net_loop_arm(group->world->loop, &survey->timer, survey->deadline);
}

/* Has every peer that the group has now answered since, or failed to? */
static bool
have_answered(const FoGroup *group, FoTime asked_at)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		const FoPeerFacts *facts = group->peers[i]->facts;

		if (facts == NULL || facts->at < asked_at)
			return false;
	}
	return true;
}

bool
fo_coordinator_is_surveyed(FoGroup *group)
{
	FoTime		now = fo_net_now();
	const FoPeer *primary = fo_coordinator_primary(group);

	if (group->surveyed_at == 0 || now - group->surveyed_at > FRESH_US)
		ask(group, false);
	return (have_answered(group, group->surveyed_at) && (primary == NULL || !fo_coordinator_is_trying_sources(primary))) ||
		now >= deadline(group, group->surveyed_at);
}

static bool
have_tried(const FoGroup *group)
{
	for (int i = 0; i < group->peers_n; i++)
	{
		if (fo_coordinator_is_trying_sources(group->peers[i]))
			return false;
	}
	return true;
}

static bool
is_complete(FoWorld *world, const Survey *survey)
{
	const FoGroup *group = fo_coordinator_find_group(world, survey->group);

	return group == NULL || (have_answered(group, survey->asked_at) && have_tried(group));
}

void
fo_coordinator_answer_surveys(FoWorld *world)
{
	for (int slot = 0; slot < FO_REQUESTS_MAX; slot++)
	{
		Survey	   *survey = &surveys[slot];
		FoRequest	answer = {0};

		if (!survey->is_used || (!is_complete(world, survey) && fo_net_now() < survey->deadline))
			continue;
		fo_net_loop_disarm(world->loop, &survey->timer);
		survey->is_used = false;
		fo_shared_request_finish(slot, &answer);
	}
}
