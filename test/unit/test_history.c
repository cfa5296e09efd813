/*-------------------------------------------------------------------------
 *
 * test_history.c
 *		Where timelines end, and where histories part.
 *
 *-------------------------------------------------------------------------
 */
#include "core/history.h"
#include "unit.h"

/* As PostgreSQL writes them: a tab, a reason, an empty line between the entries that a promotion adds. */
#define THREE "1\t0/5000148\tno recovery target specified\n\n2\t1/A0\tno recovery target specified\n"

TEST("history: a timeline ends where its line says")
{
	CHECK(fo_core_history_end(THREE, 1) == 0x5000148);
	CHECK(fo_core_history_end(THREE, 2) == 0x1000000A0);
	CHECK(fo_core_history_end("4294967295\tFFFFFFFF/FFFFFFFE\n", UINT32_MAX) == UINT64_MAX - 1);
}

TEST("history: a timeline that is not in it has no end there")
{
	CHECK(fo_core_history_end(THREE, 3) == 0);
	CHECK(fo_core_history_end("", 1) == 0);
}

TEST("history: what is no entry means nothing")
{
	CHECK(fo_core_history_end("# failover: a reservation 1 0/1\n\n \t\n" THREE, 1) == 0x5000148);
	CHECK(fo_core_history_end("1\n2\t0/30\tx", 1) == 0);
	CHECK(fo_core_history_end("1\n2\t0/30\tx", 2) == 0x30);
	CHECK(fo_core_history_end("1\t0\n", 1) == 0);
	CHECK(fo_core_history_end("1\t0/\n", 1) == 0);
	CHECK(fo_core_history_end("1\t/30\n", 1) == 0);
	CHECK(fo_core_history_end("1x\t0/30\n", 1) == 0);
}

TEST("history: one that goes on with the other parts where the other's present timeline ends in it")
{
	CHECK(fo_core_history_parting("", 1, THREE, 3) == 0x5000148);
	CHECK(fo_core_history_parting(THREE, 3, "", 1) == 0x5000148);
	CHECK(fo_core_history_parting("1\t0/5000148\tx\n", 2, THREE, 3) == 0x1000000A0);
}

TEST("history: two that left the same timeline part where the first of them left it")
{
	CHECK(fo_core_history_parting("1\t0/40\tx\n", 2, "1\t0/30\tx\n", 3) == 0x30);
	CHECK(fo_core_history_parting("1\t0/30\tx\n", 2, "1\t0/40\tx\n", 3) == 0x30);
	CHECK(fo_core_history_parting("1\t0/30\tx\n2\t0/90\tx\n", 4, "1\t0/30\tx\n3\t0/50\tx\n", 5) == 0x30);
}

TEST("history: equal ones do not part, and strangers have nothing in common")
{
	CHECK(fo_core_history_parting(THREE, 3, THREE, 3) == UINT64_MAX);
	CHECK(fo_core_history_parting("", 1, "", 1) == UINT64_MAX);
	CHECK(fo_core_history_parting("", 1, "", 2) == 0);
	CHECK(fo_core_history_parting("2\t0/30\tx\n", 3, "1\t0/30\tx\n", 3) == 0);
}
