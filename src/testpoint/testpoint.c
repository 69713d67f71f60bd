/*
 * testpoint.c: what an armed VM_POINT does.
 *
 * vecmark.testpoints is a list of NAME:ACTION or NAME:ACTION@N, separated by
 * commas.  The action takes place the N-th time (the first, by default) that
 * this backend reaches the point after the setting was given; "wait" and
 * "error" without @N take place every time.
 *
 *	wait	take and release the advisory lock hashtext(NAME), so that another
 *			session that holds it decides when this one goes on, and
 *			isolationtester sees it waiting
 *	error	raise an error (SQLSTATE 38000)
 *	kill	end the whole server as kill -9 of this backend would
 */
#include "postgres.h"
#include "compat.h"

#include "testpoint/testpoint.h"

#ifdef VECMARK_TESTPOINTS

#include <signal.h>
#include <unistd.h>

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#define TESTPOINT_MAX 16
#define TESTPOINT_NAME_MAX 64

typedef enum TestpointAction
{
	TESTPOINT_WAIT,
	TESTPOINT_ERROR,
	TESTPOINT_KILL,
} TestpointAction;

typedef struct Testpoint
{
	char		name[TESTPOINT_NAME_MAX];
	TestpointAction action;
	int			at;				/* act on this hit; 0: on each */
	int			hits;
} Testpoint;

static char *testpoints_setting;
static char *fault_setting;
static Testpoint armed[TESTPOINT_MAX];
static int	armed_count;

/*
 * Read one NAME:ACTION[@N] into *point.  False when it is malformed.
 */
static bool
parse_point(const char *text, size_t length, Testpoint *point)
{
	char		item[TESTPOINT_NAME_MAX * 2];
	char	   *action;
	char	   *at;

	if (length >= sizeof(item))
		return false;
	memcpy(item, text, length);
	item[length] = '\0';

	action = strchr(item, ':');
	if (action == NULL || action == item || action - item >= TESTPOINT_NAME_MAX)
		return false;
	*action++ = '\0';

	memset(point, 0, sizeof(*point));
	strlcpy(point->name, item, sizeof(point->name));
	at = strchr(action, '@');
	if (at != NULL)
	{
		*at++ = '\0';
		point->at = atoi(at);
		if (point->at < 1)
			return false;
	}
	if (strcmp(action, "wait") == 0)
		point->action = TESTPOINT_WAIT;
	else if (strcmp(action, "error") == 0)
		point->action = TESTPOINT_ERROR;
	else if (strcmp(action, "kill") == 0)
		point->action = TESTPOINT_KILL;
	else
		return false;
	return true;
}

/*
 * Read the whole setting into points[]; returns how many, or -1 when it is
 * malformed.
 */
static int
parse_setting(const char *setting, Testpoint *points)
{
	int			count = 0;

	while (*setting != '\0')
	{
		size_t		length = strcspn(setting, ",");

		if (count == TESTPOINT_MAX || !parse_point(setting, length, &points[count]))
			return -1;
		count++;
		setting += length;
		if (*setting == ',')
			setting++;
	}
	return count;
}

static bool
check_testpoints(char **newval, void **extra, GucSource source)
{
	Testpoint	points[TESTPOINT_MAX];

	if (parse_setting(*newval, points) >= 0)
		return true;
	GUC_check_errdetail("Each item is NAME:ACTION or NAME:ACTION@N; actions are wait, error and kill.");
	return false;
}

static void
assign_testpoints(const char *newval, void *extra)
{
	armed_count = parse_setting(newval, armed);
}

/*
 * Define vecmark.testpoints and vecmark.test_fault.
 */
void
testpoint_define_setting(void)
{
	DefineCustomStringVariable("vecmark.testpoints",
							   "Points in the code to wait, fail or be killed at, for tests.",
							   NULL,
							   &testpoints_setting,
							   "",
							   PGC_SUSET,
							   0,
							   check_testpoints,
							   assign_testpoints,
							   NULL);
	DefineCustomStringVariable("vecmark.test_fault",
							   "A fault to have, for tests that must find it.",
							   NULL,
							   &fault_setting,
							   "",
							   PGC_SUSET,
							   0,
							   NULL,
							   NULL,
							   NULL);
}

/* Whether vecmark.test_fault has this name. */
bool
testpoint_has_fault(const char *name)
{
	return strcmp(fault_setting, name) == 0;
}

/*
 * Act if this point is armed.
 *
 * Locks:  none may be held on a buffer's content.
 * Errors: 38000 when the action is "error".
 */
void
testpoint_reach(const char *name)
{
	for (int i = 0; i < armed_count; i++)
	{
		Testpoint  *point = &armed[i];

		if (strcmp(point->name, name) != 0)
			continue;
		point->hits++;
		if (point->at != 0 && point->hits != point->at)
			continue;

		switch (point->action)
		{
			case TESTPOINT_WAIT:
				{
					Datum		key = Int64GetDatum((int64) (int32) DatumGetUInt32(hash_any((const unsigned char *) name, strlen(name))));

					DirectFunctionCall1(pg_advisory_lock_int8, key);
					DirectFunctionCall1(pg_advisory_unlock_int8, key);
					break;
				}
			case TESTPOINT_ERROR:
				ereport(ERROR,
						(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
						 errmsg("test point \"%s\" was reached", name)));
				break;
			case TESTPOINT_KILL:
				kill(getpid(), SIGKILL);
				break;
		}
	}
}

#else							/* !VECMARK_TESTPOINTS */

/*
 * A release build has no such settings.
 */
void
testpoint_define_setting(void)
{
}

#endif
