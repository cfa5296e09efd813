/*-------------------------------------------------------------------------
 *
 * commit.c
 *		Clients that commit on whatever server takes it.
 *
 * A transaction passes the gate at PRE_COMMIT, later writes its commit record,
 * waits for synchronous standbys, and passes the gate again when the client is
 * told.  The host may freeze, and the postmaster may die, between any two of
 * these.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "sim.h"

/* No client begins where the log is nearly full. */
#define LOG_RESERVE 200

/* Does this process still run, as a server or as an orphan? */
static bool
is_running(const World *w, const Server *s)
{
	return s->process == PROCESS_UP || (s->process == PROCESS_DOWN && s->orphans_until > w->now);
}

void
commit_writer(World *w, Server *s, int boot)
{
	if (s->is_standby || !is_running(w, s))
		return;
	world_schedule(w, w->now + world_between(w, FO_MS(30), FO_MS(150)), EV_WRITER, s->index, boot, 0, 0);
	if (!node_may_commit(w, s) || s->position > LOG_MAX - LOG_RESERVE)
		return;
	for (int i = 0; i < TXNS_MAX; i++)
	{
		if (s->txns[i].state != TXN_NONE)
			continue;
		s->txns[i] = (Txn) {.state = TXN_CHECKED};
		world_schedule(w, w->now + world_between(w, 50, world_chance(w, 90) ? FO_MS(4) : FO_MS(200)),
					   EV_TXN_WRITE, s->index, boot, i, 0);
		return;
	}
}

/* Enough synchronous standbys have it. */
static bool
is_replicated(const World *w, const Server *s, const Txn *txn)
{
	int			n = 0;

	for (int i = 0; i < w->peers_n; i++)
	{
		if ((s->sync_mask & (1u << i)) != 0 && s->senders[i].session != 0 && s->senders[i].flushed > txn->position)
			n++;
	}
	return n >= s->sync_k;
}

/* Whoever has waited long enough is released. */
void
commit_release(World *w, Server *s)
{
	for (int i = 0; i < TXNS_MAX; i++)
	{
		Txn		   *txn = &s->txns[i];
		int			boot = s->process == PROCESS_UP ? s->boot : s->boot - 1;

		if (txn->state != TXN_WAITING || (server_is_sync(w, s) && !is_replicated(w, s, txn)))
			continue;
		txn->state = TXN_RELEASED;
		txn->is_sync = s->sync_k > 0;
		world_schedule(w, w->now + world_between(w, 20, world_chance(w, 90) ? FO_MS(1) : FO_MS(20)),
					   EV_TXN_ACK, s->index, boot, i, 0);
	}
}

void
commit_write(World *w, Server *s, int index)
{
	Txn		   *txn = &s->txns[index];

	if (!is_running(w, s) || txn->state != TXN_CHECKED || s->is_standby)
		return;
	txn->record = server_new_record(w);
	txn->position = s->position;
	txn->state = TXN_WAITING;
	server_append(w, s, txn->record);
	w->commits[txn->record].by = s->index;
	w->commits[txn->record].position = txn->position;
	stream_push(w, s);
	commit_release(w, s);
}

void
commit_acknowledge(World *w, Server *s, int index)
{
	Txn		   *txn = &s->txns[index];
	Commit	   *commit = &w->commits[txn->record];

	if (txn->state != TXN_RELEASED)
		return;
	txn->state = TXN_NONE;
	if (!node_may_commit(w, s) && w->mutant != MUTANT_NO_RECHECK)
	{
		TELL(w, s->index, "does not acknowledge %d: its lease is over", txn->record);
		return;
	}
	commit->is_acknowledged = true;
	commit->is_sync = txn->is_sync;
	commit->at = w->now;
	w->acknowledged_n++;
	invariants_at_acknowledgement(w, s, txn->record);
}
