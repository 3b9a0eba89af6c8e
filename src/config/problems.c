/* problems.c - collects what is wrong with its places, and words it for the operator. Prints
 * nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_internal.h"
#include "sixgate/base/must.h"

int problems__file(struct problems *p, const char *name)
{
	must(p->n_files < FILES_MAX);
	printable__text(name, p->name[p->n_files], sizeof(p->name[0]));
	return p->n_files++;
}

const char *printable__text(const char *in, char *out, size_t size)
{
	size_t i;

	for (i = 0; in[i] && i + 1 < size; i++)
		out[i] = in[i] >= 0x20 && in[i] < 0x7f ? in[i] : '?';
	out[i] = '\0';
	if (in[i] && size > 4)
		memcpy(out + size - 4, "...", 4);
	return out;
}

/* The array grows in steps, so that a good file costs nothing. */
static struct problem *problem_slot(struct problems *p)
{
	enum { STEP = 50 };
	struct problem *more;

	if (p->n % STEP)
		return &p->problem[p->n];
	more = realloc(p->problem, (p->n + STEP) * sizeof(*more));
	if (!more)
		return NULL;
	p->problem = more;
	return &p->problem[p->n];
}

static void add(struct problems *p, struct mark at, const char *text)
{
	struct problem *slot;

	if (p->n >= PROBLEMS_MAX) {
		p->n_more++;
		return;
	}
	for (size_t i = 0; i < p->n; i++)
		if (p->problem[i].mark.file == at.file && p->problem[i].mark.line == at.line &&
		    p->problem[i].mark.column == at.column && !strcmp(p->problem[i].text, text))
			return;
	slot = problem_slot(p);
	if (slot)
		*slot = (struct problem){ .mark = at, .number = p->n, .text = strdup(text) };
	if (!slot || !slot->text)
		p->n_more++;
	else
		p->n++;
}

void problems__add(struct problems *p, struct mark at, const char *fmt, ...)
{
	char text[sizeof(((struct config_error *)0)->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add(p, at, text);
}

void problems__at(struct problems *p, struct tree *t, const char *fmt, ...)
{
	char text[sizeof(((struct config_error *)0)->text)], path[KEY_PATH_MAX];
	size_t n = 0;
	va_list ap;

	if (t && t->parent && p->n < PROBLEMS_MAX)
		n = (size_t)snprintf(text, sizeof(text), "%s: ", tree__path(t, path));
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	add(p, t ? tree__place(t) : (struct mark){ 0 }, text);
	if (t)
		t->bad = true;
	for (t = t ? t->parent : NULL; t; t = t->parent)
		t->bad_below = true;
}

static int compare(const void *left, const void *right)
{
	const struct problem *a = left, *b = right;

	if (a->mark.file != b->mark.file)
		return a->mark.file < b->mark.file ? -1 : 1;
	if (a->mark.line != b->mark.line)
		return a->mark.line < b->mark.line ? -1 : 1;
	if (a->mark.column != b->mark.column)
		return a->mark.column < b->mark.column ? -1 : 1;
	return a->number < b->number ? -1 : 1;
}

void problems__fill(struct problems *p, struct config_errors *out)
{
	out->n = p->n < ARRAY_LEN(out->error) ? p->n : ARRAY_LEN(out->error);
	out->n_more = p->n - out->n + p->n_more;
	if (p->n)
		qsort(p->problem, p->n, sizeof(*p->problem), compare);
	for (size_t i = 0; i < out->n; i++) {
		struct config_error *e = &out->error[i];
		struct mark at = p->problem[i].mark;

		snprintf(e->file, sizeof(e->file), "%s", p->name[at.file]);
		e->line = at.line;
		e->column = at.column;
		snprintf(e->text, sizeof(e->text), "%s", p->problem[i].text);
	}
}

const char *config_error_line(const struct config_error *at, char out[CONFIG_ERROR_LINE_MAX])
{
	if (at->line > 0)
		snprintf(out, CONFIG_ERROR_LINE_MAX, "%s:%d:%d: %s", at->file, at->line, at->column,
			 at->text);
	else
		snprintf(out, CONFIG_ERROR_LINE_MAX, "%s: %s", at->file, at->text);
	return out;
}

void problems__fini(struct problems *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->problem[i].text);
	free(p->problem);
}

/* Levenshtein's distance with swapped neighbours (Damerau), for keys shorter than ROW. */
static size_t distance(const char *a, const char *b)
{
	enum { ROW = 40 };
	size_t row[3][ROW], n = strlen(a), m = strlen(b);

	if (n + 1 > ROW || m + 1 > ROW)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *now = row[i % 3], *above = row[(i + 2) % 3], *two = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[n % 3][m];
}

/* Close enough to be a slip: a third of the letters, or one word of the key's. */
static bool is_close(const char *key, const char *candidate, size_t d)
{
	size_t n = strlen(candidate);

	if (d <= (n < 6 ? 2 : n / 3) && d < n)
		return true;
	return strlen(key) >= 3 && (strstr(candidate, key) || strstr(key, candidate));
}

const char *config_nearest(const char *key, const char *(*at)(const void *of, size_t i),
			   const void *of, size_t n)
{
	const char *best = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < n; i++) {
		const char *candidate = at(of, i);
		size_t d = candidate ? distance(key, candidate) : SIZE_MAX;

		if (d < least && is_close(key, candidate, d)) {
			best = candidate;
			least = d;
		}
	}
	return best;
}
