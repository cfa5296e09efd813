/*-------------------------------------------------------------------------
 *
 * faults.c
 *		What goes wrong: a few faults of a schedule, each with a beginning and
 *		an end, and a moment by which all is well again.
 *
 * More often than not a fault hits the primary of the moment.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

#define FIRST_FAULT_US FO_MS(1200)
#define LAST_FAULT_US FO_MS(5000)

enum
{
	FAULT_KILL = 0,
	FAULT_STOP,
	FAULT_POWER,
	FAULT_PAUSE,
	FAULT_CUT_OFF,				/* a server from everybody */
	FAULT_CUT_OFF_IN,
	FAULT_CUT_OFF_OUT,
	FAULT_CUT_COORDINATOR,		/* a server from the coordinators */
	FAULT_CUT_COORDINATOR_IN,
	FAULT_CUT_COORDINATOR_OUT,
	FAULT_CUT_PAIR,				/* two servers */
	FAULT_CUT_PAIR_ONE_WAY,
	FAULT_SPLIT,				/* the hosts into two parts */
	FAULT_SLOW,
	FAULT_CLOCK,
	FAULT_COORDINATOR_CRASH,
	FAULT_COORDINATOR_CRASH_LATER,	/* at one of its next commits */
	FAULT_COORDINATOR_PAUSE,
	FAULT_SWITCHOVER,			/* no faults, these: somebody asks for it */
	FAULT_LEASE_TIME,			/* another one is set */
	FAULT_UNLIST,				/* a peer is not to renew leases for a while */
	FAULT_TAKE_OVER,
	FAULT_N
};

static const char *const fault_names[FAULT_N] = {
	"is killed", "is shut down", "loses power", "freezes", "is cut off", "hears nobody", "is heard by nobody",
	"is cut off from the coordinators", "does not hear the coordinators", "is not heard by the coordinators",
	"is cut off from a peer", "is not heard by a peer", "is in one half of the network", "has a slow network",
	"has another clock rate", "is to crash", "is to crash at a commit", "freezes", "is asked to switch over",
	"is set another lease time", "is to let one peer renew no leases", "is to be taken over"
};

static bool
is_cut_kind(int kind)
{
	return kind >= FAULT_CUT_OFF && kind <= FAULT_SPLIT;
}

static void
cut(World *w, int from, int to)
{
	w->is_cut[from][to] = true;
}

static void
apply_cut(World *w, const Fault *fault)
{
	int			target = fault->target;

	for (int i = 0; i < HOSTS_MAX; i++)
	{
		bool		is_coordinator = i >= PEERS_MAX;

		if (i == target)
			continue;
		if (fault->kind == FAULT_CUT_OFF || fault->kind == FAULT_CUT_OFF_IN
			|| (is_coordinator && (fault->kind == FAULT_CUT_COORDINATOR || fault->kind == FAULT_CUT_COORDINATOR_IN)))
			cut(w, i, target);
		if (fault->kind == FAULT_CUT_OFF || fault->kind == FAULT_CUT_OFF_OUT
			|| (is_coordinator && (fault->kind == FAULT_CUT_COORDINATOR || fault->kind == FAULT_CUT_COORDINATOR_OUT)))
			cut(w, target, i);
		if (i == fault->other && (fault->kind == FAULT_CUT_PAIR || fault->kind == FAULT_CUT_PAIR_ONE_WAY))
			cut(w, target, i);
		if (i == fault->other && fault->kind == FAULT_CUT_PAIR)
			cut(w, i, target);
		for (int j = 0; j < HOSTS_MAX && fault->kind == FAULT_SPLIT; j++)
		{
			if (((fault->other >> i) & 1) != ((fault->other >> j) & 1))
				cut(w, i, j);
		}
	}
}

static void
apply_cuts(World *w)
{
	memset(w->is_cut, 0, sizeof(w->is_cut));
	for (int i = 0; i < w->faults_n; i++)
	{
		const Fault *fault = &w->faults[i];

		if (is_cut_kind(fault->kind) && fault->from <= w->now && w->now < fault->until && !w->is_healed)
			apply_cut(w, fault);
	}
}

/* ---- the beginning of a fault ---- */

static void
choose_target(World *w, Fault *fault)
{
	int			target = fault->target;

	fault->target = world_below(w, w->peers_n);
	for (int i = 0; i < w->peers_n; i++)
	{
		if (world_chance(w, 55) && !w->servers[i].is_standby)
			fault->target = i;
	}
	do
		fault->other = world_below(w, w->peers_n);
	while (fault->other == fault->target);
	if (fault->kind == FAULT_SPLIT)
		fault->other = world_below(w, 1 << HOSTS_MAX);
	if (fault->kind >= FAULT_COORDINATOR_CRASH)
		fault->target = COORDINATOR_HOST(w->coordinators[1].disk.term != 0 && world_chance(w, 60) ? 1 : 0);
	if (fault->kind == FAULT_CLOCK || fault->kind == FAULT_SLOW)
		fault->target = world_chance(w, 30) ? COORDINATOR_HOST(0) : fault->target;
	if (fault->is_aimed)
		fault->target = target;
}

static int64_t
draw_restart(World *w)
{
	return world_chance(w, 60) ? world_between(w, FO_MS(5), FO_MS(2500)) : -1;
}

static void
take_over(World *w)
{
	Coordinator *old = &w->coordinators[0];

	if (w->coordinators[1].disk.term != 0 || !old->is_alive)
		return;
	coordinator_crash(w, old);
	coordinator_take_over(w, &w->coordinators[1], old);
}

void
faults_begin(World *w, int index)
{
	Fault	   *fault = &w->faults[index];
	Server	   *s;
	Coordinator *c;

	if (w->is_healed)
		return;
	choose_target(w, fault);
	s = fault->target < PEERS_MAX ? &w->servers[fault->target] : NULL;
	c = fault->target < PEERS_MAX ? NULL : &w->coordinators[fault->target - PEERS_MAX];
	TELL(w, fault->target, "%s, for %lld ms", fault_names[fault->kind], (long long) (fault->until - w->now) / 1000);
	switch (fault->kind)
	{
		case FAULT_KILL:
		case FAULT_STOP:
			server_kill(w, s, fault->kind == FAULT_STOP, draw_restart(w));
			break;
		case FAULT_POWER:
			w->hosts[s->index].is_off = true;
			server_kill(w, s, false, -1);
			break;
		case FAULT_PAUSE:
		case FAULT_COORDINATOR_PAUSE:
			w->hosts[fault->target].paused_until = fault->until;
			break;
		case FAULT_SLOW:
			w->hosts[fault->target].delay_until = fault->until;
			break;
		case FAULT_CLOCK:
			world_set_rate(w, fault->target, world_between(w, -45000, 45000));
			break;
		case FAULT_COORDINATOR_CRASH:
			coordinator_crash(w, c);
			break;
		case FAULT_COORDINATOR_CRASH_LATER:
			c->commits_until_crash = world_below(w, 6);
			c->is_crash_before_commit = world_chance(w, 50);
			break;
		case FAULT_SWITCHOVER:
			coordinator_switch_over(w, c);
			break;
		case FAULT_LEASE_TIME:
			w->settings.lease_time = world_lease_time(w);
			faults_aim(w, fault->target);
			break;
		case FAULT_UNLIST:
			w->unlisted |= 1u << fault->other;
			faults_aim(w, fault->target);
			break;
		case FAULT_TAKE_OVER:
			take_over(w);
			break;
		default:
			apply_cuts(w);
			faults_aim(w, COORDINATOR_HOST(w->coordinators[1].disk.term != 0 ? 1 : 0));
			break;
	}
}

/* ---- the end ---- */

static void
start_server(World *w, Server *s)
{
	w->hosts[s->index].is_off = false;
	if (s->process == PROCESS_DOWN)
		world_schedule(w, w->now + 1, EV_RESTART, s->index, s->boot, 0, 0);
}

/* All is well again; what is down is started. */
static void
heal(World *w)
{
	TELL(w, -1, "--- the faults are over");
	w->is_healed = true;
	w->acknowledged_at_heal = w->acknowledged_n;
	memset(w->is_cut, 0, sizeof(w->is_cut));
	for (int i = 0; i < w->peers_n; i++)
		start_server(w, &w->servers[i]);
	for (int i = 0; i < COORDINATORS_N; i++)
		w->coordinators[i].commits_until_crash = -1;
	world_schedule(w, w->now + FO_MS(100), EV_CONVERGED, -1, 0, 0, 0);
}

void
faults_end(World *w, int index)
{
	const Fault *fault;

	if (index < 0)
	{
		heal(w);
		return;
	}
	fault = &w->faults[index];
	if (fault->kind == FAULT_POWER)
		start_server(w, &w->servers[fault->target]);
	if (fault->kind == FAULT_UNLIST)
		w->unlisted = 0;
	apply_cuts(w);
}

/*
 * Something delicate is about to happen on that host, or by it: now and then
 * that is the moment for one more fault.
 */
void
faults_aim(World *w, int host)
{
	static const int on_server[] = {FAULT_KILL, FAULT_PAUSE, FAULT_CUT_OFF, FAULT_CUT_COORDINATOR, FAULT_CUT_OFF_OUT, FAULT_POWER};
	static const int on_coordinator[] = {FAULT_COORDINATOR_CRASH, FAULT_COORDINATOR_CRASH_LATER, FAULT_COORDINATOR_PAUSE};
	Fault		fault = {.target = host, .is_aimed = true};

	if (w->is_healed || w->faults_n == FAULTS_MAX || !world_chance(w, 15))
		return;
	fault.kind = host < PEERS_MAX ? on_server[world_below(w, 6)] : on_coordinator[world_below(w, 3)];
	fault.from = w->now + world_between(w, 1, world_chance(w, 50) ? FO_MS(10) : FO_MS(500));
	fault.until = fault.from + world_between(w, FO_MS(50), FO_MS(1500));
	if (fault.until >= w->healed_at)
		return;
	world_schedule(w, fault.from, EV_FAULT, -1, 0, w->faults_n, 0);
	world_schedule(w, fault.until, EV_FAULT_END, -1, 0, w->faults_n, 0);
	w->faults[w->faults_n++] = fault;
}

/* ---- the plan ---- */

void
faults_plan(World *w)
{
	static const int rare[] = {FAULT_STOP, FAULT_SLOW, FAULT_CLOCK};
	static const int frequent[] = {FAULT_KILL, FAULT_PAUSE, FAULT_CUT_OFF, FAULT_CUT_COORDINATOR, FAULT_SPLIT, FAULT_CUT_PAIR};

	w->has_successor = world_chance(w, 20);

	w->faults_n = 1 + world_below(w, 8);
	for (int i = 0; i < w->faults_n; i++)
	{
		Fault	   *fault = &w->faults[i];

		fault->kind = world_chance(w, 50) ? frequent[world_below(w, 6)] : world_below(w, FAULT_TAKE_OVER);
		for (int j = 0; j < (int) (sizeof(rare) / sizeof(rare[0])); j++)
		{
			if (fault->kind == rare[j] && world_chance(w, 50))
				fault->kind = FAULT_KILL + 3 * world_below(w, 2);
		}
		if (world_chance(w, 10))
			fault->kind = FAULT_SWITCHOVER;
		else if (world_chance(w, 12))
			fault->kind = world_chance(w, 50) ? FAULT_LEASE_TIME : FAULT_UNLIST;
		if (w->has_successor && i == w->faults_n / 2)
			fault->kind = FAULT_TAKE_OVER;
		fault->from = w->now + world_between(w, FIRST_FAULT_US, LAST_FAULT_US);
		fault->until = fault->from + world_between(w, FO_MS(50), world_chance(w, 50) ? FO_MS(700) : FO_MS(4000));
		if (fault->until > w->healed_at)
			w->healed_at = fault->until;
		world_schedule(w, fault->from, EV_FAULT, -1, 0, i, 0);
		world_schedule(w, fault->until, EV_FAULT_END, -1, 0, i, 0);
	}
	w->healed_at += 1;
	world_schedule(w, w->healed_at, EV_FAULT_END, -1, 0, -1, 0);
}
