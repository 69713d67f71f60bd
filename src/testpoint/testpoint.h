/*
 * testpoint.h: named points in the code where a test can wait, fail or kill.
 *
 * VM_POINT("name") does nothing in a release build.  In a build with
 * -DVECMARK_TESTPOINTS the setting vecmark.testpoints arms points in its own
 * backend; see testpoint.c for its grammar.
 *
 * Never put one where a buffer content lock is held: a wait there would block
 * other backends beyond the reach of the deadlock detector.
 */
#ifndef VECMARK_TESTPOINT_H
#define VECMARK_TESTPOINT_H

#ifdef VECMARK_TESTPOINTS
extern void testpoint_reach(const char *name);
#define VM_POINT(name) testpoint_reach(name)
#else
#define VM_POINT(name) ((void) 0)
#endif

extern void testpoint_define_setting(void);

#endif							/* VECMARK_TESTPOINT_H */
