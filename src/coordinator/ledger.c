/*-------------------------------------------------------------------------
 *
 * ledger.c
 *		Operations on their way into the tables and the published snapshot.
 *
 * What is dirty is written by record.c's flush, ended operations first; an
 * ended one is answered for and freed once all of it is written and its
 * background steps are done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "coordinator/record.h"
#include "coordinator/report.h"
#include "coordinator/run.h"
#include "shared/shared.h"

void
fo_coordinator_run_describe(const FoGroup *group, int64 *event_id, FoOperationKind *kind, char *step)
{
	const FoRun *run = group->run;

	*event_id = 0;
	step[0] = '\0';
	if (run == NULL)
		return;
	*event_id = run->row.event_id;
	*kind = run->row.kind;
	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->row.status == FO_STEP_RUNNING || step[0] == '\0')
			strlcpy(step, fo_core_step_name(run->steps[i]->row.kind), FO_NAME_LEN);
	}
}

static bool
is_run_dirty(const FoRun *run)
{
	if (run->is_dirty)
		return true;
	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->is_dirty)
			return true;
	}
	return false;
}

bool
fo_coordinator_run_is_dirty(const FoGroup *group)
{
	if (group->run != NULL && is_run_dirty(group->run))
		return true;
	for (const FoRun *run = group->ended; run != NULL; run = run->next)
	{
		if (is_run_dirty(run))
			return true;
	}
	return false;
}

static void
write_run(FoRun *run)
{
	if (run->row.event_id == 0)
	{
		run->row.event_id = fo_catalog_next_event_id();
		if (run->request >= 0)
			fo_shared_request_serve(run->request, run->row.event_id);
	}
	if (run->is_dirty)
		fo_catalog_write_operation(&run->row);
	if (run->is_dirty && run->row.trigger == FO_TRIGGER_SCHEDULED)
		fo_catalog_forget_planned(run->row.event_id);
	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->is_dirty)
			fo_catalog_write_step(run->row.event_id, &run->steps[i]->row);
	}
}

/* Ended ones first: at most one operation of a group may be in progress in the table. */
void
fo_coordinator_run_write(FoGroup *group)
{
	for (FoRun *run = group->ended; run != NULL; run = run->next)
		write_run(run);
	if (group->run != NULL)
		write_run(group->run);
}

/* Only now may its number be given away: what is not committed nobody can look up. */
static void
mark_written(FoRun *run)
{
	run->is_dirty = false;
	for (int i = 0; i < run->steps_n; i++)
		run->steps[i]->is_dirty = false;
	if (run->request >= 0 && !run->is_told_begun)
		fo_shared_request_begun(run->request);
	run->is_told_begun = true;
}

static bool
has_tasks(const FoRun *run)
{
	for (int i = 0; i < run->steps_n; i++)
	{
		if (run->steps[i]->task != NULL)
			return true;
	}
	return false;
}

void
fo_coordinator_run_written(FoGroup *group)
{
	FoRun	  **link = &group->ended;

	if (group->run != NULL)
		mark_written(group->run);
	while (*link != NULL)
	{
		FoRun	   *run = *link;

		mark_written(run);
		fo_coordinator_report_answer(run);
		if (has_tasks(run))
		{
			link = &run->next;
			continue;
		}
		*link = run->next;
		MemoryContextDelete(run->cxt);
	}
}
