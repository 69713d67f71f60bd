/*
 * simd_rungs.h: what simd.c and the rung files share; not for other rooms.
 */
#ifndef SIMD_RUNGS_H
#define SIMD_RUNGS_H

#include "simd/simd.h"

extern const SimdKernels simd_scalar;

#if defined(__x86_64__)
extern const SimdKernels simd_avx2;
extern const SimdKernels simd_avx512;

extern bool simd_avx2_usable(void);
extern bool simd_avx512_usable(void);
#endif

#if defined(__aarch64__)
extern const SimdKernels simd_neon;
#endif

#endif							/* SIMD_RUNGS_H */
