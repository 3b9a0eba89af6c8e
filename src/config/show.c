/* show.c - members back to the text of the file, and what a key expects in words. */
#include <stdio.h>
#include <string.h>
#include "fields.h"
#include "sixgate/base/must.h"

static const char *write_size(uint64_t n, char out[VALUE_TEXT_MAX])
{
	static const char letters[] = "kmg";
	int at = -1;

	while (n && n % 1024 == 0 && at < 2) {
		n /= 1024;
		at++;
	}
	snprintf(out, VALUE_TEXT_MAX, "%llu%.1s", (unsigned long long)n,
		 at < 0 ? "" : letters + at);
	return out;
}

static const char *write_duration(uint64_t ms, char out[VALUE_TEXT_MAX])
{
	static const struct {
		char text[3];
		uint64_t ms;
	} units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
		      { "ms", 1 } };
	size_t at = 0;

	if (!ms)
		return strcpy(out, "0");
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (ms >= units[i].ms)
			at += (size_t)snprintf(out + at, VALUE_TEXT_MAX - at, "%llu%s",
					       (unsigned long long)(ms / units[i].ms),
					       units[i].text);
		ms %= units[i].ms;
	}
	return out;
}

/* An IPv6 prefix keeps its form even where it covers the IPv4 addresses (::ffff:0:0/96). */
static const char *write_prefix(const struct field *f, const struct prefix *p,
				char out[VALUE_TEXT_MAX])
{
	char text[PREFIX_TEXT_MAX];

	if (f->flags & FIELD_IPV6_ONLY && prefix_is_v4(p))
		snprintf(out, VALUE_TEXT_MAX, "::ffff:%x:%x/%d",
			 p->addr.octet[12] << 8 | p->addr.octet[13],
			 p->addr.octet[14] << 8 | p->addr.octet[15], p->len);
	else
		snprintf(out, VALUE_TEXT_MAX, "%s", prefix_format(p, text));
	return out;
}

static const char *write_ports(const uint16_t *p, char out[VALUE_TEXT_MAX])
{
	if (p[0] == p[1])
		snprintf(out, VALUE_TEXT_MAX, "%u", p[0]);
	else
		snprintf(out, VALUE_TEXT_MAX, "%u-%u", p[0], p[1]);
	return out;
}

static const char *write_pool4(const struct pool4_conf *p, char out[VALUE_TEXT_MAX])
{
	char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX];

	if (p->outside)
		return strcpy(out, "outside");
	addr_format(&p->first, first);
	addr_format(&p->last, last);
	if (!strcmp(first, last))
		return strcpy(out, first);
	snprintf(out, VALUE_TEXT_MAX, "%s-%s", first, last);
	return out;
}

static const char *write_domain(const void *member, char out[VALUE_TEXT_MAX])
{
	const char *name;

	memcpy(&name, member, sizeof(name));
	snprintf(out, VALUE_TEXT_MAX, "%s", name);
	return out;
}

static const char *write_number(const struct field *f, const void *member, const char *unit,
				char out[VALUE_TEXT_MAX])
{
	snprintf(out, VALUE_TEXT_MAX, "%lld%s", (long long)integer__get(member, f->size), unit);
	return out;
}

const char *value__write(const struct field *f, const void *member, char out[VALUE_TEXT_MAX])
{
	const struct word *word = f->words ? word__of(f->words, integer__get(member, f->size)) : NULL;

	if (word)
		return strcpy(out, word->text);
	switch (f->kind) {
	case FIELD_BOOL:
		return strcpy(out, integer__get(member, 1) ? "true" : "false");
	case FIELD_CHOICE:
	case FIELD_NUMBER:
		return write_number(f, member, "", out);
	case FIELD_PERCENT:
		return write_number(f, member, "%", out);
	case FIELD_RATE:
		return write_number(f, member, "/s", out);
	case FIELD_SIZE:
		return write_size((uint64_t)integer__get(member, f->size), out);
	case FIELD_SECONDS:
		return write_duration((uint64_t)integer__get(member, f->size) * 1000, out);
	case FIELD_MILLISECONDS:
		return write_duration((uint64_t)integer__get(member, f->size), out);
	case FIELD_NAME:
	case FIELD_TOKEN:
	case FIELD_TEXT:
	case FIELD_PATH:
	case FIELD_INTERFACE:
		snprintf(out, VALUE_TEXT_MAX, "%s", (const char *)member);
		return out;
	case FIELD_DOMAIN:
		return write_domain(member, out);
	case FIELD_ADDRESS:
		return addr_format(member, out);
	case FIELD_PREFIX:
		return write_prefix(f, member, out);
	case FIELD_PORTS:
		return write_ports(member, out);
	case FIELD_POOL4:
		return write_pool4(member, out);
	case FIELD_PRESET:
		return strcpy(out, "off");
	case FIELD_RECORD:
	case FIELD_LIST:
	case FIELD_SET:
	case FIELD_UNBUILT:
	case FIELD_INCLUDE:
		break;
	}
	return strcpy(out, "");
}

/* "a number from 1 to 9": the bounds in the words of the kind itself. */
static void range_of(const struct field *f, const char *what, char out[VALUE_TEXT_MAX])
{
	char min[VALUE_TEXT_MAX], max[VALUE_TEXT_MAX];
	struct field plain = { .kind = f->kind, .size = sizeof(uint64_t) };

	value__write(&plain, &f->min, min);
	value__write(&plain, &f->max, max);
	snprintf(out, VALUE_TEXT_MAX, "%s from %.40s to %.40s", what, min, max);
}

static void add_words(const struct word *words, bool alone, char out[VALUE_TEXT_MAX])
{
	size_t at = strlen(out);

	for (const struct word *w = words; w && w->text; w++) {
		bool last = alone && !(w[1].text && !w[1].unbuilt);

		if (w->unbuilt)
			continue;
		at += (size_t)snprintf(out + at, VALUE_TEXT_MAX - at, "%s%s",
				       w == words ? "" : last ? " or " : ", ", w->text);
		must(at < VALUE_TEXT_MAX);
	}
	if (!alone && words)
		snprintf(out + at, VALUE_TEXT_MAX - at, " or ");
}

static const char *address_words(const struct field *f, bool prefix)
{
	if (f->flags & FIELD_IPV6_ONLY)
		return prefix ? "an IPv6 prefix like 2001:db8::/32" : "an IPv6 address";
	if (f->flags & FIELD_IPV4_ONLY)
		return prefix ? "an IPv4 prefix like 192.0.2.0/24" : "an IPv4 address";
	return prefix ? "a prefix like 192.0.2.0/24 or 2001:db8::/32" :
			"an IPv4 or IPv6 address";
}

static void expected_kind(const struct field *f, char out[VALUE_TEXT_MAX])
{
	switch (f->kind) {
	case FIELD_BOOL:
		strcpy(out, "true or false");
		return;
	case FIELD_NUMBER:
		range_of(f, "a number", out);
		return;
	case FIELD_SIZE:
		range_of(f, "a size", out);
		return;
	case FIELD_PERCENT:
		range_of(f, "a percentage", out);
		return;
	case FIELD_RATE:
		range_of(f, "a rate", out);
		return;
	case FIELD_SECONDS:
	case FIELD_MILLISECONDS:
		range_of(f, "a duration", out);
		return;
	case FIELD_NAME:
		snprintf(out, VALUE_TEXT_MAX,
			 "a name of letters, digits, '.', '_' and '-', at most %zu", f->size - 1);
		return;
	case FIELD_TOKEN:
		snprintf(out, VALUE_TEXT_MAX, "a text without blanks, at most %zu letters",
			 f->size - 1);
		return;
	case FIELD_TEXT:
		snprintf(out, VALUE_TEXT_MAX, "a text of at most %zu letters of ASCII", f->size - 1);
		return;
	case FIELD_PATH:
		snprintf(out, VALUE_TEXT_MAX, "an absolute path of at most %zu letters",
			 f->size - 1);
		return;
	case FIELD_INTERFACE:
		snprintf(out, VALUE_TEXT_MAX, "an interface name of at most %zu letters",
			 f->size - 1);
		return;
	case FIELD_DOMAIN:
		strcpy(out, "a domain name, neither a wildcard nor the root");
		return;
	case FIELD_ADDRESS:
	case FIELD_PREFIX:
		strcpy(out, address_words(f, f->kind == FIELD_PREFIX));
		return;
	case FIELD_PORTS:
		snprintf(out, VALUE_TEXT_MAX, "one number or a range like %llu-%llu",
			 (unsigned long long)f->min, (unsigned long long)f->max);
		return;
	case FIELD_POOL4:
		strcpy(out, "an IPv4 address, a prefix, a range first-last, or outside");
		return;
	case FIELD_PRESET:
		strcpy(out, "off, tcp, http, minio, rgw, garage or seaweedfs");
		return;
	case FIELD_CHOICE:
	case FIELD_RECORD:
	case FIELD_LIST:
	case FIELD_SET:
	case FIELD_UNBUILT:
	case FIELD_INCLUDE:
		return;
	}
}

const char *value__expected(const struct field *f, char out[VALUE_TEXT_MAX])
{
	char kind[VALUE_TEXT_MAX] = "";
	bool alone = f->kind == FIELD_CHOICE || f->kind == FIELD_SET;

	out[0] = '\0';
	if (f->kind == FIELD_SET)
		strcpy(out, "a list of ");
	if (f->words)
		add_words(f->words, alone, out);
	if (!alone) {
		size_t at = strlen(out);

		expected_kind(f, kind);
		must(strlen(kind) < VALUE_TEXT_MAX - at);
		memcpy(out + at, kind, strlen(kind) + 1);
	}
	return out;
}
