/* simd_bits_test.c: the kernels of src/simd over strings of bits, on every usable rung. */
/* sources: src/simd/simd*.c */

/*
 * Counts must be what counting bit by bit gives, and what the scalar rung
 * gives.  Arrays lie between pages that may not be touched: at the end of their
 * room, at its start, or at any place within 64 bytes, with ones on either
 * side, which would show if they were counted.  At the end, kernels broken on
 * purpose must be found out.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "simd/simd.h"
#include "tap.h"

/* Every length to 300, then some at which sums in narrow lanes could overflow. */
static const size_t long_lengths[] = {992, 993, 1023, 1024, 2047, 8000, 65519, 65520, 65521, 131072, 200003};

#define ALL_TO		300
#define N_LENGTHS	(ALL_TO + 1 + sizeof(long_lengths) / sizeof(long_lengths[0]))
#define MAX_BYTES	200003
#define MARGIN		64

static size_t
length_at(size_t i)
{
	return i <= ALL_TO ? i : long_lengths[i - ALL_TO - 1];
}

/* Set while a failure is what the test wants. */
static bool quiet = false;

/* Say what went wrong; false, for the caller to return. */
__attribute__((format(printf, 1, 2)))
static bool
wrong(const char *format,...)
{
	va_list		args;

	if (!quiet)
	{
		fputs("# ", stdout);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		putchar('\n');
	}

	return false;
}

/* Numbers that are the same in every run (xorshift64*). */

static uint64_t random_state = 0x9E3779B97F4A7C15;

static uint32_t
random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t) ((random_state * 0x2545F4914F6CDD1D) >> 32);
}

/* What the bytes of a string may be. */

static uint8_t
any_byte(void)
{
	return (uint8_t) (random_bits() >> 8);
}

static uint8_t
sparse_byte(void)
{
	return any_byte() & any_byte() & any_byte();
}

static uint8_t
zero_byte(void)
{
	return 0;
}

static uint8_t
full_byte(void)
{
	return 0xff;
}

static void
fill(uint8_t *a, size_t bytes, uint8_t (*next) (void))
{
	for (size_t i = 0; i < bytes; i++)
		a[i] = next();
}

/* Room between two pages that may not be touched. */
typedef struct Room
{
	uint8_t    *start;
	uint8_t    *end;
} Room;

static Room room_a, room_b;

static void
room_alloc(Room *room)
{
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	size_t		size = (MAX_BYTES + 2 * MARGIN + page - 1) / page * page;
	char	   *p = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + page, size, PROT_READ | PROT_WRITE) != 0)
	{
		printf("Bail out! no memory between guard pages\n");
		exit(2);
	}
	room->start = (uint8_t *) p + page;
	room->end = room->start + size;
}

/* The length last tried, for the message when a kernel dies. */
static volatile size_t length_now;

/*
 * Do the kernels of the rung count what there is, bit by bit, and what scalar
 * counts?
 */
static bool
agrees(const SimdKernels *rung, const uint8_t *a, const uint8_t *b, size_t bytes)
{
	uint64_t	differ = 0;
	SimdJaccard want = {0, 0};
	uint64_t	hamming;
	SimdJaccard jaccard;

	for (size_t i = 0; i < bytes; i++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			int			x = a[i] >> bit & 1;
			int			y = b[i] >> bit & 1;

			differ += x != y;
			want.both += x && y;
			want.either += x || y;
		}
	}

	length_now = bytes;
	hamming = rung->hamming_bytes(a, b, bytes);
	jaccard = rung->jaccard_bytes(a, b, bytes);
	if (hamming != differ)
		return wrong("%s, %zu bytes: %llu bits differ, not %llu", rung->name, bytes,
					 (unsigned long long) differ, (unsigned long long) hamming);
	if (jaccard.both != want.both || jaccard.either != want.either)
		return wrong("%s, %zu bytes: %llu bits in both and %llu in either, not %llu and %llu", rung->name, bytes,
					 (unsigned long long) want.both, (unsigned long long) want.either,
					 (unsigned long long) jaccard.both, (unsigned long long) jaccard.either);

	if (simd_rungs[0]->hamming_bytes(a, b, bytes) != hamming)
		return wrong("%s, %zu bytes: scalar counts otherwise", rung->name, bytes);
	want = simd_rungs[0]->jaccard_bytes(a, b, bytes);
	if (jaccard.both != want.both || jaccard.either != want.either)
		return wrong("%s, %zu bytes: scalar counts otherwise", rung->name, bytes);

	return true;
}

/* Pairs of fillings: overflow shows with ones, a lane left out with any. */
static const struct
{
	uint8_t		(*a) (void);
	uint8_t		(*b) (void);
}			fillings[] = {
	{any_byte, any_byte},
	{sparse_byte, any_byte},
	{full_byte, full_byte},
	{full_byte, zero_byte},
	{zero_byte, zero_byte},
};

#define N_FILLINGS	(sizeof(fillings) / sizeof(fillings[0]))

/*
 * Strings that end where a guard page starts.
 */
static bool
test_fence_above(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS * N_FILLINGS; i++)
	{
		size_t		n = length_at(i / N_FILLINGS);

		fill(room_a.end - n, n, fillings[i % N_FILLINGS].a);
		fill(room_b.end - n, n, fillings[i % N_FILLINGS].b);
		if (!agrees(rung, room_a.end - n, room_b.end - n, n))
			return false;
	}

	return true;
}

/*
 * Strings that start where a guard page ends.
 */
static bool
test_fence_below(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS * N_FILLINGS; i++)
	{
		size_t		n = length_at(i / N_FILLINGS);

		fill(room_a.start, n, fillings[i % N_FILLINGS].a);
		fill(room_b.start, n, fillings[i % N_FILLINGS].b);
		if (!agrees(rung, room_a.start, room_b.start, n))
			return false;
	}

	return true;
}

/*
 * Every place within a cache line for either string, with ones all around in
 * one and zeros in the other.
 */
static bool
test_places(const SimdKernels *rung)
{
	for (size_t n = 0; n <= ALL_TO; n++)
	{
		for (int i = 0; i < MARGIN; i++)
		{
			uint8_t    *a = room_a.start + i;
			uint8_t    *b = room_b.start + random_bits() % MARGIN;

			memset(room_a.start, 0xff, n + 2 * MARGIN);
			memset(room_b.start, 0, n + 2 * MARGIN);
			fill(a, n, any_byte);
			fill(b, n, any_byte);
			if (!agrees(rung, a, b, n) || !agrees(rung, b, a, n))
				return false;
		}
	}

	return true;
}

/*
 * A single bit at each place, against none and against all.
 */
static bool
test_single_bits(const SimdKernels *rung)
{
	for (size_t n = 1; n <= 100; n++)
	{
		uint8_t    *a = room_a.end - n;
		uint8_t    *b = room_b.end - n;

		for (int all = 0; all < 2; all++)
		{
			memset(a, 0, n);
			memset(b, all ? 0xff : 0, n);
			for (size_t bit = 0; bit < 8 * n; bit++)
			{
				a[bit / 8] = (uint8_t) (1 << bit % 8);
				if (!agrees(rung, a, b, n))
					return wrong("with bit %zu set", bit);
				a[bit / 8] = 0;
			}
		}
	}

	return true;
}

/*
 * A string with itself.
 */
static bool
test_same_array(const SimdKernels *rung)
{
	for (size_t i = 0; i < N_LENGTHS; i++)
	{
		size_t		n = length_at(i);

		fill(room_a.start, n, any_byte);
		if (!agrees(rung, room_a.start, room_a.start, n))
			return false;
		if (rung->hamming_bytes(room_a.start, room_a.start, n) != 0)
			return wrong("%s, %zu bytes: a string has a distance from itself", rung->name, n);
	}

	return true;
}

static const struct
{
	const char *what;
	bool		(*passes) (const SimdKernels *rung);
}			tests[] = {
	{"nothing read beyond the end", test_fence_above},
	{"nothing read before the start", test_fence_below},
	{"any alignment, ones on either side", test_places},
	{"single bits", test_single_bits},
	{"a string with itself", test_same_array},
};

/* Where a test goes on when a kernel dies of a signal. */
static sigjmp_buf died;

static void
on_signal(int signo)
{
	siglongjmp(died, signo);
}

/*
 * Run a test; a kernel that touches a guard page, or that this CPU cannot
 * execute, fails it and does not end the program.
 */
static bool
passes(bool (*test) (const SimdKernels *), const SimdKernels *rung)
{
	int			signo = sigsetjmp(died, 1);

	if (signo != 0)
		return wrong("%s, %zu bytes: %s", rung->name, length_now, strsignal(signo));

	return test(rung);
}

static void
test_rung(const SimdKernels *rung)
{
	char		name[100];

	if (!rung->usable())
	{
		printf("ok %d # SKIP %s: this CPU has not got it\n", ++tests_run, rung->name);
		return;
	}

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
	{
		snprintf(name, sizeof(name), "%s: %s", rung->name, tests[i].what);
		ok(passes(tests[i].passes, rung), name);
	}
}

/* Kernels broken on purpose, each scalar's with one flaw. */

static uint64_t
hamming_drops_last(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	return simd_rungs[0]->hamming_bytes(a, b, bytes > 200 ? bytes - 1 : bytes);
}

static uint64_t
hamming_overflows(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	return simd_rungs[0]->hamming_bytes(a, b, bytes) & 0xffff;
}

static uint64_t
hamming_reads_before(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	volatile uint8_t unused = a[-1];

	(void) unused;
	return simd_rungs[0]->hamming_bytes(a, b, bytes);
}

static SimdJaccard
jaccard_reads_beyond(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	volatile uint8_t unused = b[bytes];

	(void) unused;
	return simd_rungs[0]->jaccard_bytes(a, b, bytes);
}

static SimdJaccard
jaccard_takes_either(const uint8_t *a, const uint8_t *b, size_t bytes)
{
	SimdJaccard result = simd_rungs[0]->jaccard_bytes(a, b, bytes);

	/* as if a bit in both counted once for a and once for b */
	result.either += result.both;
	return result;
}

static void
test_the_test(void)
{
	SimdKernels broken = *simd_rungs[0];

	quiet = true;
	broken.name = "broken";
	broken.hamming_bytes = hamming_drops_last;
	ok(!passes(test_places, &broken), "a kernel that drops a byte is found out");
	broken.hamming_bytes = hamming_overflows;
	ok(!passes(test_fence_below, &broken), "a kernel that overflows is found out");
	broken.hamming_bytes = hamming_reads_before;
	ok(!passes(test_fence_below, &broken), "a kernel that reads before the start is found out");
	broken.hamming_bytes = simd_rungs[0]->hamming_bytes;
	broken.jaccard_bytes = jaccard_reads_beyond;
	ok(!passes(test_fence_above, &broken), "a kernel that reads beyond the end is found out");
	broken.jaccard_bytes = jaccard_takes_either;
	ok(!passes(test_single_bits, &broken), "a kernel that counts bits of both twice is found out");
	quiet = false;
}

int
main(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	room_alloc(&room_a);
	room_alloc(&room_b);

	for (int i = 0; i < simd_rung_count; i++)
		test_rung(simd_rungs[i]);
	test_the_test();

	return done_testing();
}
