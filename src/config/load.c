/* load.c - files and what they include, merged into one tree. What the keys mean is known here
 * only as far as lists of several files are joined and maps are merged. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fields.h"

struct loading {
	struct memory *memory;
	struct problems *problems;
	struct {
		dev_t dev;
		ino_t ino;
	} seen[FILES_MAX];
	int n_seen, depth;
	size_t total;
};

static int load_file(struct loading *l, const char *path, struct tree *asked, struct tree **out);

static const struct field *field_of(const struct record *record, const char *key)
{
	for (size_t i = 0; record && key && i < record->n; i++)
		if (!strcmp(record->field[i].key, key))
			return &record->field[i];
	return NULL;
}

/* A list of one may stand there without its list. */
static int make_list(struct memory *m, struct tree *t)
{
	struct tree *only;

	if (t->kind == TREE_LIST)
		return 0;
	only = memory__take(m, sizeof(*only));
	if (!only)
		return -ENOMEM;
	*only = *t;
	only->key = NULL;
	only->key_mark = (struct mark){ 0 };
	for (struct tree *child = only->first; child; child = child->next)
		child->parent = only;
	t->kind = TREE_LIST;
	t->first = t->last = NULL;
	t->n = 0;
	t->text = NULL;
	tree__append(t, only);
	return 0;
}

static int merge_lists(struct memory *m, struct tree *to, struct tree *from)
{
	struct tree *next;

	if (make_list(m, to) || make_list(m, from))
		return -ENOMEM;
	for (struct tree *t = from->first; t; t = next) {
		next = t->next;
		tree__append(to, t);
	}
	return 0;
}

static bool is_map(const struct tree *t)
{
	return t->kind == TREE_MAP || t->kind == TREE_NOTHING;
}

static void complain_of_second(struct loading *l, struct tree *first, struct tree *second)
{
	struct mark at = tree__place(first);

	problems__at(l->problems, second, "is set twice, first in %s:%d:%d",
		     l->problems->name[at.file], at.line, at.column);
}

static int merge_maps(struct loading *l, const struct record *record, struct tree *to,
		      struct tree *from)
{
	struct tree *next;
	int rc = 0;

	if (from->first)
		to->kind = TREE_MAP;
	for (struct tree *t = from->first; t && !rc; t = next) {
		const struct field *f = field_of(record, t->key);
		struct tree *same = tree__find(to, t->key);

		next = t->next;
		if (!same)
			tree__append(to, t);
		else if (f && f->kind == FIELD_LIST)
			rc = merge_lists(l->memory, same, t);
		else if (f && f->kind == FIELD_RECORD && is_map(same) && is_map(t))
			rc = merge_maps(l, f->record, same, t);
		else
			complain_of_second(l, same, t);
	}
	return rc;
}

/* "conf.d/x.yaml" beside the file that names it. */
static int beside(const char *path, const char *name, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	int dir = slash && name[0] != '/' ? (int)(slash - path) + 1 : 0;
	int n = snprintf(out, PATH_MAX, "%.*s%s", dir, path, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int include_one(struct loading *l, const char *path, struct tree *asked, struct tree *root)
{
	struct tree *tree = NULL;
	int rc = load_file(l, path, asked, &tree);

	if (rc == -ENOMEM)
		return rc;
	return tree ? merge_maps(l, &config__record, root, tree) : 0;
}

static bool has_wildcard(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

static int include_glob(struct loading *l, const char *path, struct tree *asked, struct tree *root)
{
	char pattern[PATH_MAX];
	glob_t found;
	int rc = 0;

	if (asked->kind != TREE_SCALAR || beside(path, asked->text, pattern)) {
		problems__at(l->problems, asked, "expected the name of a file, or a pattern like "
						 "conf.d/*.yaml");
		return 0;
	}
	if (!has_wildcard(pattern))
		return include_one(l, pattern, asked, root);
	if (glob(pattern, 0, NULL, &found))
		return 0; /* a pattern may find nothing */
	if (found.gl_pathc > FILES_MAX)
		problems__at(l->problems, asked, "fits %zu files: at most %d", found.gl_pathc,
			     FILES_MAX);
	for (size_t i = 0; found.gl_pathc <= FILES_MAX && i < found.gl_pathc && !rc; i++)
		rc = include_one(l, found.gl_pathv[i], asked, root);
	globfree(&found);
	return rc;
}

static void unlink_child(struct tree *parent, struct tree *child)
{
	struct tree *before = NULL;

	for (struct tree *t = parent->first; t != child; t = t->next)
		before = t;
	if (before)
		before->next = child->next;
	else
		parent->first = child->next;
	if (parent->last == child)
		parent->last = before;
	parent->n--;
}

static int obey_include(struct loading *l, const char *path, struct tree *root)
{
	struct tree *include = root->kind == TREE_MAP ? tree__find(root, "include") : NULL;
	int rc = 0;

	if (!include)
		return 0;
	unlink_child(root, include);
	if (include->kind != TREE_LIST)
		return include_glob(l, path, include, root);
	for (struct tree *t = include->first; t && !rc; t = t->next)
		rc = include_glob(l, path, t, root);
	return rc;
}

static int read_all(int fd, char **text, size_t *len)
{
	char *buf = malloc(FILE_BYTES_MAX + 1);
	size_t n = 0;
	ssize_t got;

	if (!buf)
		return -ENOMEM;
	do {
		got = read(fd, buf + n, FILE_BYTES_MAX + 1 - n);
		n += got > 0 ? (size_t)got : 0;
	} while (got > 0 && n <= FILE_BYTES_MAX);
	if (got < 0 || n > FILE_BYTES_MAX) {
		int rc = got < 0 ? -errno : -EFBIG;

		free(buf);
		return rc;
	}
	*text = buf;
	*len = n;
	return 0;
}

/* A file that is read a second time would make everything in it stand twice. */
static int note_file(struct loading *l, const struct stat *st)
{
	for (int i = 0; i < l->n_seen; i++)
		if (l->seen[i].dev == st->st_dev && l->seen[i].ino == st->st_ino)
			return -ELOOP;
	if (l->n_seen == FILES_MAX)
		return -EMFILE;
	l->seen[l->n_seen].dev = st->st_dev;
	l->seen[l->n_seen++].ino = st->st_ino;
	return 0;
}

static int read_file(struct loading *l, const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
	else
		rc = note_file(l, &st);
	if (!rc)
		rc = read_all(fd, text, len);
	close(fd);
	l->total += *len;
	if (!rc && l->total > TOTAL_BYTES_MAX) {
		free(*text);
		return -EOVERFLOW;
	}
	return rc;
}

static const char *why_not(int rc)
{
	if (rc == -ELOOP)
		return "is included twice";
	if (rc == -EMFILE)
		return "is one file too many: at most 64";
	if (rc == -EOVERFLOW)
		return "is too much: at most 4 MiB in all files";
	if (rc == -EFBIG)
		return "is larger than 1 MiB";
	if (rc == -ENXIO)
		return "is not a file";
	if (rc == -E2BIG)
		return "is included too deeply: at most 8 levels";
	return strerror(-rc);
}

/* @asked: the include that names the file, NULL for the first. */
static void complain_of_file(struct loading *l, const char *path, struct tree *asked, int rc)
{
	char name[PATH_TEXT_MAX];

	printable__text(path, name, sizeof(name));
	if (asked)
		problems__at(l->problems, asked, "%s: %s", name, why_not(rc));
	else
		problems__add(l->problems,
			      (struct mark){ problems__file(l->problems, path), 0, 0 },
			      "cannot be read: %s", why_not(rc));
}

static int load_file(struct loading *l, const char *path, struct tree *asked, struct tree **out)
{
	char *text = NULL;
	size_t len = 0;
	int rc = l->depth > INCLUDE_DEPTH_MAX ? -E2BIG : read_file(l, path, &text, &len);

	if (rc) {
		complain_of_file(l, path, asked, rc);
		return rc;
	}
	rc = tree__parse(out, text, len, problems__file(l->problems, path), l->memory, l->problems);
	free(text);
	if (!*out || rc == -ENOMEM)
		return rc;
	if (!is_map(*out)) {
		problems__at(l->problems, *out, "expected a map of sections, found a %s",
			     (*out)->kind == TREE_LIST ? "list" : "value");
		*out = NULL;
		return -EINVAL;
	}
	l->depth++;
	rc = obey_include(l, path, *out);
	l->depth--;
	return rc;
}

int tree__load(struct tree **out, const char *path, struct memory *m, struct problems *problems)
{
	struct loading l = { .memory = m, .problems = problems };
	int rc;

	*out = NULL;
	rc = load_file(&l, path, NULL, out);
	if (rc == -ENOMEM && !problems->n)
		complain_of_file(&l, path, NULL, rc);
	return rc;
}
