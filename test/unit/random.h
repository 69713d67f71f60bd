/*
 * random.h: the same random numbers on every machine.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* xorshift64*. */
static uint64_t
random_bits(void)
{
	static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545f4914f6cdd1d);
}

static int
random_below(int limit)
{
	return (int) ((random_bits() >> 32) * (uint64_t) limit >> 32);
}

static bool
one_in(int times)
{
	return random_below(times) == 0;
}

#endif							/* RANDOM_H */
