/* next_hops.c - one block is published, older ones wait until every port has seen a newer. */
#include "next_hops.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "handover.h"
#include "sixgate/log/log.h"

/* A port that has taken up the running one never goes back; before that it may be about to use any of
 * the others. */
static bool all_see(const struct workers *w, const struct hops *running)
{
	for (unsigned i = 0; i < w->n; i++) {
		const struct worker_thread *t = &w->t[i];

		if (t->running && t->port && xdp_port_is(t->port) && xdp_port_sees(t->port) != running)
			return false;
	}
	return true;
}

bool next_hops__settled(const struct next_hops *n, const struct workers *w)
{
	return n->running && all_see(w, n->running);
}

void next_hops__retire(struct next_hops *n, const struct workers *w)
{
	if (n->n_retired == 0 || !all_see(w, n->running))
		return;
	for (unsigned i = 0; i < n->n_retired; i++)
		free(n->retired[i]);
	n->n_retired = 0;
}

void next_hops__take(struct next_hops *n, struct workers *w, int fd)
{
	char *bytes = NULL;
	size_t len = 0;
	int rc = fd < 0 ? -1 : handover__read(fd, &bytes, &len);
	struct hops *h = (struct hops *)bytes;

	next_hops__retire(n, w);
	if (rc || n->n_retired == HOPS_RETIRED_MAX || !hops_check(h, len)) {
		log_error("next hops from the parent cannot be taken");
		free(bytes);
		return;
	}
	if (n->running)
		n->retired[n->n_retired++] = n->running;
	n->running = h;
	for (unsigned i = 0; i < w->n; i++)
		if (w->t[i].port && xdp_port_is(w->t[i].port))
			xdp_port_set_hops(w->t[i].port, h);
	workers__wake(w);
}

void next_hops__free(struct next_hops *n)
{
	for (unsigned i = 0; i < n->n_retired; i++)
		free(n->retired[i]);
	free(n->running);
	memset(n, 0, sizeof(*n));
}
