/*
 * example.c - the commented example file, from the tables and the rooms' defaults.
 *
 * Each line that begins with one "#" is a line of the file: without the sign it would be read.
 * Lines with "##" are for people.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fields.h"
#include "sixgate/base/must.h"

enum { HELP_COLUMN = 42, LINE_MAX_BYTES = 512 };

/* struct line - one line under construction. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t n;
};

static void example_record(const struct record *record, const void *base, int indent, FILE *out);
static void add_flow(struct line *l, const struct record *record, const void *base);

static void add(struct line *l, const char *text)
{
	size_t n = strlen(text);

	must(l->n + n < sizeof(l->text));
	memcpy(l->text + l->n, text, n + 1);
	l->n += n;
}

static void add_value(struct line *l, const char *text)
{
	size_t n = strlen(text);
	bool quotes = !n || text[0] == ':' || text[n - 1] == ':';

	add(l, quotes ? "\"" : "");
	add(l, text);
	add(l, quotes ? "\"" : "");
}

static void add_scalar(struct line *l, const struct field *f, const void *member)
{
	char text[VALUE_TEXT_MAX];

	add_value(l, value__write(f, member, text));
}

static void add_list(struct line *l, const struct field *f, const void *base)
{
	size_t n = list__count(f, base);

	add(l, "[");
	for (size_t i = 0; i < n; i++) {
		add(l, i ? ", " : "");
		if (f->list->item->kind == FIELD_RECORD)
			add_flow(l, f->list->item->record, list__item(f, base, i));
		else
			add_scalar(l, f->list->item, list__item(f, base, i));
	}
	add(l, "]");
}

static void add_set(struct line *l, const struct field *f)
{
	add(l, "[");
	for (const struct word *w = f->words; w->text; w++) {
		add(l, w == f->words ? "" : ", ");
		add(l, w->text);
	}
	add(l, "]");
}

static void add_inline(struct line *l, const struct field *f, const void *base)
{
	const void *member = field__member_const(f, base);

	if (f->kind == FIELD_RECORD)
		add_flow(l, f->record, member);
	else if (f->kind == FIELD_LIST && list__count(f, base))
		add_list(l, f, base);
	else if (f->example)
		add(l, f->example);
	else if (f->kind == FIELD_SET)
		add_set(l, f);
	else
		add_scalar(l, f, member);
}

static void add_flow(struct line *l, const struct record *record, const void *base)
{
	const char *separator = "";

	add(l, "{");
	for (size_t i = 0; i < record->n; i++) {
		const struct field *f = &record->field[i];

		if (f->kind == FIELD_UNBUILT || f->flags & FIELD_ALTERNATIVE)
			continue;
		add(l, separator);
		add(l, f->key);
		add(l, ": ");
		add_inline(l, f, base);
		separator = ", ";
	}
	add(l, "}");
}

static void print_help(const struct field *f, int used, FILE *out)
{
	char text[VALUE_TEXT_MAX];
	bool range = f->kind == FIELD_CHOICE || f->kind == FIELD_NUMBER || f->kind == FIELD_SIZE ||
		     f->kind == FIELD_PERCENT || f->kind == FIELD_RATE || f->kind == FIELD_SECONDS ||
		     f->kind == FIELD_MILLISECONDS;

	fprintf(out, "%*s# %s", used < HELP_COLUMN ? HELP_COLUMN - used : 1, "", f->help);
	if (range)
		fprintf(out, "; %s", value__expected(f, text));
	fputc('\n', out);
}

static void print_line(const struct field *f, const struct line *l, int indent, FILE *out)
{
	const char *sign = f->flags & FIELD_ALTERNATIVE ? "##" : "#";
	int used = fprintf(out, "%s%*s%s: %s", sign, indent, "", f->key, l->text);

	print_help(f, used, out);
}

static void print_head(const struct field *f, int indent, FILE *out)
{
	int used = fprintf(out, "#%*s%s:", indent, "", f->key);

	print_help(f, used, out);
}

static void print_flow_help(const struct record *record, int indent, FILE *out)
{
	for (size_t i = 0; i < record->n; i++) {
		const struct field *f = &record->field[i];
		int used = fprintf(out, "##%*s%s:", indent, "", f->key);

		if (f->kind == FIELD_UNBUILT)
			fprintf(out, " not built yet\n");
		else
			print_help(f, used, out);
		if (f->kind == FIELD_RECORD)
			print_flow_help(f->record, indent + 2, out);
	}
}

/* One made-up entry, with the defaults that an entry has. */
static void example_entry(const struct field *item, int indent, FILE *out)
{
	_Alignas(max_align_t) char entry[4096] = { 0 };
	const struct record *record = item->record;
	struct line l = { .n = 0 };

	must(item->size <= sizeof(entry));
	if (record->init)
		record->init(entry);
	if (record->flow) {
		add_flow(&l, record, entry);
		fprintf(out, "#%*s- %s\n", indent, "", l.text);
		print_flow_help(record, indent + 2, out);
	} else {
		fprintf(out, "#%*s-\n", indent, "");
		example_record(record, entry, indent + 2, out);
	}
}

static void example_field(const struct field *f, const void *base, int indent, FILE *out)
{
	struct line l = { .n = 0 };

	if (f->kind == FIELD_INCLUDE) {
		fprintf(out, "## include: conf.d/*.yaml    files whose sections and lists are added "
			     "to this one's\n");
	} else if (f->kind == FIELD_UNBUILT) {
		fprintf(out, "##%*s%s: not built yet\n", indent, "", f->key);
	} else if (f->kind == FIELD_RECORD && !f->record->flow) {
		print_head(f, indent, out);
		example_record(f->record, field__member_const(f, base), indent + 2, out);
	} else if (f->kind == FIELD_LIST && f->list->item->kind == FIELD_RECORD &&
		   !list__count(f, base)) {
		print_head(f, indent, out);
		example_entry(f->list->item, indent + 2, out);
	} else {
		add_inline(&l, f, base);
		print_line(f, &l, indent, out);
	}
}

static void example_record(const struct record *record, const void *base, int indent, FILE *out)
{
	for (size_t i = 0; i < record->n; i++) {
		if (!indent)
			fputc('\n', out);
		example_field(&record->field[i], base, indent, out);
	}
}

void config_print_example(FILE *out)
{
	static const char head[] =
		"## sixgate.yaml - every key, its default or an example, and what it means.\n"
		"##\n"
		"## A section that is there is on. Take away the # of what you want to change; lines\n"
		"## with two are explanations. A list of one may be written as the value itself.\n"
		"## Durations: 30s, 5m, 2h4m, 1d. Sizes: 64k, 1m, 2g. Rates: 3500/s. An address that\n"
		"## ends in :: needs quotes.\n";
	struct config c;

	config__default(&c);
	fputs(head, out);
	example_record(&config__record, &c, 0, out);
}
