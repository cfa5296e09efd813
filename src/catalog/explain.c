/*-------------------------------------------------------------------------
 *
 * explain.c
 *		Sentences on what keeps a group from being acted on, for the details and
 *		hints of refusals.
 *
 * The coordinator refuses requests and the functions that change the
 * configuration refuse for themselves: who reads either is told the same.
 * Everything returned is palloc'd; nothing here reads a table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"

char *
fo_catalog_explain_operation(const FoOperationRow *row)
{
	/* A running one gets its number with its first commit. */
	if (row->event_id == 0)
		return psprintf("A %s, begun by \"%s\", is in progress since %s.", fo_core_operation_name(row->kind),
						row->initiated_by, timestamptz_to_str(row->started_at));
	return psprintf("Event " INT64_FORMAT ", a %s begun by \"%s\", is in progress since %s.", row->event_id,
					fo_core_operation_name(row->kind), row->initiated_by, timestamptz_to_str(row->started_at));
}

char *
fo_catalog_operation_hint(const FoOperationRow *row)
{
	if (row->event_id == 0)
		return pstrdup("Wait until it has ended; the view failover_timeline shows its steps.");
	return psprintf("Wait until it has ended; the view failover_timeline shows its steps,"
					" and failover_cancel(" INT64_FORMAT ") stops it, if that is still possible.", row->event_id);
}

/* "It was paused", say, and what is known of that. */
static char *
explain_hold(const char *what, TimestampTz until, const FoHold *hold)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, what);
	/* An UPDATE by hand says nothing of these. */
	if (hold->by[0] != '\0')
		appendStringInfo(&text, " by \"%s\"", hold->by);
	if (hold->since != 0)
		appendStringInfo(&text, " at %s", timestamptz_to_str(hold->since));
	if (until == DT_NOEND)
		appendStringInfoString(&text, ", without an end");
	else
		appendStringInfo(&text, ", until %s", timestamptz_to_str(until));
	if (hold->reason[0] != '\0')
		appendStringInfo(&text, ", for the reason \"%s\".", hold->reason);
	else
		appendStringInfoString(&text, "; no reason was given.");
	return text.data;
}

char *
fo_catalog_explain_pause(const FoGroupConfig *group)
{
	return explain_hold("It was paused", group->paused_until, &group->pause);
}

char *
fo_catalog_explain_maintenance(const FoPeerConfig *peer)
{
	return explain_hold(psprintf("Maintenance of peer \"%s\" was begun", peer->name), peer->maintenance_until,
						&peer->maintenance);
}
