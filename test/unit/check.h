/*
 * check.h: conditions of a test that are many; the first that does not hold is told.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdio.h>

/* Whether one did not hold since the test set this to false. */
static bool failed;

#define CHECK(what) \
	do \
	{ \
		if (!(what) && !failed) \
		{ \
			failed = true; \
			printf("# line %d: %s\n", __LINE__, #what); \
		} \
	} while (0)

#endif							/* CHECK_H */
