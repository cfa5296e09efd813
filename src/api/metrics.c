/*-------------------------------------------------------------------------
 *
 * metrics.c
 *		failover_metrics: the coordinator's figures in the form that Prometheus
 *		uses, names, labels and units included.
 *
 * One table for each kind of thing that is measured.  A figure that is not
 * known is left out, as Prometheus wants it; it is never shown as 0.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "api/api.h"
#include "api/summary.h"

PG_FUNCTION_INFO_V1(failover_metrics);

typedef struct GroupSubject
{
	const FoSnapshot *snapshot;
	const FoGroupCopy *group;
	FoGroupSummary out;
} GroupSubject;

typedef struct PeerSubject
{
	const GroupSubject *of;
	const FoPeerSlot *slot;
	const FoPeerView *view;
	const FoCandidate *candidate;
	bool		is_primary;
} PeerSubject;

/* The readers return NAN for what is not known. */
typedef struct GroupMetric
{
	const char *name;
	const char *kind;
	const char *help;
	double		(*read) (const GroupSubject *subject);
} GroupMetric;

typedef struct PeerMetric
{
	const char *name;
	const char *kind;
	const char *help;
	double		(*read) (const PeerSubject *subject);
} PeerMetric;

typedef struct WorkerMetric
{
	const char *name;
	const char *help;
	size_t		offset;			/* of a pg_atomic_uint64 in FoShared */
} WorkerMetric;

/* ---- groups ---- */

static double
group_term(const GroupSubject *subject)
{
	return (double) subject->group->group.view.term;
}

static double
group_peers(const GroupSubject *subject)
{
	return subject->out.summary.peers_total;
}

static double
group_peers_healthy(const GroupSubject *subject)
{
	return subject->snapshot->is_live ? subject->out.summary.peers_healthy : NAN;
}

static double
group_backups(const GroupSubject *subject)
{
	return subject->snapshot->is_live ? subject->out.summary.backups : NAN;
}

static double
group_degraded(const GroupSubject *subject)
{
	return subject->out.summary.reasons_n > 0;
}

static double
group_has_primary(const GroupSubject *subject)
{
	const FoGroupView *view = &subject->group->group.view;

	if (!subject->snapshot->is_live)
		return NAN;
	return view->primary >= 0 && fo_core_peer_answers(&view->peers[view->primary]);
}

static double
group_failover_possible(const GroupSubject *subject)
{
	return subject->snapshot->is_live ? subject->out.summary.is_failover_possible : NAN;
}

static double
group_blocked(const GroupSubject *subject)
{
	return subject->out.summary.blocked_by != FO_BLOCK_NOT;
}

static double
group_operation_running(const GroupSubject *subject)
{
	return subject->group->group.view.is_operation_running;
}

static double
group_last_failover(const GroupSubject *subject)
{
	TimestampTz at = subject->group->group.last_failover_at;

	if (at == 0)
		return NAN;
	return (double) at / USECS_PER_SEC +
		(double) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
}

static const GroupMetric group_metrics[] = {
	{"failover_group_term", "counter", "Term of the group, raised with every change of the primary.", group_term},
	{"failover_group_peers", "gauge", "Registered peers.", group_peers},
	{"failover_group_peers_healthy", "gauge", "Peers whose health is healthy.", group_peers_healthy},
	{"failover_group_backups", "gauge", "Peers that could take over.", group_backups},
	{"failover_group_primary_up", "gauge", "Whether the primary answers.", group_has_primary},
	{"failover_group_degraded", "gauge", "Whether anything is amiss.", group_degraded},
	{"failover_group_failover_possible", "gauge", "Whether there is a peer to fail over to.", group_failover_possible},
	{"failover_group_blocked", "gauge", "Whether something keeps the coordinator from failing over by itself.", group_blocked},
	{"failover_group_operation_running", "gauge", "Whether an operation is running.", group_operation_running},
	{"failover_group_last_failover_timestamp_seconds", "gauge", "When the primary was moved last, in Unix time.", group_last_failover},
};

/* ---- peers ---- */

static double
unless_negative(double value)
{
	return value < 0 ? NAN : value;
}

static double
peer_up(const PeerSubject *subject)
{
	return subject->view->last_attempt_at == 0 ? NAN : fo_core_peer_answers(subject->view);
}

static double
peer_healthy(const PeerSubject *subject)
{
	FoHealth	health = subject->view->health.health;

	return health == FO_HEALTH_UNKNOWN ? NAN : health == FO_HEALTH_HEALTHY;
}

static double
peer_primary(const PeerSubject *subject)
{
	return subject->is_primary;
}

static double
peer_response(const PeerSubject *subject)
{
	return unless_negative(subject->view->health.response_ms) / 1000;
}

static double
peer_baseline(const PeerSubject *subject)
{
	return unless_negative(subject->view->health.baseline_ms) / 1000;
}

static double
peer_success_ratio(const PeerSubject *subject)
{
	return unless_negative(fo_core_health_success_rate(&subject->view->health));
}

static double
peer_suspicion(const PeerSubject *subject)
{
	if (!subject->of->snapshot->is_live)
		return NAN;
	return fo_core_health_suspicion(&subject->view->health, subject->of->group->group.view.now);
}

static double
peer_lag(const PeerSubject *subject)
{
	if (subject->is_primary || subject->candidate == NULL)
		return NAN;
	return unless_negative((double) subject->candidate->lag_bytes);
}

static double
peer_eligible(const PeerSubject *subject)
{
	if (!subject->of->snapshot->is_live || subject->candidate == NULL)
		return NAN;
	return subject->candidate->exclusion == FO_EXCLUDED_NOT;
}

static double
peer_connections(const PeerSubject *subject)
{
	return unless_negative(subject->view->observed.connections);
}

static double
peer_checks(const PeerSubject *subject)
{
	return (double) subject->view->health.checks_total;
}

static double
peer_check_failures(const PeerSubject *subject)
{
	return (double) subject->view->health.failures_total;
}

static double
peer_outages(const PeerSubject *subject)
{
	return (double) subject->slot->outages_total + (subject->slot->down_since != 0 ? 1 : 0);
}

static double
peer_downtime(const PeerSubject *subject)
{
	return (double) fo_api_downtime_us(subject->slot) / USECS_PER_SEC;
}

static const PeerMetric peer_metrics[] = {
	{"failover_peer_up", "gauge", "Whether the peer answered when it was asked last.", peer_up},
	{"failover_peer_healthy", "gauge", "Whether the health of the peer is healthy.", peer_healthy},
	{"failover_peer_primary", "gauge", "Whether the peer is the primary of its group.", peer_primary},
	{"failover_peer_response_seconds", "gauge", "Response time of the last check that succeeded.", peer_response},
	{"failover_peer_baseline_seconds", "gauge", "Usual response time.", peer_baseline},
	{"failover_peer_success_ratio", "gauge", "Share of the latest checks that succeeded.", peer_success_ratio},
	{"failover_peer_suspicion", "gauge", "How unlikely the present silence is for a healthy peer (phi).", peer_suspicion},
	{"failover_peer_lag_bytes", "gauge", "WAL that the standby has not received.", peer_lag},
	{"failover_peer_eligible", "gauge", "Whether the peer could take over.", peer_eligible},
	{"failover_peer_connections", "gauge", "Client connections of the peer.", peer_connections},
	{"failover_peer_checks_total", "counter", "Checks of the peer.", peer_checks},
	{"failover_peer_check_failures_total", "counter", "Checks of the peer that failed.", peer_check_failures},
	{"failover_peer_outages_total", "counter", "Outages of the peer.", peer_outages},
	{"failover_peer_downtime_seconds_total", "counter", "Time for which the peer was down.", peer_downtime},
};

/* ---- the coordinator ---- */

static const WorkerMetric worker_metrics[] = {
	{"failover_checks_total", "Checks of all peers since the server started.", offsetof(FoShared, checks_total)},
	{"failover_check_failures_total", "Checks that failed.", offsetof(FoShared, check_failures_total)},
	{"failover_connects_total", "Connections opened to peers.", offsetof(FoShared, connects_total)},
	{"failover_knocks_total", "Trials of whether a peer takes new connections.", offsetof(FoShared, knocks_total)},
	{"failover_operations_total", "Operations begun.", offsetof(FoShared, operations_total)},
	{"failover_turns_total", "Turns of the coordinator's event loop.", offsetof(FoShared, turns_total)},
};

static void
put_metric(FunctionCallInfo fcinfo, const char *name, const char *labels, double value,
		   const char *kind, const char *help)
{
	FoRow		row = {0};

	if (isnan(value))
		return;
	fo_api_row_text(&row, name);
	fo_api_row_jsonb(&row, labels);
	fo_api_row_float8(&row, value);
	fo_api_row_text(&row, kind);
	fo_api_row_text(&row, help);
	fo_api_row_put(fcinfo, &row);
}

/* {"group": ..., and another one unless key is NULL} */
static char *
make_labels(const char *group, const char *key, const char *value)
{
	StringInfoData json;

	initStringInfo(&json);
	fo_api_json_open(&json);
	fo_api_json_text(&json, "group", group);
	if (key != NULL)
		fo_api_json_text(&json, key, value);
	fo_api_json_close(&json);
	return json.data;
}

static void
put_worker_metrics(FunctionCallInfo fcinfo, const FoSnapshot *snapshot)
{
	int			i;

	put_metric(fcinfo, "failover_coordinator_up", "{}", snapshot->is_live, "gauge",
			   "Whether the coordinator is running.");
	if (fo_shared == NULL)
		return;
	for (i = 0; i < (int) lengthof(worker_metrics); i++)
	{
		const WorkerMetric *metric = &worker_metrics[i];
		pg_atomic_uint64 *counter = (pg_atomic_uint64 *) ((char *) fo_shared + metric->offset);

		put_metric(fcinfo, metric->name, "{}", (double) pg_atomic_read_u64(counter), "counter", metric->help);
	}
}

static void
put_peer_metrics(FunctionCallInfo fcinfo, const GroupSubject *of, int index)
{
	const char *group_name = of->group->group.view.name;
	PeerSubject subject = {0};
	char	   *labels;
	int			i;

	subject.of = of;
	subject.slot = &of->group->peers[index];
	subject.view = &of->group->views[index];
	subject.is_primary = index == of->group->group.view.primary;
	subject.candidate = fo_core_find_candidate(of->out.candidates, of->group->peers_n, index);
	labels = make_labels(group_name, "peer", subject.view->name);
	for (i = 0; i < (int) lengthof(peer_metrics); i++)
		put_metric(fcinfo, peer_metrics[i].name, labels, peer_metrics[i].read(&subject),
				   peer_metrics[i].kind, peer_metrics[i].help);
}

static void
put_group_metrics(FunctionCallInfo fcinfo, const FoSnapshot *snapshot, const FoGroupCopy *group)
{
	GroupSubject subject = {0};
	char	   *labels = make_labels(group->group.view.name, NULL, NULL);
	int			i;

	subject.snapshot = snapshot;
	subject.group = group;
	fo_api_summarize(snapshot, group, &subject.out);
	for (i = 0; i < (int) lengthof(group_metrics); i++)
		put_metric(fcinfo, group_metrics[i].name, labels, group_metrics[i].read(&subject),
				   group_metrics[i].kind, group_metrics[i].help);
	for (i = 0; i < FO_GROUP_STATES_N; i++)
		put_metric(fcinfo, "failover_group_state",
				   make_labels(group->group.view.name, "state", fo_core_group_state_name(i)),
				   subject.out.summary.state == (FoGroupState) i, "gauge",
				   "1 for the state that the group is in, 0 for the others.");
	for (i = 0; i < group->peers_n; i++)
		put_peer_metrics(fcinfo, &subject, i);
}

Datum
failover_metrics(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name_or_null(fcinfo, 0, "group_name");
	FoSnapshot	snapshot;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	fo_api_snapshot(group_name, &snapshot);
	if (group_name == NULL)
		put_worker_metrics(fcinfo, &snapshot);
	for (i = 0; i < snapshot.groups_n; i++)
		put_group_metrics(fcinfo, &snapshot, &snapshot.groups[i]);
	return (Datum) 0;
}
