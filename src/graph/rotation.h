/*
 * rotation.h: a seeded random rotation of vectors.
 *
 * Pure C.  The same seed and dimensions give the same rotation for ever, bit for
 * bit on every machine: what an index holds depends on it.
 */
#ifndef HNSW_ROTATION_H
#define HNSW_ROTATION_H

#include <stdint.h>

#define HNSW_ROTATION_ROUNDS 3

/* Words of signs that a rotation of dim dimensions needs: two sets a round. */
#define HNSW_ROTATION_WORDS(dim) (2 * HNSW_ROTATION_ROUNDS * (((dim) + 63) / 64))

extern void hnsw_rotation_signs(uint64_t seed, int dim, uint64_t *signs);
extern void hnsw_hadamard(float *v, int n);
extern void hnsw_rotate(const uint64_t *signs, int dim, const float *in, float *out);

#endif							/* HNSW_ROTATION_H */
