/*
 * rotation.h: a seeded random rotation of vectors.
 *
 * Pure C.  The same seed and dimensions give the same rotation for ever, bit for
 * bit on every machine: what an index holds depends on it.
 */
#ifndef GRAPH_ROTATION_H
#define GRAPH_ROTATION_H

#include <stdint.h>

#define GRAPH_ROTATION_ROUNDS 3

/* Words of signs that a rotation of dim dimensions needs: two sets a round. */
#define GRAPH_ROTATION_WORDS(dim) (2 * GRAPH_ROTATION_ROUNDS * (((dim) + 63) / 64))

extern void graph_rotation_signs(uint64_t seed, int dim, uint64_t *signs);
extern void graph_hadamard(float *v, int n);
extern void graph_rotate(const uint64_t *signs, int dim, const float *in, float *out);

#endif							/* GRAPH_ROTATION_H */
