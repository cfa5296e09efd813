/*-------------------------------------------------------------------------
 *
 * row.c
 *		Reads single values out of the one-row answers that actions ask for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coordinator/row.h"

bool
fo_coordinator_is_true(const PGresult *result, int column)
{
	return !PQgetisnull(result, 0, column) && PQgetvalue(result, 0, column)[0] == 't';
}

uint32
fo_coordinator_timeline_value(const PGresult *result, int column)
{
	return PQgetisnull(result, 0, column) ? 0 : (uint32) strtoul(PQgetvalue(result, 0, column), NULL, 10);
}

FoLsn
fo_coordinator_lsn_value(const PGresult *result, int column)
{
	uint32		high,
				low;

	if (PQgetisnull(result, 0, column) ||
		sscanf(PQgetvalue(result, 0, column), "%X/%X", &high, &low) != 2)
		return 0;
	return ((FoLsn) high << 32) | low;
}

/* A row of the expected width, or the task fails. */
bool
fo_coordinator_is_row(FoTask *task, const PGresult *result, int columns)
{
	if (PQntuples(result) == 1 && PQnfields(result) == columns)
		return true;
	fo_coordinator_task_explain(task, "unexpected answer");
	return false;
}
