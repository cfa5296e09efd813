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

TEST("operation: attempts to bring a peer back become rare, but do not end")
{
	CHECK_INT(fo_core_rejoin_pause_ms(1, 3, 5000), 5000);
	CHECK_INT(fo_core_rejoin_pause_ms(2, 3, 5000), 10000);
	CHECK_INT(fo_core_rejoin_pause_ms(3, 3, 5000), 60000);
	CHECK_INT(fo_core_rejoin_pause_ms(4, 3, 5000), 120000);
	CHECK_INT(fo_core_rejoin_pause_ms(7, 3, 5000), 600000);
	CHECK_INT(fo_core_rejoin_pause_ms(1000000, 3, 5000), 600000);
	CHECK_INT(fo_core_rejoin_pause_ms(1, 1, 0), 60000);
	CHECK_INT(fo_core_rejoin_pause_ms(5, 3, 3600000), 10800000);
}
