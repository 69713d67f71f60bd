/* graph_prune_test.c: which neighbours a node keeps, against the rule written out. */
/* sources: src/graph/prune.c */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph/prune.h"
#include "tap.h"

#define MAX_COUNT 40

/* Numbers that are the same in every run (xorshift64*). */

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t
random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t) ((random_state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

/* Of few values, so that there are ties; or of many; below 0 too for inner products. */
static float
random_distance(int kind)
{
	if (kind == 0)
		return (float) (random_bits() % 5);
	return (float) random_bits() / 4294967296.0f - (kind == 2 ? 0.5f : 0);
}

static int
compare_near(const void *a, const void *b)
{
	float		x = ((const GraphNear *) a)->distance;
	float		y = ((const GraphNear *) b)->distance;

	return (x > y) - (x < y);
}

/* Candidates and the distances between them. */
typedef struct Candidates
{
	GraphNear	near[MAX_COUNT];
	float		pairs[MAX_COUNT][MAX_COUNT];
	int			count;
} Candidates;

static float
pair_distance(void *context, int a, int b)
{
	Candidates *candidates = context;

	if (a < 0 || b < 0 || a >= candidates->count || b >= candidates->count || a == b)
		abort();
	return candidates->pairs[a][b];
}

static void
make_candidates(Candidates *candidates, int kind)
{
	candidates->count = random_bits() % (MAX_COUNT + 1);
	for (int i = 0; i < candidates->count; i++)
	{
		candidates->near[i].distance = random_distance(kind);
		candidates->near[i].node = 1000 + i;
		for (int j = 0; j < i; j++)
			candidates->pairs[i][j] = candidates->pairs[j][i] = random_distance(kind);
	}
	qsort(candidates->near, candidates->count, sizeof(GraphNear), compare_near);
}

/*
 * The rule: go through the candidates from the nearest; choose one unless another
 * that was chosen is nearer to it, by more than the factor, than the node is.
 */
static void
rule(const Candidates *c, int most, float relax, bool *chosen)
{
	int			n = 0;

	for (int e = 0; e < c->count; e++)
	{
		chosen[e] = n < most;
		for (int r = 0; r < e; r++)
		{
			if (chosen[r] && relax * c->pairs[e][r] < c->near[e].distance)
				chosen[e] = false;
		}
		n += chosen[e];
	}
}

/* First those that the rule chooses, then the nearest others, each ascending. */
static bool
test_select(void)
{
	static Candidates c;

	for (int round = 0; round < 20000; round++)
	{
		int			kind = round % 3;
		int			room = random_bits() % 30;
		int			most = random_bits() % 30;
		float		relax = kind == 2 ? 1 : 1 + random_bits() % 3 * 0.1f;
		bool		by_rule[MAX_COUNT];
		int			picked[MAX_COUNT];
		int			want[MAX_COUNT];
		int			chosen = -1;
		int			want_chosen;
		int			n;
		int			want_n = 0;

		make_candidates(&c, kind);
		rule(&c, most < room ? most : room, relax, by_rule);
		for (int i = 0; i < c.count; i++)
		{
			if (by_rule[i])
				want[want_n++] = i;
		}
		want_chosen = want_n;
		for (int i = 0; i < c.count && want_n < room; i++)
		{
			if (!by_rule[i])
				want[want_n++] = i;
		}
		n = graph_select(c.near, c.count, room, most, relax, pair_distance, &c, picked, &chosen);
		if (n != want_n || chosen != want_chosen || memcmp(picked, want, sizeof(int) * n) != 0)
		{
			printf("# %d candidates, room %d, most %d, relax %g: %d picked, not %d; %d chosen, not %d\n",
				   c.count, room, most, relax, n, want_n, chosen, want_chosen);
			return false;
		}
	}
	return true;
}

/* A link back to decide on. */
typedef struct Back
{
	uint32_t	links[MAX_COUNT];
	float		distances[MAX_COUNT];
	float		to_new[MAX_COUNT];
	int			count;
	int			room;
	float		relax;
	float		distance;
	bool		must;
} Back;

static void
make_back(Back *back, int kind)
{
	back->room = 2 + random_bits() % (MAX_COUNT - 2);
	back->count = random_bits() % 3 == 0 ? (int) (random_bits() % back->room) : back->room;
	back->relax = kind == 2 ? 1 : 1 + random_bits() % 3 * 0.1f;
	back->distance = random_distance(kind);
	back->must = random_bits() % 3 == 0;
	for (int i = 0; i < back->count; i++)
	{
		back->links[i] = (1000 + i) | (random_bits() % 4 != 0 ? GRAPH_LINK_CHOSEN : 0);
		back->distances[i] = random_distance(kind);
		back->to_new[i] = random_distance(kind);
	}
	/* all chosen, and a new node that is diverse, is rare otherwise */
	if (random_bits() % 4 == 0)
	{
		for (int i = 0; i < back->count; i++)
		{
			back->links[i] |= GRAPH_LINK_CHOSEN;
			if (random_bits() % 8 != 0)
				back->to_new[i] = 10;
		}
	}
}

/* A link that is to be a filler afterwards, if it is there. */
static bool
is_filler(const Back *b, int i)
{
	return !(b->links[i] & GRAPH_LINK_CHOSEN) ||
		(b->distances[i] > b->distance && b->relax * b->to_new[i] < b->distances[i]);
}

/* The contract of graph_back_link, sentence by sentence. */
static bool
back_good(const Back *b)
{
	uint32_t	demoted[MAX_COUNT];
	int			demoted_count = -1;
	bool		chosen = true;
	int			fillers = 0;
	GraphBackLink got;

	got = graph_back_link(b->links, b->distances, b->to_new, b->count, b->room, b->relax, b->distance, b->must,
						  demoted, &demoted_count);

	/*
	 * "The new node is chosen unless a chosen neighbour is nearer to both, or
	 * if it must be"
	 */
	for (int i = 0; i < b->count; i++)
	{
		if (b->links[i] & GRAPH_LINK_CHOSEN && b->distances[i] <= b->distance && b->relax * b->to_new[i] < b->distance)
			chosen = false;
		fillers += is_filler(b, i);
	}
	chosen |= b->must;
	if (got.place >= 0 && got.chosen != chosen)
		return false;
	if (got.place < -1 || got.place >= b->room || got.place > b->count)
		return false;

	/* "A new node that is not chosen takes a free place only" */
	if (b->count < b->room)
	{
		if (got.place != b->count)
			return false;
	}
	else if (!chosen)
	{
		if (got.place != -1)
			return false;
	}
	else if (fillers > 0)
	{
		/* the farthest filler goes, no chosen one */
		if (got.place < 0 || !is_filler(b, got.place))
			return false;
		for (int i = 0; i < b->count; i++)
		{
			if (is_filler(b, i) && b->distances[i] > b->distances[got.place])
				return false;
		}
	}
	else
	{
		/* the farthest of all goes, unless the new node is farther still */
		float		farthest = b->distances[0];

		for (int i = 0; i < b->count; i++)
			farthest = fmaxf(farthest, b->distances[i]);
		if (!b->must && farthest <= b->distance)
		{
			if (got.place != -1)
				return false;
		}
		else if (got.place < 0 || b->distances[got.place] != farthest)
			return false;
	}
	if (b->must && (got.place < 0 || !got.chosen))
		return false;

	/*
	 * "the chosen neighbours that it comes between are demoted", if it gets a
	 * place and is chosen
	 */
	for (int i = 0, n = 0; i < b->count; i++)
	{
		bool		demote = chosen && got.place >= 0 && b->links[i] & GRAPH_LINK_CHOSEN && is_filler(b, i);

		if (demote && (n >= demoted_count || demoted[n++] != (uint32_t) i))
			return false;
		if (i == b->count - 1 && n != demoted_count)
			return false;
	}
	return b->count > 0 || demoted_count == 0;
}

static bool
test_back_link(void)
{
	for (int round = 0; round < 50000; round++)
	{
		Back		back;

		make_back(&back, round % 3);
		if (!back_good(&back))
		{
			printf("# round %d: %d links of %d, distance %g, must %d\n", round, back.count, back.room, back.distance, back.must);
			return false;
		}
	}
	return true;
}

/* Distances that are NaN, as from a broken page, do no harm. */
static bool
test_nan(void)
{
	bool		good = true;

	for (int round = 0; round < 1000; round++)
	{
		Back		b;
		uint32_t	demoted[MAX_COUNT];
		int			demoted_count;
		GraphBackLink got;

		make_back(&b, 1);
		for (int i = 0; i < b.count; i++)
		{
			if (random_bits() % 2 == 0)
				b.distances[i] = NAN;
			if (random_bits() % 2 == 0)
				b.to_new[i] = NAN;
		}
		got = graph_back_link(b.links, b.distances, b.to_new, b.count, b.room, b.relax, b.distance, b.must,
							  demoted, &demoted_count);
		good &= got.place >= -1 && got.place < b.room && got.place <= b.count && (!b.must || got.place >= 0);
		for (int i = 0; i < demoted_count; i++)
			good &= demoted[i] < (uint32_t) b.count;
	}
	return good;
}

int
main(void)
{
	ok(test_select(), "a new node's links");
	ok(test_back_link(), "a link back to a new node");
	ok(test_nan(), "a link back among distances that are NaN");
	ok(graph_relax(GRAPH_IP) == 1 && graph_relax(GRAPH_L2) >= 1 && graph_relax(GRAPH_COSINE) == graph_relax(GRAPH_L2) &&
	   graph_relax(GRAPH_L1) >= 1, "factors of the rule");
	return done_testing();
}
