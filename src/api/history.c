/*-------------------------------------------------------------------------
 *
 * history.c
 *		failover_history: the latest operations.
 *
 * The view of the same name does the work; a row type of its own keeps view
 * and function the same for ever.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "catalog/rows.h"

PG_FUNCTION_INFO_V1(failover_history);

/* A group that was dropped is known by what it has done; 42704 for one that never was, or did nothing. */
static void
require_known(const char *group_name)
{
	FoParams	params = {0};

	fo_catalog_add_name(&params, group_name);
	if (fo_catalog_write("SELECT FROM %s.failover_group WHERE group_name = $1"
						 " UNION ALL SELECT FROM %s.failover_operation WHERE group_name = $1 LIMIT 1", &params) == 0)
		fo_api_refuse_group(group_name);
}

Datum
failover_history(PG_FUNCTION_ARGS)
{
	char	   *group_name = fo_api_arg_name_or_null(fcinfo, 0, "group_name");
	int32		max_rows = PG_ARGISNULL(1) ? PG_INT32_MAX : fo_api_arg_natural(fcinfo, 1, "max_rows");
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	FoParams	params = {0};

	InitMaterializedSRF(fcinfo, 0);
	fo_catalog_connect();
	if (group_name != NULL)
		require_known(group_name);
	fo_catalog_add_name(&params, group_name);
	fo_catalog_add_int(&params, max_rows);
	(void) fo_catalog_write("SELECT * FROM %s.failover_history WHERE $1 IS NULL OR group_name = $1 LIMIT $2", &params);
	fo_catalog_rows_to_store(result->setResult);
	fo_catalog_disconnect();
	return (Datum) 0;
}
