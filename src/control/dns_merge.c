/* dns_merge.c - see dns_merge.h. */
#include "dns_merge.h"
#include <string.h>

static const char *next_of(const struct dns_merge *m, unsigned i)
{
	return m->at[i] < m->told[i]->n ? m->told[i]->line[m->at[i]] : NULL;
}

/* Somebody says @line further on, but something else before. */
static bool is_said_later(const struct dns_merge *m, const char *line)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (!next_of(m, i) || strcmp(next_of(m, i), line) == 0)
			continue;
		for (unsigned k = m->at[i] + 1; k < m->told[i]->n; k++)
			if (strcmp(m->told[i]->line[k], line) == 0)
				return true;
	}
	return false;
}

/* What nobody says later comes first, so that the others catch up with what all say. */
static const char *choose(const struct dns_merge *m)
{
	const char *any = NULL;

	for (unsigned i = 0; i < m->n; i++) {
		const char *line = next_of(m, i);

		if (line && !is_said_later(m, line))
			return line;
		if (!any)
			any = line;
	}
	return any; /* they say it in another order */
}

const char *dns_merge__line(struct dns_merge *m, uint32_t *who)
{
	const char *line = choose(m);

	*who = 0;
	for (unsigned i = 0; line && i < m->n; i++) {
		if (!next_of(m, i) || strcmp(next_of(m, i), line) != 0)
			continue;
		m->at[i]++;
		*who |= UINT32_C(1) << i;
	}
	return line;
}

static bool same_answer(const struct dns64_told *a, const struct dns64_told *b)
{
	return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

const struct dns64_told *dns_merge__answer(const struct dns_merge *m, uint32_t *done, uint32_t *who)
{
	unsigned first = 0;

	while (first < m->n && *done >> first & 1)
		first++;
	*who = 0;
	for (unsigned i = first; i < m->n; i++)
		if (same_answer(m->told[first], m->told[i]))
			*who |= UINT32_C(1) << i;
	*done |= *who;
	return first < m->n ? m->told[first] : NULL;
}
