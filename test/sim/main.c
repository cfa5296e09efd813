/*-------------------------------------------------------------------------
 *
 * main.c
 *		sim [SEEDS [FIRST]]		run that many schedules, then every mutant
 *		sim story SEED [MUTANT]	tell one schedule
 *
 * The last line is "N passed, N failed": a schedule counts as passed if nothing
 * was violated, a mutant if it was caught.  Of the first failing seeds the
 * story is told.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define SEEDS_DEFAULT 100000
#define STORIES_MAX 3

/* One in so many schedules is run twice: same seed, same run. */
#define TWICE_ONE_IN 97

static World world;

static bool
run_seed(uint64_t seed, Mutant mutant, bool is_telling)
{
	world_begin(&world, seed, mutant, is_telling);
	world_run(&world);
	return world.violation[0] == '\0';
}

static void
tell_seed(uint64_t seed, Mutant mutant)
{
	printf("\nseed %llu%s%s:\n", (unsigned long long) seed, mutant ? ", mutant " : "", mutant ? mutants[mutant].name : "");
	(void) run_seed(seed, mutant, true);
	printf("\n");
}

static bool
is_same_twice(uint64_t seed)
{
	uint64_t	hash;

	(void) run_seed(seed, MUTANT_NONE, false);
	hash = world.hash;
	(void) run_seed(seed, MUTANT_NONE, false);
	return hash == world.hash;
}

/* Run the schedules; returns how many failed. */
static long
run_schedules(uint64_t first, long seeds)
{
	long		failed = 0;
	long		failovers = 0;
	long		acknowledged = 0;
	long		events = 0;

	for (long i = 0; i < seeds; i++)
	{
		uint64_t	seed = first + (uint64_t) i;

		if (!run_seed(seed, MUTANT_NONE, false))
		{
			printf("not ok - seed %llu: %s\n", (unsigned long long) seed, world.violation);
			if (failed++ < STORIES_MAX)
				tell_seed(seed, MUTANT_NONE);
			continue;
		}
		failovers += world.failovers;
		acknowledged += world.acknowledged_n;
		events += world.events_n;
		if (i % TWICE_ONE_IN == 0 && !is_same_twice(seed))
		{
			printf("not ok - seed %llu: two runs of it differ\n", (unsigned long long) seed);
			failed++;
		}
	}
	printf("%ld schedules, %ld events, %ld failovers, %ld commits acknowledged\n", seeds, events, failovers, acknowledged);
	return failed;
}

/* A mutant must be caught; returns how many were not. */
static long
run_mutants(uint64_t first)
{
	long		survived = 0;

	for (int mutant = MUTANT_NONE + 1; mutant < MUTANT_N; mutant++)
	{
		int			i = 0;

		while (i < mutants[mutant].seeds && (run_seed(first + (uint64_t) i, (Mutant) mutant, false) || (!world.is_unsafe && !mutants[mutant].is_slow)))
			i++;
		if (i < mutants[mutant].seeds)
			printf("ok - mutant %s is caught by seed %llu, number %d: %s\n", mutants[mutant].name,
				   (unsigned long long) (first + (uint64_t) i), i + 1, world.violation);
		else
		{
			printf("not ok - mutant %s (%s) is not caught in %d seeds\n", mutants[mutant].name,
				   mutants[mutant].description, mutants[mutant].seeds);
			survived++;
		}
	}
	return survived;
}

static int
tell_story(int argc, char **argv)
{
	int			mutant = MUTANT_NONE;

	if (argc > 3)
	{
		while (mutant < MUTANT_N && strcmp(mutants[mutant].name, argv[3]) != 0)
			mutant++;
	}
	if (argc < 3 || mutant == MUTANT_N)
	{
		fprintf(stderr, "usage: sim [SEEDS [FIRST]] | sim story SEED [MUTANT]\n");
		return 2;
	}
	tell_seed(strtoull(argv[2], NULL, 10), (Mutant) mutant);
	return world.violation[0] == '\0' ? 0 : 1;
}

int
main(int argc, char **argv)
{
	long		seeds = argc > 1 ? atol(argv[1]) : SEEDS_DEFAULT;
	uint64_t	first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	long		failed;
	long		survived;

	if (argc > 1 && strcmp(argv[1], "story") == 0)
		return tell_story(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	failed = run_schedules(first, seeds);
	survived = run_mutants(first);
	printf("%ld passed, %ld failed\n", seeds - failed + MUTANT_N - 1 - survived, failed + survived);
	return failed + survived == 0 ? 0 : 1;
}
