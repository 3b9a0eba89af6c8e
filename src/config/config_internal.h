/*
 * config_internal.h - what the files of this room share: memory of one load, the tree a file
 * becomes, problems with their places.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/complaint.h"
#include "sixgate/config/config.h"

/** Bounds on what a file may make us do. */
enum {
	FILE_BYTES_MAX = 1 << 20,
	TOTAL_BYTES_MAX = 4 << 20, /* of all files together */
	FILES_MAX = 64,
	MAP_KEYS_MAX = 256,
	INCLUDE_DEPTH_MAX = 8,
	TREE_DEPTH_MAX = 16,
	SCALAR_MAX = 1024,   /* bytes of one value */
	REPAIRS_MAX = 32,    /* unquoted `::` found in one file */
	PROBLEMS_MAX = 1000, /* kept; the rest is counted */
	KEY_PATH_MAX = 192
};

/** struct memory - blocks that are freed together. Zero is empty. */
struct memory_block;
struct memory {
	struct memory_block *newest;
};

/** memory__take() - @n zeroed bytes, aligned for anything; NULL when there is no memory. */
void *memory__take(struct memory *m, size_t n);
/** memory__text() - a copy with a NUL behind it, or NULL. */
char *memory__text(struct memory *m, const char *text, size_t len);
void memory__free(struct memory *m);

/** struct mark - a place; @line and @column from 1, line 0: none. @file: number in the order of
 *  reading. */
struct mark {
	int file, line, column;
};

enum tree_kind { TREE_NOTHING, TREE_SCALAR, TREE_LIST, TREE_MAP };

/**
 * struct tree - a value of the file
 * @key, @key_mark: its name, if the parent is a map
 * @text: of a scalar, without NUL inside
 * @bad:  a problem is known with it; @bad_below: with something in it
 */
struct tree {
	enum tree_kind kind;
	bool bad, bad_below;
	struct mark mark, key_mark;
	const char *key, *text;
	struct tree *parent, *first, *last, *next;
	size_t n; /* entries */
};

struct tree *tree__find(const struct tree *map, const char *key);
void tree__append(struct tree *parent, struct tree *child);
/** tree__path() - "services[0].nodes[2].address". Return: @text. */
const char *tree__path(const struct tree *t, char text[KEY_PATH_MAX]);
/** tree__place() - of its key, if it has one: where "is missing" and "unknown" point to. */
struct mark tree__place(const struct tree *t);

struct problem {
	struct mark mark;
	size_t number; /* in the order of finding, to keep the sort stable */
	char *text;
};

/**
 * struct problems - what is wrong, while it is being collected
 * @name: of each file
 */
struct problems {
	struct problem *problem;
	size_t n, n_more;
	char name[FILES_MAX][PATH_TEXT_MAX];
	int n_files;
};

/** problems__file() - Return: number of the file called @name. At most FILES_MAX. */
int problems__file(struct problems *p, const char *name);
void problems__add(struct problems *p, struct mark at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** problems__at() - says where in the tree, marks it bad, and begins with the path of its keys.
 *  @t may be NULL. */
void problems__at(struct problems *p, struct tree *t, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** problems__fill() - sorted by place, as many as fit. */
void problems__fill(struct problems *p, struct config_errors *out);
void problems__fini(struct problems *p);

/** printable__text() - @in cut to fit, whatever could trouble a terminal replaced. */
const char *printable__text(const char *in, char *out, size_t size);

/** text__is_clean() - UTF-8 without control letters or YAML directives; else one problem is added. */
bool text__is_clean(const char *text, size_t len, int file, struct problems *problems);

/**
 * tree__parse() - YAML to tree
 * @text:  changed on the way
 * @file:  number, see problems__file()
 * @out:   TREE_NOTHING for an empty file; owned by @m; NULL if the file could not be read to its end
 *
 * Return: 0; -EINVAL with problems added; -ENOMEM.
 */
int tree__parse(struct tree **out, char *text, size_t len, int file, struct memory *m,
		struct problems *problems);

/** tree__load() - a file and what it includes, merged. Return: as tree__parse(), or another
 *  negative errno if the file itself cannot be read (one problem added). */
int tree__load(struct tree **out, const char *path, struct memory *m, struct problems *problems);

/** struct place - which part of the file a piece of the configuration came from. */
struct place {
	const char *at;
	size_t size;
	struct tree *tree;
};

enum { KEPT_PLACES_MAX = 16 };

/** struct kept_place - of a key whose place config_place() may be asked for. */
struct kept_place {
	const char *key;
	const struct tree *tree;
};

/** struct reader - the state of one load. */
struct reader {
	struct memory *memory; /* of the configuration */
	struct problems *problems;
	struct tree *root;
	struct place *place;
	size_t n_place, place_room;
	struct kept_place kept[KEPT_PLACES_MAX];
	size_t n_kept;
	bool no_memory;
};

/** reader__read() - the tree into @c, which holds the defaults. */
void reader__read(struct reader *r, struct config *c);
/** reader__check() - the rooms' own rules and those between sections. */
void reader__check(struct reader *r, struct config *c);
/** reader__tree_of() - the part of the file that the smallest known piece around @member came
 *  from; the whole file at least. */
struct tree *reader__tree_of(const struct reader *r, const void *member);

/** config__default() - every section with its defaults, all off. */
void config__default(struct config *c);
