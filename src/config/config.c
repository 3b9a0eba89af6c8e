/* config.c - one load from file to value: read, then check; what the rest of the program calls. */
#include "sixgate/config/config.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fields.h"
#include "sixgate/base/must.h"

/* The configuration owns the memory that it lies in itself. */
struct loaded {
	struct config config; /* first */
	struct memory memory;
};

struct config_place {
	const char *key; /* static */
	char text[CONFIG_PLACE_MAX];
};

static struct loaded *loaded_new(void)
{
	struct loaded *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	config__default(&l->config);
	l->config.arena = &l->memory;
	return l;
}

void config_free(struct config *c)
{
	struct loaded *l = (struct loaded *)c;

	if (!c)
		return;
	memory__free(&l->memory);
	free(l);
}

/* What is asked for once the tree is gone. */
static void keep_places(const struct reader *r, struct loaded *l)
{
	struct config_place *kept = memory__take(&l->memory, (r->n_kept + 1) * sizeof(*kept));

	if (!kept)
		return;
	for (size_t i = 0; i < r->n_kept; i++) {
		const struct mark at = tree__place(r->kept[i].tree);

		kept[i].key = r->kept[i].key;
		snprintf(kept[i].text, sizeof(kept[i].text), "%s:%d:%d: ", r->problems->name[at.file],
			 at.line, at.column);
	}
	l->config.place = kept;
	l->config.n_place = r->n_kept;
}

const char *config_place(const struct config *c, const char *key, char out[CONFIG_PLACE_MAX])
{
	out[0] = '\0';
	for (size_t i = 0; i < c->n_place; i++)
		if (strcmp(c->place[i].key, key) == 0)
			memcpy(out, c->place[i].text, CONFIG_PLACE_MAX);
	return out;
}

static int read_and_check(struct loaded *l, struct tree *root, struct problems *problems)
{
	struct reader r = { .memory = &l->memory, .problems = problems, .root = root };

	reader__read(&r, &l->config);
	if (!r.no_memory)
		reader__check(&r, &l->config);
	keep_places(&r, l);
	free(r.place);
	return r.no_memory ? -ENOMEM : 0;
}

/* @rc: how far the file itself was read; @root: NULL if not to its end. */
static int finish(int rc, struct tree *root, struct problems *problems, struct config **out)
{
	struct loaded *l = NULL;

	if (root && rc != -ENOMEM) {
		l = loaded_new();
		rc = l ? read_and_check(l, root, problems) : -ENOMEM;
	}
	if (!rc && problems->n + problems->n_more)
		rc = -EINVAL;
	if (rc) {
		config_free(l ? &l->config : NULL);
		return rc;
	}
	*out = &l->config;
	return 0;
}

static int report(int rc, struct problems *problems, const char *name, struct config_errors *errors)
{
	if (rc && !problems->n) {
		if (!problems->n_files)
			problems__file(problems, name);
		problems__add(problems, (struct mark){ 0 }, "%s", strerror(-rc));
	}
	problems__fill(problems, errors);
	problems__fini(problems);
	return rc;
}

int config_load(const char *path, struct config **out, struct config_errors *errors)
{
	struct problems problems = { 0 };
	struct memory m = { 0 };
	struct tree *root = NULL;
	int rc = tree__load(&root, path, &m, &problems);

	rc = finish(rc, root, &problems, out);
	rc = report(rc, &problems, path, errors);
	memory__free(&m);
	return rc;
}

/* tree__parse() writes into its text. */
static int parse_copy(struct tree **root, const char *text, size_t len, struct memory *m,
		      struct problems *problems)
{
	char *copy = memory__text(m, text, len);

	if (!copy)
		return -ENOMEM;
	return tree__parse(root, copy, len, 0, m, problems);
}

int config_parse(const char *name, const char *text, size_t len, struct config **out,
		 struct config_errors *errors)
{
	struct problems problems = { 0 };
	struct memory m = { 0 };
	struct tree *root = NULL;
	int rc;

	problems__file(&problems, name);
	if (len > TOTAL_BYTES_MAX) {
		problems__add(&problems, (struct mark){ 0 }, "is larger than 4 MiB");
		rc = -EINVAL;
	} else {
		rc = parse_copy(&root, text, len, &m, &problems);
	}
	rc = finish(rc, root, &problems, out);
	rc = report(rc, &problems, name, errors);
	memory__free(&m);
	return rc;
}
