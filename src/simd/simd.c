/*
 * simd.c: the table of rungs, what the CPU and the OS allow, and the choice.
 */
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "simd/simd_rungs.h"

const SimdKernels *const simd_rungs[] = {
	&simd_scalar,
#if defined(__x86_64__)
	&simd_avx2,
	&simd_avx512,
#elif defined(__aarch64__)
	&simd_neon,
#endif
};

const int	simd_rung_count = sizeof(simd_rungs) / sizeof(simd_rungs[0]);

const SimdKernels *simd = &simd_scalar;

#if defined(__x86_64__)

/* Register sets in XCR0 that the OS must save and restore. */
#define XCR0_AVX		0x06	/* xmm, ymm */
#define XCR0_AVX512		0xe6	/* xmm, ymm, mask registers, zmm, zmm16-31 */

/*
 * True when the OS saves every register set in mask on a context switch.
 *
 * The instruction is written out because the compiler's _xgetbv() wants the
 * caller to be compiled for a CPU that has it, which is what is asked here.
 */
static bool
os_saves(unsigned int mask)
{
	unsigned int eax,
				ebx,
				ecx,
				edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
		return false;

	__asm__ volatile ("xgetbv":"=a" (eax), "=d"(edx):"c"(0));

	return (eax & mask) == mask;
}

/*
 * Can this machine run the avx2 rung, which uses AVX, AVX2, FMA and F16C?  All
 * CPUs with AVX2 have F16C, but a virtual machine may hide it.
 */
bool
simd_avx2_usable(void)
{
	unsigned int eax,
				ebx,
				ecx,
				edx;

	if (!os_saves(XCR0_AVX))
		return false;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) ||
		!(ecx & bit_AVX) || !(ecx & bit_FMA) || !(ecx & bit_F16C))
		return false;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) &&
		(ebx & bit_AVX2);
}

/*
 * Can this machine run the avx512 rung?  Beyond AVX-512 F and BW it needs
 * AVX2, which compilers take to be included in F.
 */
bool
simd_avx512_usable(void)
{
	unsigned int eax,
				ebx,
				ecx,
				edx;

	if (!os_saves(XCR0_AVX512) || !simd_avx2_usable())
		return false;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) &&
		(ebx & bit_AVX512F) && (ebx & bit_AVX512BW);
}

#endif							/* __x86_64__ */

/*
 * Choose the best rung that this machine can run.  Never fails, as scalar
 * always can; calling it again chooses again.
 */
void
simd_init(void)
{
	for (int i = simd_rung_count - 1; i >= 0; i--)
	{
		if (simd_rungs[i]->usable())
		{
			simd = simd_rungs[i];
			return;
		}
	}
}

/*
 * The rung of that name (exact, lower case), or NULL when it is not compiled
 * in.  What is found need not be usable on this machine.
 */
const SimdKernels *
simd_find(const char *name)
{
	for (int i = 0; i < simd_rung_count; i++)
	{
		if (strcmp(simd_rungs[i]->name, name) == 0)
			return simd_rungs[i];
	}

	return NULL;
}

/*
 * Use this rung from now on.  The caller has seen rung->usable() return true;
 * otherwise the next kernel call dies of an illegal instruction.
 */
void
simd_use(const SimdKernels *rung)
{
	simd = rung;
}
