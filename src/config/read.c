/*
 * read.c - the tree into the structs, by the tables.
 *
 * What is wrong is noted with its place and the member keeps its default, so that one run finds
 * everything. Remembers which part of the file each member came from, for the checks to point to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fields.h"
#include "sixgate/base/must.h"

static void read_field(struct reader *r, const struct field *f, struct tree *t, void *base);

/* Without memory for places the complaints lose theirs; nothing else. */
static void note_place(struct reader *r, const void *at, size_t size, struct tree *t)
{
	if (!size)
		return;
	if (r->n_place == r->place_room) {
		size_t room = r->place_room ? r->place_room * 2 : 256;
		struct place *more = realloc(r->place, room * sizeof(*more));

		if (!more)
			return;
		r->place = more;
		r->place_room = room;
	}
	r->place[r->n_place++] = (struct place){ at, size, t };
}

struct tree *reader__tree_of(const struct reader *r, const void *member)
{
	const char *at = member;
	const struct place *best = NULL;

	for (size_t i = 0; i < r->n_place; i++) {
		const struct place *p = &r->place[i];

		if (at >= p->at && at < p->at + p->size && (!best || p->size < best->size))
			best = p;
	}
	return best ? best->tree : r->root;
}

/* What stands there, for "found ...". */
static const char *found(const struct tree *t, char out[80])
{
	char text[64];

	if (t->kind == TREE_SCALAR)
		snprintf(out, 80, "%s", *t->text ? printable__text(t->text, text, sizeof(text)) :
						   "an empty text");
	else
		snprintf(out, 80, "%s", t->kind == TREE_LIST ? (t->n ? "a list" : "an empty list") :
				       t->kind == TREE_MAP  ? "a map" :
							      "nothing");
	return out;
}

static void expected(struct reader *r, const struct field *f, struct tree *t, const struct err *hint)
{
	char what[VALUE_TEXT_MAX], text[80];

	problems__at(r->problems, t, "expected %s, found %s%s%s", value__expected(f, what),
		     found(t, text), hint && hint->text[0] ? ": " : "", hint ? hint->text : "");
}

static void read_scalar(struct reader *r, const struct field *f, struct tree *t, void *member)
{
	struct err hint = { "" };
	int rc;

	if (t->kind != TREE_SCALAR) {
		expected(r, f, t, NULL);
		return;
	}
	rc = value__read(f, t->text, member, r->memory, &hint);
	if (rc == -ENOMEM)
		r->no_memory = true;
	else if (rc)
		expected(r, f, t, &hint);
}

static void read_set(struct reader *r, const struct field *f, struct tree *t, void *member)
{
	struct tree *one = t->kind == TREE_LIST ? t->first : t;
	int64_t set = 0;

	if (!one)
		expected(r, f, t, NULL);
	for (; one; one = t->kind == TREE_LIST ? one->next : NULL) {
		const struct word *w =
			one->kind == TREE_SCALAR ? word__find(f->words, one->text) : NULL;

		if (w)
			set |= w->value;
		else
			expected(r, f, one, NULL);
	}
	if (set)
		integer__set(member, f->size, set);
}

static bool is_empty_list(const struct tree *t)
{
	return t->kind == TREE_LIST && !t->first;
}

/* Off is off, whether or not the feature is there. */
static void read_unbuilt(struct reader *r, const struct field *f, struct tree *t)
{
	if (is_empty_list(t) || t->kind == TREE_NOTHING)
		return;
	if (t->kind == TREE_SCALAR && (word__find(f->words, t->text) || !strcmp(t->text, "false")))
		return;
	problems__at(r->problems, t, "this is not built yet%s%s%s",
		     f->words ? ": leave it out, or say `" : ": leave it out",
		     f->words ? f->words->text : "", f->words ? "`" : "");
}

static const char *known_key(const void *of, size_t i)
{
	const struct record *record = of;

	return record->field[i].key;
}

static void unknown_key(struct reader *r, const struct record *record, struct tree *t)
{
	const char *near = config_nearest(t->key, known_key, record, record->n);
	char whole[ADDR_TEXT_MAX + 1];
	struct addr a;

	snprintf(whole, sizeof(whole), "%s:", t->key);
	if (strlen(t->key) + 1 < sizeof(whole) && addr_parse(whole, &a) == 0)
		problems__at(r->problems, t,
			     "the address %s needs quotes: \"%s\" (without them YAML takes it for "
			     "a key)", whole, whole);
	else if (near)
		problems__at(r->problems, t, "unknown key; did you mean `%s`?", near);
	else
		problems__at(r->problems, t, "unknown key");
}

static const struct field *field_of(const struct record *record, const char *key)
{
	for (size_t i = 0; i < record->n; i++)
		if (!strcmp(record->field[i].key, key))
			return &record->field[i];
	return NULL;
}

static void check_keys(struct reader *r, const struct record *record, struct tree *map)
{
	for (struct tree *t = map->first; t; t = t->next) {
		struct tree *first = tree__find(map, t->key);

		if (!field_of(record, t->key)) {
			unknown_key(r, record, t);
			map->bad = true; /* what seems to be missing may be this */
		}
		else if (first != t)
			problems__at(r->problems, t, "stands twice, first in line %d",
				     first->key_mark.line);
	}
}

static void missing(struct reader *r, const struct field *f, struct tree *t)
{
	problems__at(r->problems, t, "`%s` is missing: %s", f->key, f->help);
}

static void read_keys(struct reader *r, const struct record *record, struct tree *map, void *base)
{
	check_keys(r, record, map);
	for (size_t i = 0; i < record->n; i++) {
		struct tree *t = tree__find(map, record->field[i].key);

		if (t)
			read_field(r, &record->field[i], t, base);
		else if (record->field[i].flags & FIELD_REQUIRED)
			missing(r, &record->field[i], map);
	}
}

/* The short form: one key's value in place of the map. */
static void read_short(struct reader *r, const struct record *record, struct tree *t, void *base)
{
	for (size_t i = 0; i < record->n; i++) {
		const struct field *f = &record->field[i];

		if (!strcmp(f->key, record->short_key))
			read_field(r, f, t, base);
		else if (f->flags & FIELD_REQUIRED)
			missing(r, f, t);
	}
}

static void read_record(struct reader *r, const struct record *record, struct tree *t, void *base)
{
	char text[80];

	note_place(r, base, record->size, t);
	if (t->kind == TREE_SCALAR && record->short_key)
		read_short(r, record, t, base);
	else if (t->kind == TREE_MAP || t->kind == TREE_NOTHING)
		read_keys(r, record, t, base);
	else {
		problems__at(r->problems, t, "expected %s as a map of keys, found %s", record->what,
			     found(t, text));
		return;
	}
	if (record->finish)
		record->finish(r, t, base);
}

static void read_item(struct reader *r, const struct field *item, struct tree *t, void *at)
{
	if (t->bad)
		return;
	if (item->kind != FIELD_RECORD) {
		note_place(r, at, item->size, t);
		read_scalar(r, item, t, at);
		return;
	}
	if (item->record->init)
		item->record->init(at);
	read_record(r, item->record, t, at);
}

/* Where the entries go: into the struct, or into an array of their own. */
static void *list_room(struct reader *r, const struct field *f, size_t n, void *base)
{
	const struct list *list = f->list;
	void *room;

	if (list->in_place) {
		memset(field__member(f, base), 0, f->size);
		return field__member(f, base);
	}
	room = memory__take(r->memory, (n ? n : 1) * list->item->size);
	if (room)
		memcpy(field__member(f, base), &room, sizeof(room));
	return room;
}

static void set_list_word(const struct list *list, void *base, bool yes)
{
	if (list->word)
		*((bool *)((char *)base + list->word_at)) = yes;
}

static void set_count(const struct list *list, void *base, size_t n)
{
	integer__set((char *)base + list->count_at, list->count_size, (int64_t)n);
}

static void read_list(struct reader *r, const struct field *f, struct tree *t, void *base)
{
	const struct list *list = f->list;
	struct tree *one = t->kind == TREE_LIST ? t->first : t;
	size_t n = t->kind == TREE_LIST ? t->n : 1;
	char *at;

	if (list->word && t->kind == TREE_SCALAR && !strcmp(t->text, list->word)) {
		set_list_word(list, base, true);
		return;
	}
	if (t->kind == TREE_NOTHING) {
		problems__at(r->problems, t, "expected a list, found nothing");
		return;
	}
	if (n < list->min) {
		problems__at(r->problems, t, "expected at least %zu entry; leave the key out for its default",
			     list->min);
		return;
	}
	if (n > list->max) {
		problems__at(r->problems, t, "expected at most %zu entries, found %zu", list->max, n);
		return;
	}
	at = list_room(r, f, n, base);
	if (!at) {
		r->no_memory = true;
		return;
	}
	set_list_word(list, base, false);
	set_count(list, base, n);
	for (size_t i = 0; i < n; i++, one = one->next)
		read_item(r, list->item, one, at + i * list->item->size);
	note_place(r, at, n * list->item->size, t);
}

static void read_value(struct reader *r, const struct field *f, struct tree *t, void *base)
{
	if (f->kind == FIELD_LIST)
		read_list(r, f, t, base);
	else if (f->kind == FIELD_SET)
		read_set(r, f, t, field__member(f, base));
	else
		read_scalar(r, f, t, field__member(f, base));
}

/* A part that can be left out may also say so: `router-advertisement: off`. */
static bool is_off(const struct field *f, const struct tree *t)
{
	return f->kind == FIELD_RECORD && f->words && t->kind == TREE_SCALAR &&
	       (word__find(f->words, t->text) || !strcmp(t->text, "false"));
}

static void keep_place(struct reader *r, const struct field *f, const struct tree *t)
{
	const char *key = f->restart ? f->restart : f->placed;

	if (key && r->n_kept < KEPT_PLACES_MAX)
		r->kept[r->n_kept++] = (struct kept_place){ key, t };
}

static void read_field(struct reader *r, const struct field *f, struct tree *t, void *base)
{
	void *member = field__member(f, base);

	if (is_off(f, t))
		return;
	if (f->present_at) {
		*((bool *)((char *)base + f->present_at)) = true;
		note_place(r, (char *)base + f->present_at, sizeof(bool), t);
	}
	if (t->bad)
		return; /* it could not be read at all */
	keep_place(r, f, t);
	if (f->kind == FIELD_UNBUILT) {
		read_unbuilt(r, f, t);
	} else if (f->kind == FIELD_INCLUDE) {
		problems__at(r->problems, t, "only a file can include files");
	} else if (f->kind == FIELD_RECORD) {
		if (f->record->init)
			f->record->init(member);
		read_record(r, f->record, t, member);
	} else {
		note_place(r, member, f->size, t);
		read_value(r, f, t, base);
	}
}

void reader__read(struct reader *r, struct config *c)
{
	read_record(r, &config__record, r->root, c);
}
