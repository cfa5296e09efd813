/*-------------------------------------------------------------------------
 *
 * operations.c
 *		Reading operations back, above all those that a coordinator left
 *		unfinished.
 *
 * Called when the worker starts.  What a peer really did is not believed
 * from these rows; they say what was intended, and the executor looks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/memutils.h"

#include "catalog/internal.h"
#include "catalog/rows.h"

/* What read_operation reads, by number. */
#define COLUMNS \
	"event_id, group_name, kind, trigger, from_peer, to_peer, reason," \
	" initiated_by, term, rule, forced, target, started_at, finished_at," \
	" detection_ms, decision_ms, fence_ms, promote_ms, repoint_ms, total_ms," \
	" lost_bytes, attempts, error, status"
#define COLUMN_SNAPSHOT 25		/* beside them */

static FoTrigger
parse_trigger(const char *word)
{
	int			trigger = fo_core_trigger_parse(word);

	return trigger >= 0 ? trigger : FO_TRIGGER_MANUAL;	/* only shown: nothing is decided by it */
}

static FoOperationStatus
parse_status(const char *word)
{
	for (int status = 0; status <= FO_OPERATION_CANCELLED; status++)
	{
		if (strcmp(word, fo_core_operation_status_name(status)) == 0)
			return status;
	}
	return FO_OPERATION_FAILED;	/* the table's CHECK allows no other word */
}

/* All but the snapshot.  False if the operation is of a kind that this version does not know. */
static bool
read_operation(uint64 row, FoOperationRow *operation)
{
	int			kind = fo_core_operation_parse(fo_catalog_column_text(row, 3));

	operation->event_id = fo_catalog_column_bigint(row, 1, 0);
	if (kind < 0)
	{
		ereport(WARNING,
				(errmsg("operation " INT64_FORMAT " is not resumed: its kind is not known",
						operation->event_id)));
		return false;
	}

	operation->kind = kind;
	operation->trigger = parse_trigger(fo_catalog_column_text(row, 4));
	operation->status = parse_status(fo_catalog_column_text(row, 24));
	fo_catalog_column_copy(row, 2, operation->group_name, sizeof(operation->group_name));
	fo_catalog_column_copy(row, 5, operation->from_peer, sizeof(operation->from_peer));
	fo_catalog_column_copy(row, 6, operation->to_peer, sizeof(operation->to_peer));
	fo_catalog_column_copy(row, 7, operation->reason, sizeof(operation->reason));
	fo_catalog_column_copy(row, 8, operation->initiated_by, sizeof(operation->initiated_by));
	operation->term = fo_catalog_column_bigint(row, 9, 0);
	operation->rule = fo_catalog_column_int(row, 10);
	operation->is_forced = fo_catalog_column_bool(row, 11);
	fo_catalog_column_copy(row, 12, operation->target, sizeof(operation->target));
	operation->snapshot = NULL;
	operation->started_at = fo_catalog_column_time(row, 13);
	operation->finished_at = fo_catalog_column_time(row, 14);
	operation->detection_ms = fo_catalog_column_ms(row, 15);
	operation->decision_ms = fo_catalog_column_ms(row, 16);
	operation->fence_ms = fo_catalog_column_ms(row, 17);
	operation->promote_ms = fo_catalog_column_ms(row, 18);
	operation->repoint_ms = fo_catalog_column_ms(row, 19);
	operation->total_ms = fo_catalog_column_ms(row, 20);
	operation->lost_bytes = fo_catalog_column_bigint(row, 21, -1);
	operation->attempts = fo_catalog_column_int(row, 22);
	fo_catalog_column_copy(row, 23, operation->error, sizeof(operation->error));
	return true;
}

/* False if the step is of a kind that this version does not know. */
static bool
read_step(uint64 row, FoStepRow *step)
{
	int			kind = fo_core_step_parse(fo_catalog_column_text(row, 2));
	int			status = fo_core_step_status_parse(fo_catalog_column_text(row, 4));

	step->step_no = fo_catalog_column_int(row, 1);
	if (kind < 0 || status < 0)
		return false;

	step->kind = kind;
	step->status = status;
	fo_catalog_column_copy(row, 3, step->peer_name, sizeof(step->peer_name));
	step->started_at = fo_catalog_column_time(row, 5);
	step->finished_at = fo_catalog_column_time(row, 6);
	step->duration_ms = fo_catalog_column_ms(row, 7);
	fo_catalog_column_copy(row, 8, step->detail, sizeof(step->detail));
	return true;
}

static void
load_steps(MemoryContext cxt, FoOperationRecord *record)
{
	FoParams	params = {0};
	uint64		rows;

	fo_catalog_add_bigint(&params, record->operation.event_id, false);
	rows = fo_catalog_execute("SELECT step_no, step, peer_name, status, started_at, finished_at, duration_ms, detail"
							  " FROM %s.failover_step WHERE event_id = $1 ORDER BY step_no",
							  params.n, params.types, params.values, params.nulls, true);

	record->steps = MemoryContextAllocZero(cxt, mul_size(Max(rows, 1), sizeof(FoStepRow)));
	for (uint64 row = 0; row < rows; row++)
	{
		FoStepRow  *step = &record->steps[record->steps_n];

		if (read_step(row, step))
			record->steps_n++;
		else
			ereport(WARNING,
					(errmsg("step %d of operation " INT64_FORMAT " is ignored: its words are not known",
							step->step_no, record->operation.event_id)));
	}
}

FoOperationRecord *
fo_catalog_load_operations(MemoryContext cxt, int *n)
{
	FoOperationRecord *records;
	uint64		rows;

	rows = fo_catalog_execute("SELECT " COLUMNS ", snapshot::text FROM %s.failover_operation WHERE status = 'in_progress' ORDER BY event_id",
							  0, NULL, NULL, NULL, true);

	records = MemoryContextAllocExtended(cxt, mul_size(Max(rows, 1), sizeof(FoOperationRecord)),
										 MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE);
	*n = 0;
	for (uint64 row = 0; row < rows; row++)
	{
		char	   *snapshot = fo_catalog_column_text(row, COLUMN_SNAPSHOT);

		if (!read_operation(row, &records[*n].operation))
			continue;
		if (snapshot)
			records[*n].operation.snapshot = MemoryContextStrdup(cxt, snapshot);
		(*n)++;
	}

	for (int i = 0; i < *n; i++)
		load_steps(cxt, &records[i]);
	return records;
}

void
fo_catalog_close_steps(void)
{
	(void) fo_catalog_execute("UPDATE %s.failover_step SET status = 'skipped', finished_at = pg_catalog.now(),"
							  "  detail = 'interrupted by a restart of the coordinator'"
							  " WHERE (event_id, step_no) IN (SELECT s.event_id, s.step_no"
							  "  FROM %s.failover_step s JOIN %s.failover_operation o USING (event_id)"
							  "  WHERE s.status IN ('pending', 'running') AND o.status <> 'in_progress'"
							  "  FOR UPDATE OF s SKIP LOCKED)",
							  0, NULL, NULL, NULL, false);
}

bool
fo_catalog_find_operation(int64 event_id, FoOperationRow *row)
{
	FoParams	params = {0};
	uint64		rows;

	fo_catalog_add_bigint(&params, event_id, false);
	rows = fo_catalog_execute("SELECT " COLUMNS " FROM %s.failover_operation WHERE event_id = $1",
							  params.n, params.types, params.values, params.nulls, true);
	return rows == 1 && read_operation(0, row);
}
