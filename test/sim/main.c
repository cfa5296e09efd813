/*-------------------------------------------------------------------------
 *
 * main.c
 *		sim [SEEDS [FIRST]]		run that many schedules, and every mutant
 *		sim story SEED [MUTANT]	tell one schedule
 *
 * The work is divided into items, the mutants first, which as many processes as
 * JOBS says take from shared memory.  What they find they leave there, and the
 * first process reports it when all have ended; so the report does not depend
 * on who did what when.  Of the first failing seeds the story is told.
 *
 * The last line is "N passed, N failed".  Tests are: that nothing was violated
 * in any schedule; that schedules which were run twice went the same way; and
 * of each mutant that it was caught.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"

#define SEEDS_DEFAULT 100000
#define JOBS_DEFAULT 2
#define JOBS_MAX 64
#define STORIES_MAX 3

/* One in so many schedules is run twice: same seed, same run. */
#define TWICE_ONE_IN 97

/* Schedules in one item of work. */
#define ITEM_SEEDS 250

/* Failing seeds that are remembered. */
#define FAILING_MAX 1000

/* A mutant: how many seeds it took to catch it, 0 = it was not, and what caught it. */
typedef struct Hunt
{
	int			seeds;
	char		violation[sizeof(((World *) NULL)->violation)];
} Hunt;

/* What the processes share. */
typedef struct Shared
{
	long		next_item;
	long		failed;
	long		differing;
	long		failovers;
	long		acknowledged;
	long		events;
	uint64_t	failing[FAILING_MAX];	/* in no order */
	uint64_t	first_differing;
	Hunt		hunts[MUTANT_N];
} Shared;

static World world;
static Shared *shared;

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

/* ---- work ---- */

static void
run_twice(uint64_t seed)
{
	uint64_t	hash = world.hash;

	(void) run_seed(seed, MUTANT_NONE, false);
	if (hash != world.hash && __sync_fetch_and_add(&shared->differing, 1) == 0)
		shared->first_differing = seed;
}

static void
run_schedules(uint64_t first, long seeds)
{
	for (long i = 0; i < seeds; i++)
	{
		uint64_t	seed = first + (uint64_t) i;

		if (!run_seed(seed, MUTANT_NONE, false))
		{
			long		n = __sync_fetch_and_add(&shared->failed, 1);

			if (n < FAILING_MAX)
				shared->failing[n] = seed;
		}
		(void) __sync_fetch_and_add(&shared->failovers, world.failovers);
		(void) __sync_fetch_and_add(&shared->acknowledged, world.acknowledged_n);
		(void) __sync_fetch_and_add(&shared->events, (long) world.events_n);
		if (seed % TWICE_ONE_IN == 0)
			run_twice(seed);
	}
}

/* Slowness alone does not catch a mutant, unless it is one that can do no other harm. */
static bool
is_caught(uint64_t seed, Mutant mutant)
{
	return !run_seed(seed, mutant, false) && (world.is_unsafe || mutants[mutant].is_slow);
}

static void
hunt(uint64_t first, Mutant mutant)
{
	Hunt	   *found = &shared->hunts[mutant];

	for (int i = 0; i < mutants[mutant].seeds && found->seeds == 0; i++)
	{
		if (!is_caught(first + (uint64_t) i, mutant))
			continue;
		memcpy(found->violation, world.violation, sizeof(found->violation));
		found->seeds = i + 1;
	}
}

static void
work(uint64_t first, long seeds)
{
	long		hunts_n = MUTANT_N - 1;
	long		items_n = hunts_n + (seeds + ITEM_SEEDS - 1) / ITEM_SEEDS;

	for (;;)
	{
		long		item = __sync_fetch_and_add(&shared->next_item, 1);
		long		done = (item - hunts_n) * ITEM_SEEDS;

		if (item >= items_n)
			return;
		if (item < hunts_n)
			hunt(first, (Mutant) (item + 1));
		else
			run_schedules(first + (uint64_t) done, seeds - done < ITEM_SEEDS ? seeds - done : ITEM_SEEDS);
	}
}

/* Let processes do it; false: one of them did not come to its end. */
static bool
work_in_parallel(uint64_t first, long seeds, int jobs)
{
	bool		is_well = true;
	int			status;

	for (int i = 0; i < jobs; i++)
	{
		pid_t		pid = fork();

		if (pid == 0)
		{
			work(first, seeds);
			_exit(0);
		}
		if (pid < 0)
			is_well = false;
	}
	while (wait(&status) > 0)
		is_well = is_well && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return is_well;
}

/* ---- report ---- */

static int
by_number(const void *a, const void *b)
{
	uint64_t	left = *(const uint64_t *) a;
	uint64_t	right = *(const uint64_t *) b;

	return left < right ? -1 : left > right ? 1 : 0;
}

/* True if nothing was violated. */
static bool
report_schedules(long seeds)
{
	long		known = shared->failed < FAILING_MAX ? shared->failed : FAILING_MAX;

	printf("%ld schedules, %ld events, %ld failovers, %ld commits acknowledged\n",
		   seeds, shared->events, shared->failovers, shared->acknowledged);
	if (shared->failed == 0)
	{
		printf("ok - nothing was violated in %ld schedules\n", seeds);
		return true;
	}
	printf("not ok - %ld of %ld schedules failed\n", shared->failed, seeds);
	qsort(shared->failing, (size_t) known, sizeof(shared->failing[0]), by_number);
	for (long i = 0; i < known; i++)
	{
		if (i < STORIES_MAX)
			tell_seed(shared->failing[i], MUTANT_NONE);
		else
			(void) run_seed(shared->failing[i], MUTANT_NONE, false);
		printf("# seed %llu: %s\n", (unsigned long long) shared->failing[i], world.violation);
	}
	return false;
}

static bool
report_twice(void)
{
	if (shared->differing == 0)
		printf("ok - the same seed is the same run\n");
	else
		printf("not ok - the same seed is not the same run: %ld times, seed %llu among them\n",
			   shared->differing, (unsigned long long) shared->first_differing);
	return shared->differing == 0;
}

static bool
report_hunt(uint64_t first, Mutant mutant)
{
	const Hunt *found = &shared->hunts[mutant];

	if (found->seeds > 0)
		printf("ok - mutant %s is caught by seed %llu, number %d: %s\n", mutants[mutant].name,
			   (unsigned long long) (first + (uint64_t) found->seeds - 1), found->seeds, found->violation);
	else
		printf("not ok - mutant %s (%s) is not caught in %d seeds\n", mutants[mutant].name,
			   mutants[mutant].description, mutants[mutant].seeds);
	return found->seeds > 0;
}

static int
run_all(uint64_t first, long seeds, int jobs)
{
	int			passed = 0;
	int			failed = 0;

	shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
	{
		perror("mmap");
		return 2;
	}
	if (!work_in_parallel(first, seeds, jobs))
	{
		printf("not ok - a process ended before its work\n");
		failed++;
	}
	*(report_schedules(seeds) ? &passed : &failed) += 1;
	*(report_twice() ? &passed : &failed) += 1;
	for (int mutant = MUTANT_NONE + 1; mutant < MUTANT_N; mutant++)
		*(report_hunt(first, (Mutant) mutant) ? &passed : &failed) += 1;
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

/* ---- arguments ---- */

static int
usage(void)
{
	fprintf(stderr, "usage: sim [SEEDS [FIRST]] | sim story SEED [MUTANT]\n");
	return 2;
}

/* A number, or else the program ends. */
static uint64_t
number(const char *text)
{
	char	   *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end != '\0' || text[0] == '-')
		exit(usage());
	return value;
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
	if (argc < 3 || argc > 4 || mutant == MUTANT_N)
		return usage();
	tell_seed(number(argv[2]), (Mutant) mutant);
	return world.violation[0] == '\0' ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const char *jobs_text = getenv("JOBS");
	uint64_t	jobs = jobs_text && jobs_text[0] ? number(jobs_text) : JOBS_DEFAULT;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && strcmp(argv[1], "story") == 0)
		return tell_story(argc, argv);
	if (argc > 3)
		return usage();
	if (jobs < 1 || jobs > JOBS_MAX)
		jobs = JOBS_DEFAULT;
	return run_all(argc > 2 ? number(argv[2]) : 1, argc > 1 ? (long) number(argv[1]) : SEEDS_DEFAULT, (int) jobs);
}
