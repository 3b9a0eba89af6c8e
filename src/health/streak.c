/* streak.c - rise and fall. */
#include "health_internal.h"

/* The first result ever decides at once: a gateway that starts must not keep its clients waiting. */
bool health__streak_note(struct streak *s, const struct health_conf *c, bool good)
{
	bool first = !s->checked, was_up = s->up;

	s->checked = true;
	s->n_good = good ? s->n_good + 1 : 0;
	s->n_bad = good ? 0 : s->n_bad + 1;
	if (good && (first || s->n_good >= c->rise))
		s->up = true;
	if (!good && s->n_bad >= c->fall)
		s->up = false;
	return s->up != was_up;
}
