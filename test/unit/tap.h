/*
 * tap.h: results of a unit test, as the Test Anything Protocol has them.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdio.h>

static int	tests_run = 0;
static int	tests_failed = 0;

/* One test: whether it passed, and what it is. */
static void
ok(bool passed, const char *name)
{
	printf("%s %d - %s\n", passed ? "ok" : "not ok", ++tests_run, name);
	if (!passed)
		tests_failed++;
}

/* The plan, after the last test; returns the exit status of the program. */
static int
done_testing(void)
{
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}

#endif							/* TAP_H */
