/*-------------------------------------------------------------------------
 *
 * unit.h
 *		A test runner in a few lines.
 *
 * TEST("property that it proves") { ... } registers a test; CHECK() and its
 * kin report and go on.  A test fails if one of its checks does.  Random tests
 * draw from unit_random(), which starts anew from the seed for each test.
 *
 *-------------------------------------------------------------------------
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct UnitTest
{
	const char *name;
	void		(*body) (void);
	struct UnitTest *next;
} UnitTest;

extern void unit_register(UnitTest *test);
extern void unit_fail(const char *file, int line, const char *format,...) __attribute__((format(printf, 3, 4)));

/* Shown with every failure until changed: which row of a table is being tested. "" = none. */
extern void unit_context(const char *context);

extern uint64_t unit_random(void);

/* Uniform in 0 .. n-1. */
extern int	unit_below(int n);

/* True once in n times. */
extern bool unit_one_in(int n);

#define UNIT_JOIN_(a, b) a##b
#define UNIT_JOIN(a, b) UNIT_JOIN_(a, b)

#define TEST(test_name) \
	static void UNIT_JOIN(unit_body_, __LINE__) (void); \
	static UnitTest UNIT_JOIN(unit_test_, __LINE__) = {test_name, UNIT_JOIN(unit_body_, __LINE__), 0}; \
	static void __attribute__((constructor)) UNIT_JOIN(unit_register_, __LINE__) (void) \
	{ \
		unit_register(&UNIT_JOIN(unit_test_, __LINE__)); \
	} \
	static void UNIT_JOIN(unit_body_, __LINE__) (void)

#define CHECK(condition) \
	do { \
		if (!(condition)) \
			unit_fail(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

#define CHECK_INT(actual, expected) \
	do { \
		long long unit_a = (long long) (actual); \
		long long unit_e = (long long) (expected); \
		if (unit_a != unit_e) \
			unit_fail(__FILE__, __LINE__, "%s is %lld, expected %lld", #actual, unit_a, unit_e); \
	} while (0)

#define CHECK_TEXT(actual, expected) \
	do { \
		const char *unit_a = (actual); \
		const char *unit_e = (expected); \
		if (__builtin_strcmp(unit_a, unit_e) != 0) \
			unit_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #actual, unit_a, unit_e); \
	} while (0)

#endif							/* UNIT_H */
