/* gather.c - whether, and how long, queries are let gather. */
#include "gather.h"

/* By a third: what chance does in a window of many queries is less. */
static bool is_slower(uint64_t gap_ns, uint64_t plain_gap_ns)
{
	return gap_ns * 3 > plain_gap_ns * 4;
}

static void rest(struct gather *g, uint64_t now_ns)
{
	g->rest_ns = g->rest_ns ? g->rest_ns * 2 : GATHER_REST_NS;
	if (g->rest_ns > GATHER_REST_MAX_NS)
		g->rest_ns = GATHER_REST_MAX_NS;
	g->rest_until_ns = now_ns + g->rest_ns;
	g->naps = false;
}

static void judge(struct gather *g, uint64_t now_ns)
{
	bool fast = g->gap_ns <= GATHER_GAP_NS;

	if (g->naps && is_slower(g->gap_ns, g->plain_gap_ns)) {
		rest(g, now_ns);
	} else if (g->naps) {
		g->naps = fast;
		g->rest_ns = 0;
	} else if (fast && now_ns >= g->rest_until_ns) {
		g->naps = true;
		g->plain_gap_ns = g->gap_ns;
	}
}

void gather__served(struct gather *g, struct batch_read b, uint64_t now_ns)
{
	uint64_t took = now_ns - g->since_ns;

	g->ready = b.n && b.n < b.most;
	g->n += b.n;
	if (!g->n || took < GATHER_WINDOW_NS)
		return;
	g->gap_ns = took / g->n;
	g->n = 0;
	g->since_ns = now_ns;
	judge(g, now_ns);
}

uint64_t gather__nap_ns(struct gather *g)
{
	uint64_t enough = g->gap_ns * GATHER_QUERIES;
	bool ready = g->ready;

	g->ready = false;
	if (!g->naps || !ready)
		return 0;
	return enough < GATHER_NAP_NS ? enough : GATHER_NAP_NS;
}
