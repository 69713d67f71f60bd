/*
 * prune.c: the diversity rule, for a new node and for those that link back.
 *
 * The rule is that of Malkov and Yashunin (HNSW, 2018, algorithm 4): a candidate
 * is chosen unless one chosen before is nearer to it than the node itself, and
 * nearer by more than a factor of "relax" (Vamana's alpha, 2019).  Places left are
 * filled with the nearest of the rest.
 */
#include "graph/prune.h"

/*
 * How much nearer another must be.  Measured (README, "Links"): 1.2 of a squared
 * distance.  Inner products may be negative, and have no factors.
 */
float
graph_relax(GraphMetric metric)
{
	switch (metric)
	{
		case GRAPH_IP:
			return 1;
		case GRAPH_L1:
		case GRAPH_JACCARD:
			return 1.1f;
		default:
			return 1.2f;
	}
}

/*
 * Pick at most "room" of count candidates, which are sorted by distance; of them
 * at most "most" by the rule.  picked[0 .. chosen - 1] are the indexes of those
 * the rule chose, what follows are fillers.  Returns how many were picked.
 */
int
graph_select(const GraphNear *candidates, int count, int room, int most, float relax,
			 GraphPairDistance pair, void *context, int *picked, int *chosen)
{
	int			n = 0;
	int			next = 0;

	if (most > room)
		most = room;
	for (int i = 0; i < count && n < most; i++)
	{
		bool		diverse = true;

		for (int j = 0; j < n && diverse; j++)
			diverse = relax * pair(context, i, picked[j]) >= candidates[i].distance;
		if (diverse)
			picked[n++] = i;
	}
	*chosen = n;
	for (int i = 0; i < count && n < room; i++)
	{
		if (next < *chosen && picked[next] == i)
			next++;
		else
			picked[n++] = i;
	}
	return n;
}

/*
 * Decide on a link to a new node from one that has "count" links and room for
 * "room": distances[i] is how far its neighbour i is from it, to_new[i] how far
 * from the new node, which is "distance" away.
 *
 * The new node is chosen unless a chosen neighbour is nearer to both, or if it
 * "must" be; then the chosen neighbours that it comes between are demoted to
 * fillers: their indexes are put into demoted[0 .. *demoted_count - 1].  A new
 * node that is not chosen takes a free place only.
 */
GraphBackLink
graph_back_link(const uint32_t *links, const float *distances, const float *to_new,
				int count, int room, float relax, float distance, bool must, uint32_t *demoted, int *demoted_count)
{
	GraphBackLink result = {-1, true};
	int			victim = -1;
	bool		victim_chosen = true;

	*demoted_count = 0;
	for (int i = 0; i < count && !must && result.chosen; i++)
	{
		if (links[i] & GRAPH_LINK_CHOSEN && distances[i] <= distance && relax * to_new[i] < distance)
			result.chosen = false;
	}
	if (count < room)
		result.place = count;
	if (!result.chosen)
		return result;

	/* The farthest filler goes, or else the farthest of all. */
	for (int i = 0; i < count; i++)
	{
		bool		chosen = (links[i] & GRAPH_LINK_CHOSEN) != 0;

		if (chosen && distances[i] > distance && relax * to_new[i] < distances[i])
		{
			demoted[(*demoted_count)++] = i;
			chosen = false;
		}
		if (victim < 0 || (victim_chosen && !chosen) ||
			(victim_chosen == chosen && distances[i] > distances[victim]))
		{
			victim = i;
			victim_chosen = chosen;
		}
	}
	if (count < room)
		return result;
	if (victim_chosen && !must && distances[victim] <= distance)
	{
		*demoted_count = 0;
		return result;
	}
	result.place = victim;
	return result;
}
