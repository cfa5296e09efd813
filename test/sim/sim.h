/*-------------------------------------------------------------------------
 *
 * sim.h
 *		A group of servers, their network and clocks, and one or two
 *		coordinators, all simulated; the decisions are those of src/core.
 *
 * One schedule is one world: a queue of events in order of time, driven by one
 * random generator.  Nothing else is random and nothing reads a clock, so the
 * seed is the schedule.  Who does what:
 *
 *		world.c			time, events, randomness, clocks of hosts, the story
 *		network.c		sessions: ordered, slow, cut one way or both, late
 *		server.c		what matters of PostgreSQL: timelines, WAL as a list of
 *						records, walsenders and walreceivers, synchronous commit,
 *						promotion, crash, restart, rewind
 *		stream.c		walsenders and walreceivers
 *		commit.c		clients that commit
 *		node.c			the node library: gate, lease, heartbeat, renewals
 *		observe.c		a coordinator's sessions and checks, views of peers
 *		coordinate.c	a coordinator's life, verdicts, and what follows from them
 *		operate.c		operations: the step tables of core/operation.h at work
 *		task.c			one command to one peer, until it has worked
 *		steps.c			what each step of an operation does
 *		sync.c			the primary's synchronous_standby_names
 *		faults.c		what goes wrong, and its end
 *		invariants.c	what must hold after every event
 *		mutants.c		planted bugs
 *
 * A WAL position is a count of records; decisions see it times LSN_STEP.  Times
 * are microseconds, of the world unless a name says whose clock it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIM_H
#define SIM_H

#include "model.h"

/* ---- world.c ---- */

extern uint64_t world_random(World *w);
extern int	world_below(World *w, int n);
extern FoTime world_between(World *w, FoTime low, FoTime high);
extern bool world_chance(World *w, int percent);

extern void world_schedule(World *w, FoTime at, EventKind kind, int host, int boot, int a, int b);
extern void world_schedule_message(World *w, FoTime at, const Message *message);
extern void world_begin(World *w, uint64_t seed, Mutant mutant, bool is_telling);
extern void world_run(World *w);

/* What a host's clock shows; and when, in the world's time, it will show that. */
extern FoTime world_clock(const World *w, int host);
extern FoTime world_when(const World *w, int host, FoTime clock);
extern void world_set_rate(World *w, int host, int64_t rate_ppm);

/* A line of the story, if it is told. */
extern void world_tell(World *w, int host, const char *format,...) __attribute__((format(printf, 3, 4)));
extern void world_violate(World *w, bool is_unsafe, const char *format,...) __attribute__((format(printf, 3, 4)));

#define TELL(w, ...) do { if ((w)->is_telling) world_tell((w), __VA_ARGS__); } while (0)

extern int	world_lease_time(World *w);	/* one drawn for the group, ms */

/* ---- network.c ---- */

extern int	network_open(World *w, int from, int to);
extern void network_send(World *w, Message *message);
extern void network_deliver(World *w, const Message *message);
extern Session *network_session(World *w, int id);
extern void network_end(World *w, int session, int from);

/* ---- server.c, stream.c ---- */

extern uint32_t server_timeline(const Server *s);
extern void server_append(World *w, Server *s, int record);
extern int	server_new_record(World *w);
extern void server_start(World *w, Server *s);
extern void server_kill(World *w, Server *s, bool is_orderly, int64_t restart_after);
extern void server_promote(World *w, Server *s);
extern void server_prepare_promotion(World *w, Server *s, uint32_t timeline);
extern uint32_t server_newest_history(const Server *s);
extern bool server_is_sync(const World *w, const Server *s);
extern void server_fetch_histories(Server *s, const Server *primary);
extern void server_demote(World *w, Server *s, int upstream);
extern void server_request_rejoin(World *w, Server *s, int upstream);
extern void server_receive(World *w, Server *s, const Message *message);
extern void server_event(World *w, const Event *event);
extern void stream_receive(World *w, Server *s, const Message *message);
extern void stream_stop_receiver(World *w, Server *s);
extern void stream_receiver_turn(World *w, Server *s);
extern void stream_senders_turn(World *w, Server *s);
extern void stream_push(World *w, Server *s);
extern void stream_reload(World *w, Server *s);

/* ---- node.c, commit.c ---- */

extern bool node_may_commit(const World *w, const Server *s);
extern void node_started(World *w, Server *s);
extern bool node_hear(World *w, Server *s, const Heartbeat *heartbeat);
extern bool node_fence(World *w, Server *s, const Heartbeat *heartbeat);
extern void node_renew_turn(World *w, Server *s);
extern void node_answer(World *w, Server *s, const Message *message);
extern void commit_writer(World *w, Server *s, int boot);
extern void commit_write(World *w, Server *s, int txn);
extern void commit_acknowledge(World *w, Server *s, int txn);
extern void commit_release(World *w, Server *s);

/* ---- observe.c ---- */

extern void observe_start(World *w, Coordinator *c);
extern void observe_check(World *w, Coordinator *c, int peer, int timer);
extern void observe_check_soon(World *w, Coordinator *c, int peer, FoTime delay);
extern void observe_everybody(World *w, Coordinator *c);
extern void observe_receive(World *w, Coordinator *c, const Message *message);
extern void observe_close(World *w, Coordinator *c, int peer);
extern void observe_primary_changed(World *w, Coordinator *c);
extern bool observe_is_confirmed(const World *w, const Coordinator *c);
extern void observe_grant(World *w, Coordinator *c, int peer, Heartbeat *heartbeat);

/* ---- coordinate.c ---- */

extern void coordinator_boot(World *w, Coordinator *c);
extern void coordinator_crash(World *w, Coordinator *c);
extern void coordinator_take_over(World *w, Coordinator *c, const Coordinator *from);
extern bool coordinator_commit(World *w, Coordinator *c);	/* false: it died over it */
extern void coordinator_changed(World *w, Coordinator *c);
extern void coordinator_judge(World *w, Coordinator *c, int timer);
extern void coordinator_freeze_view(World *w, Coordinator *c);
extern void coordinator_switch_over(World *w, Coordinator *c);
extern void coordinator_mended(World *w, Coordinator *c, Task *task, bool is_done, bool is_dead);
extern void coordinator_set(uint32_t *mask, int peer, bool is_set);

/* ---- operate.c, task.c, steps.c ---- */

extern void run_start(World *w, Coordinator *c, FoOperationKind kind, int target);
extern void run_stand_down(Coordinator *c);
extern void run_resume(World *w, Coordinator *c);
extern void run_poke(World *w, Coordinator *c);
extern void run_cancel(World *w, Coordinator *c);
extern void run_advance(World *w, Coordinator *c);
extern void run_fail(World *w, Coordinator *c, const char *why);
extern void run_lease_turn(World *w, Coordinator *c);
extern void steps_plan(World *w, Coordinator *c, const FoStepDef *def);
extern void steps_plan_undo(World *w, Coordinator *c);
extern void steps_ended(World *w, Coordinator *c, Task *task, bool is_done, bool is_dead);
extern Task *task_start(World *w, Coordinator *c, TaskOwner owner, int peer, const Order *order, FoTime timeout);
extern void task_turn(World *w, Coordinator *c, int id);
extern void task_answer(World *w, Coordinator *c, int peer, const Status *status);
extern void task_session_lost(World *w, Coordinator *c, int peer);
extern void task_cancel_all(Coordinator *c, TaskOwner owner);

/* What is asked of servers that are to rejoin gives way to an operation. */
extern void task_cancel_rejoins(Coordinator *c);
extern bool task_any(const Coordinator *c, TaskOwner owner);
extern Task *task_of_peer(Coordinator *c, TaskOwner owner, int peer);

/* ---- terms.c ---- */

extern bool terms_prepare(World *w, Coordinator *c, int peer);	/* false: it died over it */
extern void terms_tell(const Coordinator *c, int peer, Heartbeat *heartbeat);
extern void terms_hear(World *w, Coordinator *c, int peer, const Status *status);
extern void terms_begin(World *w, Coordinator *c);
extern void terms_copy(World *w, const Coordinator *c);
extern void terms_take_copy(const World *w, Coordinator *c);
extern void terms_doubt(World *w, Coordinator *c);
extern FoTime terms_lease_end(const World *w, const Coordinator *c);

/* ---- sync.c ---- */

extern void sync_compose(const World *w, const bool *is_member, Order *order);
extern void sync_freeze_view(const World *w, Coordinator *c);
extern void sync_primary_changed(const World *w, Coordinator *c);
extern bool sync_is_settled(const World *w, const Coordinator *c);
extern void sync_manage(World *w, Coordinator *c);
extern void sync_ended(World *w, Coordinator *c, const Task *task, bool is_done);
extern void sync_cancel(Coordinator *c);

/* ---- faults.c ---- */

extern void faults_plan(World *w);
extern void faults_aim(World *w, int host);
extern void faults_begin(World *w, int fault);
extern void faults_end(World *w, int fault);

/* ---- invariants.c ---- */

extern void invariants_check(World *w);
extern void invariants_at_acknowledgement(World *w, const Server *s, int record);
extern void invariants_at_timeline(World *w, const Server *s, uint32_t timeline);
extern void invariants_at_order(World *w, int candidate);
extern void invariants_at_handover(World *w, int from, int candidate);
extern void invariants_at_choice(World *w, const Coordinator *c, int candidate);
extern void invariants_converged(World *w);

#endif							/* SIM_H */
