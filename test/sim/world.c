/*-------------------------------------------------------------------------
 *
 * world.c
 *		Time, events, randomness, the clocks of hosts, the story.
 *
 * The queue is a binary heap by (time, order of insertion).  An event of a
 * process whose boot has changed meanwhile is dropped; one of a frozen process
 * happens shortly after the thaw, in no particular order, as the processes of
 * a thawed host run in none.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define QUEUE_SIZE 8192
#define MESSAGES_SIZE 4096
#define PPM 1000000

/* The longest schedule there is, however it goes. */
#define WORLD_END FO_MS(60000)

/* Events of a thawed host are spread over this time. */
#define THAW_US 3000

static const char *const host_names[HOSTS_MAX] = {"a", "b", "c", "d", "e", "coordinator 1", "coordinator 2"};

/* ---- randomness: xorshift64* ---- */

uint64_t
world_random(World *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * UINT64_C(0x2545F4914F6CDD1D);
}

int
world_below(World *w, int n)
{
	return (int) ((world_random(w) >> 33) % (uint64_t) n);
}

FoTime
world_between(World *w, FoTime low, FoTime high)
{
	return low + (FoTime) ((world_random(w) >> 20) % (uint64_t) (high - low + 1));
}

bool
world_chance(World *w, int percent)
{
	return world_below(w, 100) < percent;
}

/* ---- clocks ---- */

FoTime
world_clock(const World *w, int host)
{
	const Host *h = &w->hosts[host];
	FoTime		elapsed = w->now - h->world_base;

	return h->clock_base + elapsed + elapsed * h->rate_ppm / PPM;
}

FoTime
world_when(const World *w, int host, FoTime clock)
{
	const Host *h = &w->hosts[host];
	FoTime		elapsed = clock - h->clock_base;

	return h->world_base + elapsed * PPM / (PPM + h->rate_ppm) + 1;
}

void
world_set_rate(World *w, int host, int64_t rate_ppm)
{
	w->hosts[host].clock_base = world_clock(w, host);
	w->hosts[host].world_base = w->now;
	w->hosts[host].rate_ppm = rate_ppm;
}

/* ---- the queue ---- */

static bool
is_before(const Event *a, const Event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void
push(World *w, const Event *event)
{
	int			i = w->queue_n++;

	if (w->queue_n >= QUEUE_SIZE)
	{
		fprintf(stderr, "seed %llu: too many events\n", (unsigned long long) w->seed);
		abort();
	}
	for (; i > 0 && is_before(event, &w->queue[(i - 1) / 2]); i = (i - 1) / 2)
		w->queue[i] = w->queue[(i - 1) / 2];
	w->queue[i] = *event;
}

static Event
pop(World *w)
{
	Event		first = w->queue[0];
	Event		last = w->queue[--w->queue_n];
	int			i = 0;

	for (;;)
	{
		int			child = 2 * i + 1;

		if (child >= w->queue_n)
			break;
		if (child + 1 < w->queue_n && is_before(&w->queue[child + 1], &w->queue[child]))
			child++;
		if (!is_before(&w->queue[child], &last))
			break;
		w->queue[i] = w->queue[child];
		i = child;
	}
	w->queue[i] = last;
	return first;
}

void
world_schedule(World *w, FoTime at, EventKind kind, int host, int boot, int a, int b)
{
	Event		event = {at > w->now ? at : w->now + 1, w->events_n++, kind, host, boot, a, b, -1};

	push(w, &event);
}

void
world_schedule_message(World *w, FoTime at, const Message *message)
{
	Event		event = {at > w->now ? at : w->now + 1, w->events_n++, EV_MESSAGE, message->to, 0, 0, 0, -1};

	if (w->free_messages_n == 0)
	{
		fprintf(stderr, "seed %llu: too many messages\n", (unsigned long long) w->seed);
		abort();
	}
	event.message = w->free_messages[--w->free_messages_n];
	w->messages[event.message] = *message;
	push(w, &event);
}

/* ---- the story ---- */

void
world_tell(World *w, int host, const char *format,...)
{
	va_list		args;

	printf("%9.3f ms  %-14s ", (double) w->now / 1000, host < 0 ? "" : host_names[host]);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* The first violation ends the schedule. */
void
world_violate(World *w, bool is_unsafe, const char *format,...)
{
	va_list		args;

	if (w->violation[0] != '\0')
		return;
	va_start(args, format);
	w->is_unsafe = is_unsafe;
	vsnprintf(w->violation, sizeof(w->violation), format, args);
	va_end(args);
	w->is_over = true;
	TELL(w, -1, "*** %s", w->violation);
}

/* ---- the loop ---- */

static void
mix(World *w, uint64_t value)
{
	w->hash = (w->hash ^ value) * UINT64_C(1099511628211);
}

/* An event of a coordinator's process. */
static void
coordinator_event(World *w, const Event *event)
{
	Coordinator *c = &w->coordinators[event->host - PEERS_MAX];

	if (event->kind == EV_BOOT)
	{
		if (c->is_alive || event->boot != c->boot)
			return;
		/* The former one returns when its successor is known, not before. */
		if (c->index == 0 && w->coordinators[1].disk.term != 0 && !w->is_succession_known)
			world_schedule(w, w->now + FO_MS(100), EV_BOOT, event->host, event->boot, 0, 0);
		else
			coordinator_boot(w, c);
		return;
	}
	if (!c->is_alive || event->boot != c->boot)
		return;
	switch (event->kind)
	{
		case EV_CHECK:
			observe_check(w, c, event->a, event->b);
			break;
		case EV_TASK:
			task_turn(w, c, event->a);
			break;
		case EV_JUDGE:
			coordinator_judge(w, c, event->a);
			break;
		case EV_LEASE:
			run_lease_turn(w, c);
			break;
		default:
			break;
	}
}

/* Does the host's process stand still, so that this waits for the thaw? */
static bool
is_deferred(World *w, const Event *event)
{
	FoTime		thaw;
	Event		later = *event;

	if (event->host < 0 || event->kind == EV_MESSAGE || event->kind == EV_RESTART || event->kind == EV_BOOT)
		return false;
	thaw = w->hosts[event->host].paused_until;
	if (thaw <= w->now)
		return false;
	later.at = thaw + world_between(w, 1, THAW_US);
	later.order = w->events_n++;
	push(w, &later);
	return true;
}

static void
dispatch(World *w, const Event *event)
{
	switch (event->kind)
	{
		case EV_MESSAGE:
			{
				Message		message = w->messages[event->message];

				w->free_messages[w->free_messages_n++] = event->message;
				mix(w, (uint64_t) message.kind << 32 | (uint32_t) message.session);
				network_deliver(w, &message);
			}
			break;
		case EV_FAULT:
			faults_begin(w, event->a);
			break;
		case EV_FAULT_END:
			faults_end(w, event->a);
			break;
		case EV_CONVERGED:
			invariants_converged(w);
			break;
		default:
			if (event->host >= PEERS_MAX)
				coordinator_event(w, event);
			else
				server_event(w, event);
			break;
	}
}

void
world_run(World *w)
{
	while (!w->is_over)
	{
		Event		event = pop(w);

		w->now = event.at;
		if (is_deferred(w, &event))
			continue;
		mix(w, (uint64_t) event.at);
		mix(w, (uint64_t) event.kind << 32 | (uint32_t) (event.host + 1));
		dispatch(w, &event);
		invariants_check(w);
		if (w->now > WORLD_END)
			world_violate(w, false, "the schedule does not end");
	}
	mix(w, w->random);
}

/* ---- the beginning ---- */

static void
begin_hosts(World *w)
{
	for (int i = 0; i < HOSTS_MAX; i++)
	{
		Host	   *host = &w->hosts[i];

		host->world_base = w->now;
		host->clock_base = world_between(w, 1, FO_MS(100000000));
		host->rate_ppm = world_between(w, -45000, 45000);
	}
}

int
world_lease_time(World *w)
{
	static const int lease_times[] = {600, 1000, 2500};

	return lease_times[world_chance(w, 15) ? 2 : world_below(w, 2)];
}

static void
begin_settings(World *w)
{
	static FoSettings defaults;
	FoSettings *settings = &w->settings;

	if (defaults.check_interval == 0)
		fo_core_settings_init(&defaults);
	*settings = defaults;
	settings->check_interval = 200;
	settings->check_timeout = 400;
	settings->failure_threshold = 2 + world_below(w, 2);
	settings->lease_time = world_lease_time(w);
	w->patience = FO_MS(world_between(w, 100, 1000));
	settings->block_period = 0;
	settings->startup_timeout = 3000;
	settings->promote_timeout = 1200;
	settings->rejoin_backoff = 300;
	settings->rejoin_attempts = 1000;
	settings->write_check = false;
	settings->strategy = world_below(w, FO_STRATEGY_N);
	settings->sync_mode = world_below(w, 3);
	settings->sync_standbys = 1;
	settings->max_attempts = 3;
	if (settings->sync_mode == FO_SYNC_OFF && world_chance(w, 30))
		settings->prefer = FO_PREFER_AVAILABILITY;
}

/* The first server is the primary, the others follow it. */
static void
begin_servers(World *w)
{
	bool		is_member[PEERS_MAX] = {false};
	Order		order = {.sync_k = 0};
	int			sync_k = 0;

	if (w->settings.sync_mode != FO_SYNC_OFF)
	{
		w->settings.sync_standbys = w->peers_n > 3 && world_chance(w, 50) ? 2 : 1;
		for (int i = 1; i < w->peers_n; i++)
			is_member[i] = true;
		sync_compose(w, is_member, &order);
		sync_k = order.sync_k;
	}
	for (int i = 0; i < w->peers_n; i++)
	{
		Server	   *s = &w->servers[i];

		s->index = i;
		s->process = PROCESS_DOWN;
		s->is_standby = i > 0;
		s->history.n = 1;
		s->history.entries[0] = (TimelineBegin) {1, 0};
		s->upstream = i > 0 ? 0 : -1;
		s->rejoin_upstream = -1;
		s->fenced_term = -1;
		s->owner = -1;
		s->restart_after = -1;
		s->sync_k = i > 0 ? 0 : sync_k;
		s->sync_mask = i > 0 || sync_k == 0 ? 0 : order.sync_mask;
		if (i == 0)
			memcpy(s->sync_names, order.sync_names, sizeof(s->sync_names));
		server_start(w, s);
	}
}

static void
begin_coordinators(World *w)
{
	for (int i = 0; i < COORDINATORS_N; i++)
	{
		Coordinator *c = &w->coordinators[i];

		c->index = i;
		c->commits_until_crash = -1;
	}
	w->coordinators[0].disk = (Durable) {.term = 1, .primary = -1};
	coordinator_boot(w, &w->coordinators[0]);
}

void
world_begin(World *w, uint64_t seed, Mutant mutant, bool is_telling)
{
	Event	   *queue = w->queue ? w->queue : malloc(sizeof(Event) * QUEUE_SIZE);
	Message    *messages = w->messages ? w->messages : malloc(sizeof(Message) * MESSAGES_SIZE);
	int		   *free_messages = w->free_messages ? w->free_messages : malloc(sizeof(int) * MESSAGES_SIZE);

	if (queue == NULL || messages == NULL || free_messages == NULL)
		abort();
	memset(w, 0, sizeof(*w));
	w->queue = queue;
	w->messages = messages;
	w->free_messages = free_messages;
	for (int i = 0; i < MESSAGES_SIZE; i++)
		free_messages[i] = i;
	w->free_messages_n = MESSAGES_SIZE;
	w->seed = seed;
	w->random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
	w->hash = UINT64_C(14695981039346656037);
	w->mutant = mutant;
	w->is_telling = is_telling;
	w->now = FO_MS(1);
	for (int i = 0; i < 8; i++)
		(void) world_random(w);

	w->peers_n = world_chance(w, 50) ? 3 : 4 - 2 * world_chance(w, 15);
	w->records_n = 1;
	begin_settings(w);
	begin_hosts(w);
	begin_servers(w);
	begin_coordinators(w);
	faults_plan(w);
}
