/*-------------------------------------------------------------------------
 *
 * unit.c
 *		Runs the registered tests and counts.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static UnitTest *tests;
static const char *context = "";
static int	failures;			/* of the running test */
static uint64_t seed = 20240607;
static uint64_t state;

void
unit_register(UnitTest *test)
{
	UnitTest  **end = &tests;

	while (*end != NULL)
		end = &(*end)->next;
	*end = test;
}

void
unit_fail(const char *file, int line, const char *format,...)
{
	va_list		args;

	/* A property that does not hold seldom fails once. */
	if (failures++ >= 10)
		return;
	printf("  %s:%d: %s%s", file, line, context, context[0] != '\0' ? ": " : "");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

void
unit_context(const char *new_context)
{
	context = new_context;
}

/* splitmix64 */
uint64_t
unit_random(void)
{
	uint64_t	z = (state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

int
unit_below(int n)
{
	return (int) (unit_random() % (uint64_t) n);
}

bool
unit_one_in(int n)
{
	return unit_below(n) == 0;
}

static bool
is_wanted(const char *name, int argc, char **argv)
{
	int			i;

	for (i = 1; i < argc; i++)
	{
		if (strstr(name, argv[i]) != NULL)
			return true;
	}
	return argc < 2;
}

int
main(int argc, char **argv)
{
	int			passed = 0;
	int			failed = 0;
	UnitTest   *test;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getenv("UNIT_SEED") != NULL)
		seed = strtoull(getenv("UNIT_SEED"), NULL, 10);
	for (test = tests; test != NULL; test = test->next)
	{
		if (!is_wanted(test->name, argc, argv))
			continue;
		failures = 0;
		state = seed;
		unit_context("");
		test->body();
		printf("%s - %s\n", failures == 0 ? "ok" : "not ok", test->name);
		if (failures == 0)
			passed++;
		else
			failed++;
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}
