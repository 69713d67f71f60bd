/*
 * testpoint.h: named points in the code where a test can wait, fail, kill or err.
 *
 * VM_POINT("name") does nothing in a release build.  In a build with
 * -DVECMARK_TESTPOINTS the setting vecmark.testpoints arms points in its own
 * backend; see testpoint.c for its grammar.
 *
 * VM_FAULT("name") is false in a release build.  In such a build it is whether the setting
 * vecmark.test_fault has that name: the code then does what is known to be wrong, so that
 * a test can show that it would be found.
 *
 * Never put one where a buffer content lock is held: a wait there would block
 * other backends beyond the reach of the deadlock detector.
 */
#ifndef VECMARK_TESTPOINT_H
#define VECMARK_TESTPOINT_H

#ifdef VECMARK_TESTPOINTS
extern void testpoint_reach(const char *name);
extern bool testpoint_has_fault(const char *name);
#define VM_POINT(name) testpoint_reach(name)
#define VM_FAULT(name) testpoint_has_fault(name)
#else
#define VM_POINT(name) ((void) 0)
#define VM_FAULT(name) false
#endif

extern void testpoint_define_setting(void);

#endif							/* VECMARK_TESTPOINT_H */
