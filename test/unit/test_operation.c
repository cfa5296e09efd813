/*-------------------------------------------------------------------------
 *
 * test_operation.c
 *		What is to be said of operations as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "core/operation.h"
#include "unit.h"

TEST("operation: the pauses after failures double up to a bound")
{
	CHECK_INT(fo_core_retry_pause_ms(0), 1000);
	CHECK_INT(fo_core_retry_pause_ms(1), 1000);
	CHECK_INT(fo_core_retry_pause_ms(2), 2000);
	CHECK_INT(fo_core_retry_pause_ms(6), 32000);
	CHECK_INT(fo_core_retry_pause_ms(7), 60000);
	CHECK_INT(fo_core_retry_pause_ms(1000000), 60000);
}
