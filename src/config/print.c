/* print.c - structs back to a file, by the tables; comparison of two, by what they would print. */
#include <stdio.h>
#include <string.h>
#include "fields.h"
#include "sixgate/base/must.h"

static void print_record(const struct record *record, const void *base, int indent, FILE *out);
static void print_flow(const struct record *record, const void *base, FILE *out);

static bool all_zero(const void *at, size_t n)
{
	const unsigned char *p = at;

	while (n && !*p) {
		p++;
		n--;
	}
	return !n;
}

size_t list__count(const struct field *f, const void *base)
{
	return (size_t)integer__get((const char *)base + f->list->count_at, f->list->count_size);
}

const void *list__item(const struct field *f, const void *base, size_t i)
{
	const char *items = field__member_const(f, base);

	if (!f->list->in_place)
		memcpy(&items, field__member_const(f, base), sizeof(items));
	return items + i * f->list->item->size;
}

bool list__is_word(const struct field *f, const void *base)
{
	return f->list->word && *((const bool *)((const char *)base + f->list->word_at));
}

static bool record_present(const struct record *record, const void *base)
{
	for (size_t i = 0; i < record->n; i++)
		if (field__present(&record->field[i], base))
			return true;
	return false;
}

bool field__present(const struct field *f, const void *base)
{
	if (f->kind == FIELD_UNBUILT || f->kind == FIELD_INCLUDE)
		return false;
	if (f->shown && !f->shown(base))
		return false;
	if (f->present_at && !*((const bool *)((const char *)base + f->present_at)))
		return false;
	if (f->kind == FIELD_RECORD)
		return record_present(f->record, field__member_const(f, base));
	if (f->kind == FIELD_LIST && f->list->in_place)
		return list__count(f, base) > 0;
	return !(f->flags & FIELD_OPTIONAL) || !all_zero(field__member_const(f, base), f->size);
}

/* Letters that mean nothing to YAML, wherever they stand. */
static bool is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._/:-";
	size_t n = strlen(text);

	return n && strspn(text, plain) == n && text[0] != '-' && text[0] != ':' &&
	       text[n - 1] != ':' && strcmp(text, "null") != 0;
}

static void print_text(const char *text, FILE *out)
{
	if (is_plain(text)) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void print_set(const struct field *f, const void *member, FILE *out)
{
	int64_t set = integer__get(member, f->size);
	const char *separator = "";

	fputc('[', out);
	for (const struct word *w = f->words; w->text; w++) {
		if (!(set & w->value))
			continue;
		fprintf(out, "%s%s", separator, w->text);
		separator = ", ";
	}
	fputc(']', out);
}

static void print_scalar(const struct field *f, const void *member, FILE *out)
{
	char text[VALUE_TEXT_MAX];

	print_text(value__write(f, member, text), out);
}

static void print_inline_list(const struct field *f, const void *base, FILE *out)
{
	size_t n = list__count(f, base);

	fputc('[', out);
	for (size_t i = 0; i < n; i++) {
		if (i)
			fputs(", ", out);
		if (f->list->item->kind == FIELD_RECORD)
			print_flow(f->list->item->record, list__item(f, base, i), out);
		else
			print_scalar(f->list->item, list__item(f, base, i), out);
	}
	fputc(']', out);
}

/* What fits behind its key on the same line. */
static void print_inline(const struct field *f, const void *base, FILE *out)
{
	const void *member = field__member_const(f, base);

	if (f->kind == FIELD_RECORD)
		print_flow(f->record, member, out);
	else if (f->kind == FIELD_LIST && list__is_word(f, base))
		fputs(f->list->word, out);
	else if (f->kind == FIELD_LIST)
		print_inline_list(f, base, out);
	else if (f->kind == FIELD_SET)
		print_set(f, member, out);
	else
		print_scalar(f, member, out);
}

static void print_flow(const struct record *record, const void *base, FILE *out)
{
	const char *separator = "";

	fputc('{', out);
	for (size_t i = 0; i < record->n; i++) {
		const struct field *f = &record->field[i];

		if (!field__present(f, base))
			continue;
		fprintf(out, "%s%s: ", separator, f->key);
		print_inline(f, base, out);
		separator = ", ";
	}
	fputc('}', out);
}

/* One entry of a list. */
static void print_entry(const struct field *item, const void *at, int indent, FILE *out)
{
	fprintf(out, "%*s-", indent, "");
	if (item->record->flow) {
		fputc(' ', out);
		print_flow(item->record, at, out);
		fputc('\n', out);
	} else {
		fputc('\n', out);
		print_record(item->record, at, indent + 2, out);
	}
}

static bool is_block_list(const struct field *f, const void *base)
{
	return f->kind == FIELD_LIST && f->list->item->kind == FIELD_RECORD &&
	       !list__is_word(f, base) && list__count(f, base) > 0;
}

static void print_field(const struct field *f, const void *base, int indent, FILE *out)
{
	fprintf(out, "%*s%s:", indent, "", f->key);
	if (f->kind == FIELD_RECORD && !f->record->flow) {
		fputc('\n', out);
		print_record(f->record, field__member_const(f, base), indent + 2, out);
	} else if (is_block_list(f, base)) {
		size_t n = list__count(f, base);

		fputc('\n', out);
		for (size_t i = 0; i < n; i++)
			print_entry(f->list->item, list__item(f, base, i), indent + 2, out);
	} else {
		fputc(' ', out);
		print_inline(f, base, out);
		fputc('\n', out);
	}
}

static void print_record(const struct record *record, const void *base, int indent, FILE *out)
{
	for (size_t i = 0; i < record->n; i++)
		if (field__present(&record->field[i], base))
			print_field(&record->field[i], base, indent, out);
}

void config_print(const struct config *c, FILE *out)
{
	print_record(&config__record, c, 0, out);
}

static bool records_equal(const struct record *record, const void *a, const void *b);

static bool scalars_equal(const struct field *f, const void *a, const void *b)
{
	char left[VALUE_TEXT_MAX], right[VALUE_TEXT_MAX];

	return !strcmp(value__write(f, a, left), value__write(f, b, right));
}

static bool lists_equal(const struct field *f, const void *a, const void *b)
{
	const struct field *item = f->list->item;
	size_t n = list__count(f, a);

	if (list__is_word(f, a) || list__is_word(f, b))
		return list__is_word(f, a) == list__is_word(f, b);
	if (list__count(f, b) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const void *left = list__item(f, a, i), *right = list__item(f, b, i);

		if (item->kind == FIELD_RECORD ? !records_equal(item->record, left, right) :
						 !scalars_equal(item, left, right))
			return false;
	}
	return true;
}

static bool fields_equal(const struct field *f, const void *a, const void *b)
{
	const void *left = field__member_const(f, a), *right = field__member_const(f, b);
	bool present = field__present(f, a);

	if (present != field__present(f, b))
		return false;
	if (!present)
		return true;
	if (f->kind == FIELD_RECORD)
		return records_equal(f->record, left, right);
	if (f->kind == FIELD_LIST)
		return lists_equal(f, a, b);
	if (f->kind == FIELD_SET)
		return integer__get(left, f->size) == integer__get(right, f->size);
	return scalars_equal(f, left, right);
}

static bool records_equal(const struct record *record, const void *a, const void *b)
{
	for (size_t i = 0; i < record->n; i++)
		if (!fields_equal(&record->field[i], a, b))
			return false;
	return true;
}

bool config_equal(const struct config *a, const struct config *b)
{
	return records_equal(&config__record, a, b);
}

/** struct key_list - @text: as many as fit, with commas between them; @n: all. */
struct key_list {
	char *text;
	size_t size, len, n;
};

static void add_key(struct key_list *l, const char *key)
{
	int n = snprintf(l->text + l->len, l->size - l->len, "%s%s", l->n ? ", " : "", key);

	l->n++;
	if (n > 0)
		l->len = l->len + (size_t)n < l->size ? l->len + (size_t)n : l->size - 1;
}

static void add_restart_keys(struct key_list *l, const struct record *record, const void *a,
			     const void *b)
{
	for (size_t i = 0; i < record->n; i++) {
		const struct field *f = &record->field[i];

		if (f->restart && !fields_equal(f, a, b))
			add_key(l, f->restart);
		else if (f->kind == FIELD_RECORD)
			add_restart_keys(l, f->record, field__member_const(f, a),
					 field__member_const(f, b));
	}
}

size_t config_needs_restart(const struct config *running, const struct config *fresh, char *keys,
			    size_t size)
{
	struct key_list l = { .text = keys, .size = size };

	keys[0] = '\0';
	add_restart_keys(&l, &config__record, running, fresh);
	return l.n;
}
