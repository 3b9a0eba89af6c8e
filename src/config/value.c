/* value.c - one scalar of the file to one member and back, by kind. Knows no section. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fields.h"
#include "sixgate/base/must.h"

void *field__member(const struct field *f, void *base)
{
	return (char *)base + f->at;
}

const void *field__member_const(const struct field *f, const void *base)
{
	return (const char *)base + f->at;
}

int64_t integer__get(const void *at, size_t size)
{
	union {
		uint8_t u8;
		uint16_t u16;
		int32_t i32;
		int64_t i64;
	} v = { 0 };

	memcpy(&v, at, size);
	return size == 1 ? v.u8 : size == 2 ? v.u16 : size == 4 ? v.i32 : v.i64;
}

void integer__set(void *at, size_t size, int64_t value)
{
	uint8_t u8 = (uint8_t)value;
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	memcpy(at, size == 1 ? (void *)&u8 : size == 2 ? (void *)&u16 : size == 4 ? (void *)&u32 :
										(void *)&value, size);
}

const struct word *word__find(const struct word *words, const char *text)
{
	for (; words && words->text; words++)
		if (!strcmp(words->text, text))
			return words;
	return NULL;
}

const struct word *word__of(const struct word *words, int64_t value)
{
	for (; words && words->text; words++)
		if (words->value == value && !words->unbuilt)
			return words;
	return NULL;
}

/* Digits only: no sign, no blank, no base. Return: behind the digits, or NULL. */
static const char *read_digits(const char *text, uint64_t *out)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++) {
		if (n > (UINT64_MAX >> 1) / 10 - 1)
			return NULL;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	*out = n;
	return text;
}

static int set_in_range(const struct field *f, uint64_t n, void *member)
{
	if (n < f->min || n > f->max)
		return -EINVAL;
	integer__set(member, f->size, (int64_t)n);
	return 0;
}

static int read_number(const struct field *f, const char *text, void *member)
{
	uint64_t n;
	const char *end = read_digits(text, &n);

	return end && !*end ? set_in_range(f, n, member) : -EINVAL;
}

static int read_percent(const struct field *f, const char *text, void *member)
{
	uint64_t n;
	const char *end = read_digits(text, &n);

	return end && !strcmp(end, "%") ? set_in_range(f, n, member) : -EINVAL;
}

static int read_rate(const struct field *f, const char *text, void *member, struct err *hint)
{
	uint64_t n;
	const char *end = read_digits(text, &n);

	if (end && !*end)
		return err_set(hint, -EINVAL, "a rate is written with its time: %s/s", text);
	return end && !strcmp(end, "/s") ? set_in_range(f, n, member) : -EINVAL;
}

static int read_size(const struct field *f, const char *text, void *member)
{
	static const char letters[] = "kmg";
	uint64_t n;
	const char *end = read_digits(text, &n), *letter;
	unsigned shift;

	if (!end)
		return -EINVAL;
	if (!*end)
		return set_in_range(f, n, member);
	letter = strchr(letters, tolower((unsigned char)*end));
	if (!letter || end[1])
		return -EINVAL;
	shift = 10 * (unsigned)(letter - letters + 1);
	if (n > UINT64_MAX >> 1 >> shift)
		return -EINVAL;
	return set_in_range(f, n << shift, member);
}

static const struct {
	char text[3];
	uint64_t ms;
} units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };

/* "2h4m": units from large to small, each at most once. */
static int read_duration(const char *text, uint64_t *ms, struct err *hint)
{
	size_t unit = 0;

	*ms = 0;
	if (!strcmp(text, "0"))
		return 0;
	while (*text) {
		uint64_t n;
		const char *end = read_digits(text, &n);
		size_t len;

		if (!end)
			return -EINVAL;
		for (len = 0; isalpha((unsigned char)end[len]); len++)
			;
		if (!len)
			return err_set(hint, -EINVAL, "a duration needs a unit: d, h, m, s or ms");
		while (unit < ARRAY_LEN(units) && (strlen(units[unit].text) != len ||
						   strncmp(units[unit].text, end, len) != 0))
			unit++;
		if (unit == ARRAY_LEN(units) || n > UINT32_MAX)
			return -EINVAL;
		*ms += n * units[unit++].ms;
		text = end + len;
	}
	return 0;
}

static int read_seconds(const struct field *f, const char *text, void *member, struct err *hint)
{
	uint64_t ms;
	int rc = *text ? read_duration(text, &ms, hint) : -EINVAL;

	if (rc)
		return rc;
	if (ms % 1000)
		return err_set(hint, -EINVAL, "whole seconds only");
	return set_in_range(f, ms / 1000, member);
}

static int read_milliseconds(const struct field *f, const char *text, void *member,
			     struct err *hint)
{
	uint64_t ms;
	int rc = *text ? read_duration(text, &ms, hint) : -EINVAL;

	return rc ? rc : set_in_range(f, ms, member);
}

static bool is_name_letter(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

static bool is_token_letter(char c)
{
	return c > 0x20 && c < 0x7f;
}

static bool is_text_letter(char c)
{
	return c >= 0x20 && c < 0x7f;
}

static bool is_interface_letter(char c)
{
	return is_token_letter(c) && c != '/' && c != ':' && c != '%' && c != '"' && c != '\\';
}

static int read_text(const struct field *f, const char *text, char *member, bool (*letter)(char c))
{
	size_t n = strlen(text);

	if (!n || n >= f->size)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!letter(text[i]))
			return -EINVAL;
	memset(member, 0, f->size);
	memcpy(member, text, n);
	return 0;
}

static int read_interface(const struct field *f, const char *text, char *member)
{
	if (!strcmp(text, ".") || !strcmp(text, ".."))
		return -EINVAL;
	return read_text(f, text, member, is_interface_letter);
}

/* RFC 1035 2.3.4: 255 bytes on the wire; the final dot is not counted. */
enum { DOMAIN_TEXT_MAX = 253 };

static int read_domain(const char *text, void *member, struct memory *m)
{
	size_t n = strlen(text);
	char *name;

	if (!n || n > DOMAIN_TEXT_MAX + (text[n - 1] == '.'))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!is_name_letter(text[i]) || (text[i] == '.' && (!i || text[i - 1] == '.')))
			return -EINVAL;
	name = memory__text(m, text, n + 1);
	if (!name)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		name[i] = (char)tolower((unsigned char)name[i]);
	name[n] = name[n - 1] == '.' ? '\0' : '.';
	memcpy(member, &name, sizeof(name));
	return 0;
}

static int read_address(const struct field *f, const char *text, void *member, struct err *hint)
{
	struct addr a;

	if (addr_parse(text, &a))
		return strchr(text, '/') ? err_set(hint, -EINVAL, "an address, without a length") :
					   -EINVAL;
	if (f->flags & FIELD_IPV4_ONLY ? !addr_is_v4(&a) :
					 (f->flags & FIELD_IPV6_ONLY && addr_is_v4(&a)))
		return -EINVAL;
	memcpy(member, &a, sizeof(a));
	return 0;
}

static int read_prefix(const struct field *f, const char *text, void *member, struct err *hint)
{
	struct prefix p = { 0 };
	int rc = prefix_parse(text, &p);

	if (rc == -EDOM)
		return err_set(hint, -EINVAL, "bits are set beyond the length");
	if (rc)
		return -EINVAL;
	if (f->flags & FIELD_IPV6_ONLY && !strchr(text, ':'))
		return -EINVAL;
	if (f->flags & FIELD_IPV4_ONLY && strchr(text, ':'))
		return -EINVAL;
	memset(member, 0, sizeof(p));
	memcpy(member, &p.addr, sizeof(p.addr));
	((struct prefix *)member)->len = p.len;
	return 0;
}

/* "10000-29999" or one number. */
static int read_ports(const struct field *f, const char *text, uint16_t *member)
{
	uint64_t first, last;
	const char *end = read_digits(text, &first);

	last = first;
	if (end && *end == '-')
		end = read_digits(end + 1, &last);
	if (!end || *end || first < f->min || first > last || last > f->max)
		return -EINVAL;
	member[0] = (uint16_t)first;
	member[1] = (uint16_t)last;
	return 0;
}

static struct addr last_of_prefix(const struct prefix *p)
{
	uint32_t host = p->len >= 128 ? 0 : UINT32_MAX >> (p->len - 96);

	return addr_from_ip4_host(addr_ip4_host(&p->addr) | host);
}

/* "198.51.100.10", "198.51.100.0/28", "198.51.100.1-198.51.100.9" or "outside". */
static int read_pool4(const char *text, struct pool4_conf *p, struct err *hint)
{
	char head[ADDR_TEXT_MAX];
	const char *dash = strchr(text, '-');
	struct prefix prefix;
	int rc;

	p->outside = !strcmp(text, "outside");
	if (p->outside)
		return 0;
	if (dash && (size_t)(dash - text) < sizeof(head)) {
		snprintf(head, sizeof(head), "%.*s", (int)(dash - text), text);
		return addr_parse(head, &p->first) || addr_parse(dash + 1, &p->last) ||
				       !addr_is_v4(&p->first) || !addr_is_v4(&p->last) ||
				       addr_compare(&p->first, &p->last) > 0 ?
			       -EINVAL :
			       0;
	}
	rc = prefix_parse(text, &prefix);
	if (rc == -EDOM)
		return err_set(hint, -EINVAL, "bits are set beyond the length");
	if (rc || !prefix_is_v4(&prefix) || strchr(text, ':'))
		return -EINVAL;
	p->first = prefix.addr;
	p->last = last_of_prefix(&prefix);
	return 0;
}

static int read_preset(const char *text, struct health_conf *h)
{
	if (strcmp(text, "off") != 0)
		return health_conf_preset(h, text) ? -EINVAL : 0;
	h->kind = HEALTH_NONE;
	return 0;
}

static int read_bool(const char *text, void *member)
{
	bool yes = !strcmp(text, "true");

	if (!yes && strcmp(text, "false") != 0)
		return -EINVAL;
	memcpy(member, &yes, sizeof(yes));
	return 0;
}

int value__read(const struct field *f, const char *text, void *member, struct memory *m,
		struct err *hint)
{
	const struct word *word = word__find(f->words, text);

	if (word && word->unbuilt)
		return err_set(hint, -EINVAL, "%s is not built yet", text);
	if (word) {
		integer__set(member, f->size, word->value);
		return 0;
	}
	switch (f->kind) {
	case FIELD_BOOL:
		return read_bool(text, member);
	case FIELD_CHOICE:
		return -EINVAL;
	case FIELD_NUMBER:
		return read_number(f, text, member);
	case FIELD_SIZE:
		return read_size(f, text, member);
	case FIELD_PERCENT:
		return read_percent(f, text, member);
	case FIELD_RATE:
		return read_rate(f, text, member, hint);
	case FIELD_SECONDS:
		return read_seconds(f, text, member, hint);
	case FIELD_MILLISECONDS:
		return read_milliseconds(f, text, member, hint);
	case FIELD_NAME:
		return read_text(f, text, member, is_name_letter);
	case FIELD_TOKEN:
		return read_text(f, text, member, is_token_letter);
	case FIELD_TEXT:
		return read_text(f, text, member, is_text_letter);
	case FIELD_PATH:
		return *text == '/' ? read_text(f, text, member, is_token_letter) : -EINVAL;
	case FIELD_INTERFACE:
		return read_interface(f, text, member);
	case FIELD_DOMAIN:
		return read_domain(text, member, m);
	case FIELD_ADDRESS:
		return read_address(f, text, member, hint);
	case FIELD_PREFIX:
		return read_prefix(f, text, member, hint);
	case FIELD_PORTS:
		return read_ports(f, text, member);
	case FIELD_POOL4:
		return read_pool4(text, member, hint);
	case FIELD_PRESET:
		return read_preset(text, member);
	case FIELD_RECORD:
	case FIELD_LIST:
	case FIELD_SET:
	case FIELD_UNBUILT:
	case FIELD_INCLUDE:
		break;
	}
	return -EINVAL;
}
