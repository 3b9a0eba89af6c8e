/*
 * tree.c - YAML to a small tree, by libfyaml's events.
 *
 * Of YAML only what a configuration needs: one document of maps, lists and scalars. Aliases are
 * refused, for they make files grow; tags are ignored, for our tables know the types. An address
 * that ends in `::` and has no quotes is read by YAML as a key: where that ends in an error or in a
 * map, the operator is told so, and reading goes on as if the quotes were there.
 */
#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>
#include <string.h>
#include "config_internal.h"
#include "sixgate/base/addr.h"
#include "sixgate/base/must.h"

#define NEEDS_QUOTES "the address %s:: needs quotes: \"%s::\" (without them YAML takes it for a key)"

/* Stands for the last ':' of an address that needs quotes, once that was said. */
enum { REPAIRED = ';' };

struct parse {
	struct fy_parser *parser;
	struct memory *memory;
	struct problems *problems;
	char *text;
	size_t len;
	int file;
	struct tree *root, *open;   /* open: the map or list being filled */
	const char *key;            /* of the value to come, when @open is a map */
	struct mark key_mark;
	int depth;
	struct bracket {
		struct mark at;
		char letter; /* '[' or '{', or another where the list or map has none */
	} bracket[TREE_DEPTH_MAX]; /* of each that is open */
	struct fy_mark last;        /* the last plain scalar, */
	char last_text[ADDR_TEXT_MAX]; /* if it is short */
	struct fy_mark repaired[REPAIRS_MAX];
	size_t n_repaired;
};

enum step { STEP_ON, STEP_DONE, STEP_FAILED, STEP_NO_MEMORY };

struct tree *tree__find(const struct tree *map, const char *key)
{
	for (struct tree *t = map->first; t; t = t->next)
		if (t->key && !strcmp(t->key, key))
			return t;
	return NULL;
}

void tree__append(struct tree *parent, struct tree *child)
{
	child->parent = parent;
	child->next = NULL;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->n++;
}

struct mark tree__place(const struct tree *t)
{
	return t->kind == TREE_SCALAR || !t->key_mark.line ? t->mark : t->key_mark;
}

const char *tree__path(const struct tree *t, char text[KEY_PATH_MAX])
{
	char head[KEY_PATH_MAX - 24] = "", key[64];
	size_t at = 0;

	if (t->parent && t->parent->parent) {
		tree__path(t->parent, text);
		snprintf(head, sizeof(head), "%s", text);
	}
	if (t->key) {
		snprintf(text, KEY_PATH_MAX, "%s%s%s", head, *head ? "." : "",
			 printable__text(t->key, key, sizeof(key)));
		return text;
	}
	for (const struct tree *s = t->parent ? t->parent->first : t; s != t; s = s->next)
		at++;
	snprintf(text, KEY_PATH_MAX, "%s[%zu]", head, at);
	return text;
}

static struct mark mark_of(const struct parse *p, const struct fy_mark *m)
{
	return m ? (struct mark){ p->file, m->line + 1, m->column + 1 } : (struct mark){ p->file, 0, 0 };
}

static enum step fail(struct parse *p, struct mark at, const char *text)
{
	problems__add(p->problems, at, "%s", text);
	return STEP_FAILED;
}

static struct tree *tree_new(struct parse *p, enum tree_kind kind, struct mark at)
{
	struct tree *t = memory__take(p->memory, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct tree){ .kind = kind, .mark = at, .key = p->key };
	if (p->key) {
		t->key_mark = p->key_mark;
		if (!at.line)
			t->mark = p->key_mark;
		p->key = NULL;
	}
	if (p->open)
		tree__append(p->open, t);
	else
		p->root = t;
	return t;
}

/* "2001:db8:" with YAML having eaten one colon. */
static bool is_cut_address(const char *text)
{
	char whole[ADDR_TEXT_MAX + 1];
	struct addr a;
	size_t n = strlen(text);

	if (!n || text[n - 1] != ':' || n + 1 >= sizeof(whole))
		return false;
	snprintf(whole, sizeof(whole), "%s:", text);
	return addr_parse(whole, &a) == 0;
}

static void say_needs_quotes(struct parse *p, struct mark at, const char *cut)
{
	char head[ADDR_TEXT_MAX];

	snprintf(head, sizeof(head), "%.*s", (int)strlen(cut) - 1, cut);
	problems__add(p->problems, at, NEEDS_QUOTES, head, head);
}

static bool was_repaired(const struct parse *p, const struct fy_mark *at)
{
	for (size_t i = 0; at && i < p->n_repaired; i++)
		if (p->repaired[i].input_pos == at->input_pos)
			return true;
	return false;
}

static void remember_last(struct parse *p, const struct fy_mark *at, const char *text, size_t len)
{
	p->last_text[0] = '\0';
	if (!at || len + 1 > sizeof(p->last_text))
		return;
	memcpy(p->last_text, text, len);
	p->last_text[len] = '\0';
	p->last = *at;
}

static enum step take_key(struct parse *p, const char *text, struct mark at)
{
	if (p->open->n == MAP_KEYS_MAX)
		return fail(p, at, "has too many keys");
	p->key = text;
	p->key_mark = at;
	return STEP_ON;
}

static enum step take_scalar(struct parse *p, struct fy_token *token)
{
	const struct fy_mark *m = token ? fy_token_start_mark(token) : NULL;
	struct mark at = mark_of(p, m);
	size_t len = 0;
	const char *text = token ? fy_token_get_text(token, &len) : "";
	bool plain = !token || fy_token_scalar_style(token) == FYSS_PLAIN;
	bool repaired = was_repaired(p, m);
	struct tree *t;
	char *copy;

	if (!text)
		return STEP_NO_MEMORY;
	if (len > SCALAR_MAX)
		return fail(p, at, "this value is too long");
	if (memchr(text, '\0', len))
		return fail(p, at, "this value has a NUL character in it");
	remember_last(p, plain ? m : NULL, text, len);
	copy = memory__text(p->memory, text, len);
	if (!copy)
		return STEP_NO_MEMORY;
	if (repaired && len && copy[len - 1] == REPAIRED)
		copy[len - 1] = ':';
	if (p->open && p->open->kind == TREE_MAP && !p->key)
		return take_key(p, copy, at);
	t = tree_new(p, TREE_SCALAR, at);
	if (!t)
		return STEP_NO_MEMORY;
	t->text = copy;
	if (plain && (!len || !strcmp(copy, "~") || !strcmp(copy, "null")))
		t->kind = TREE_NOTHING;
	return STEP_ON;
}

static enum step open_one(struct parse *p, enum tree_kind kind, const struct fy_mark *m)
{
	struct tree *t;

	if (p->open && p->open->kind == TREE_MAP && !p->key)
		return fail(p, mark_of(p, m), "expected a key, found a map or a list");
	if (++p->depth > TREE_DEPTH_MAX)
		return fail(p, mark_of(p, m), "is nested too deeply");
	t = tree_new(p, kind, mark_of(p, m));
	if (!t)
		return STEP_NO_MEMORY;
	p->open = t;
	p->bracket[p->depth - 1] = (struct bracket){ t->mark, m && m->input_pos < p->len ?
								       p->text[m->input_pos] : '\0' };
	return STEP_ON;
}

/* `[2001:db8::]` arrives as a list of one map of one key without a value. */
static void heal_address_map(struct parse *p, struct tree *t)
{
	struct tree *only = t->first;
	size_t n;
	char *text;

	if (t->kind != TREE_MAP || !only || only->next || only->kind != TREE_NOTHING ||
	    !is_cut_address(only->key))
		return;
	say_needs_quotes(p, only->key_mark, only->key);
	n = strlen(only->key);
	text = memory__text(p->memory, only->key, n + 1);
	if (!text)
		return;
	text[n] = ':';
	t->kind = TREE_SCALAR;
	t->mark = only->key_mark;
	t->text = text;
	t->first = t->last = NULL;
}

static enum step close_one(struct parse *p)
{
	struct tree *t = p->open;

	must(t);
	p->open = t->parent;
	p->depth--;
	heal_address_map(p, t);
	return STEP_ON;
}

/* In its place stands a value that is known to be bad, so that the rest of the file is read. */
static enum step refuse_alias(struct parse *p, struct mark at)
{
	static const char why[] = "aliases (*name) are not used in this file: write the value itself";
	struct tree *t;

	if (!p->open || (p->open->kind == TREE_MAP && !p->key))
		return fail(p, at, why);
	t = tree_new(p, TREE_SCALAR, at);
	if (!t)
		return STEP_NO_MEMORY;
	t->text = memory__text(p->memory, "", 0);
	if (!t->text)
		return STEP_NO_MEMORY;
	problems__at(p->problems, t, "%s", why);
	return STEP_ON;
}

/* The innermost that stands open in a line before @e, where that may be what is wrong. */
static const struct bracket *unclosed(const struct parse *p, const struct fy_diag_error *e)
{
	static const char *const said[] = { "missing comma", "without a closing", "wrongly indented flow" };
	bool known = false;

	for (size_t i = 0; e && e->msg && i < ARRAY_LEN(said); i++)
		known |= strstr(e->msg, said[i]) != NULL;
	if (!known)
		return NULL;
	for (int i = p->depth; i-- > 0;) {
		const struct bracket *b = &p->bracket[i];

		if (b->letter == '[' || b->letter == '{')
			return b->at.line < e->line ? b : NULL;
	}
	return NULL;
}

/* libfyaml knows where it stopped, which for a bracket that is not closed may be anywhere behind it; where
 * it does not say, nobody does. */
static enum step syntax_error(struct parse *p, struct fy_diag *diag)
{
	void *at = NULL;
	struct fy_diag_error *e = fy_diag_errors_iterate(diag, &at);
	const struct bracket *b = unclosed(p, e);
	struct mark mark = { p->file, e ? e->line : 0, e ? e->column : 0 };
	char text[200];

	printable__text(e && e->msg ? e->msg : "cannot be read", text, sizeof(text));
	if (b)
		problems__add(p->problems, b->at,
			      "this is not YAML: %c is not closed, or something in it is wrong (line %d, column "
			      "%d: %s)",
			      b->letter, e->line, e->column, text);
	else
		problems__add(p->problems, mark, "this is not YAML: %s", text);
	return STEP_FAILED;
}

static enum step take_event(struct parse *p, struct fy_event *e)
{
	/* No default, so that the compiler names an event that is forgotten here. */
	switch (e->type) {
	case FYET_DOCUMENT_START:
		if (p->root)
			return fail(p, mark_of(p, fy_event_start_mark(e)),
				    "expected one document, found a second (---)");
		return STEP_ON;
	case FYET_MAPPING_START:
		return open_one(p, TREE_MAP, fy_event_start_mark(e));
	case FYET_SEQUENCE_START:
		return open_one(p, TREE_LIST, fy_event_start_mark(e));
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return close_one(p);
	case FYET_SCALAR:
		return take_scalar(p, e->scalar.value);
	case FYET_ALIAS:
		return refuse_alias(p, mark_of(p, fy_event_start_mark(e)));
	case FYET_STREAM_END:
		return STEP_DONE;
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_DOCUMENT_END:
		return STEP_ON;
	}
	return STEP_ON;
}

static void start_again(struct parse *p)
{
	p->root = p->open = NULL;
	p->key = NULL;
	p->depth = 0;
	p->last_text[0] = '\0';
}

static enum step run_parser(struct parse *p, struct fy_diag *diag)
{
	enum step step = STEP_ON;

	if (fy_parser_set_string(p->parser, p->text, p->len))
		return STEP_NO_MEMORY;
	while (step == STEP_ON) {
		struct fy_event *e = fy_parser_parse(p->parser);

		if (!e)
			return is_cut_address(p->last_text) ? STEP_FAILED : syntax_error(p, diag);
		step = take_event(p, e);
		fy_parser_event_free(p->parser, e);
	}
	return step;
}

static void say_nothing(struct fy_diag *diag, void *user, const char *buf, size_t len)
{
	(void)diag, (void)user, (void)buf, (void)len;
}

static enum step parse_once(struct parse *p)
{
	struct fy_diag_cfg quiet;
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
					     FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE |
					     FYPCF_DISABLE_MMAP_OPT };
	enum step step = STEP_NO_MEMORY;

	fy_diag_cfg_default(&quiet);
	quiet.fp = NULL;
	quiet.output_fn = say_nothing;
	cfg.diag = fy_diag_create(&quiet);
	if (!cfg.diag)
		return step;
	fy_diag_set_collect_errors(cfg.diag, true);
	p->parser = fy_parser_create(&cfg);
	if (p->parser) {
		start_again(p);
		step = run_parser(p, cfg.diag);
		fy_parser_destroy(p->parser);
	}
	fy_diag_destroy(cfg.diag);
	return step;
}

/* Puts a harmless letter in place of the last colon, so that the rest of the file can be read. */
static bool repair(struct parse *p)
{
	size_t n = strlen(p->last_text), at = p->last.input_pos + n;

	if (!is_cut_address(p->last_text) || p->n_repaired == REPAIRS_MAX || at >= p->len ||
	    p->text[at] != ':')
		return false;
	say_needs_quotes(p, mark_of(p, &p->last), p->last_text);
	p->text[at] = REPAIRED;
	p->repaired[p->n_repaired++] = p->last;
	return true;
}

int tree__parse(struct tree **out, char *text, size_t len, int file, struct memory *m,
		struct problems *problems)
{
	struct parse p = { .memory = m, .problems = problems, .text = text, .len = len, .file = file };
	size_t before = problems->n + problems->n_more;
	enum step step;

	*out = NULL;
	if (!text__is_clean(text, len, file, problems))
		return -EINVAL;
	do {
		step = parse_once(&p);
	} while (step == STEP_FAILED && repair(&p));

	if (step == STEP_NO_MEMORY)
		return -ENOMEM;
	if (step == STEP_DONE && !p.root) {
		p.root = memory__take(m, sizeof(*p.root));
		if (!p.root)
			return -ENOMEM;
		p.root->mark = (struct mark){ file, 0, 0 };
	}
	*out = step == STEP_DONE ? p.root : NULL;
	return problems->n + problems->n_more != before ? -EINVAL : 0;
}
