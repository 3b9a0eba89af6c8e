/* dns.c - sixgatectl dns: its words, and its answers for people. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "sixgate/base/addr.h"
#include "ctl.h"

static int take_text(const char *word, char *out, size_t size, const char *what, struct err *e)
{
	if (!*word || strlen(word) >= size)
		return err_set(e, CTL_USAGE, "\"%s\" is no %s", word, what);
	memcpy(out, word, strlen(word) + 1);
	return CTL_OK;
}

static int take_name(int n, char **word, struct ctl_request *r, struct err *e)
{
	if (n > 1)
		return err_set(e, CTL_USAGE, "unexpected argument \"%s\" after %s", word[1],
			       word[0]);
	return n ? take_text(word[0], r->dns.name, sizeof(r->dns.name), "domain name", e) : CTL_OK;
}

/* RFC 1035 3.5, RFC 3596 2.5: whose PTR records are those of an address. */
static void put_reverse(const struct addr *a, char *out, size_t size)
{
	const uint8_t *v4 = a->octet + 12;
	size_t at = 0;

	if (addr_is_v4(a)) {
		snprintf(out, size, "%u.%u.%u.%u.in-addr.arpa", v4[3], v4[2], v4[1], v4[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		at += (size_t)snprintf(out + at, size - at, "%x.%x.", a->octet[i] & 15u,
				       a->octet[i] >> 4);
	snprintf(out + at, size - at, "ip6.arpa");
}
_Static_assert(sizeof(((struct ctl_request *)0)->dns.name) > 16 * 4 + 8, "for the longest of them");

static int take_question(int n, char **word, struct ctl_request *r, struct err *e)
{
	struct addr a;

	if (n != 2 && n != 3)
		return err_set(e, CTL_USAGE,
			       "dns lookup wants NAME TYPE, and perhaps a CLIENT, after it");
	if (n == 3 && addr_parse(word[2], &r->dns.client) != 0)
		return err_set(e, CTL_USAGE, "\"%s\" is no IPv4 or IPv6 address", word[2]);
	if (strcasecmp(word[1], "PTR") == 0 && addr_parse(word[0], &a) == 0)
		put_reverse(&a, r->dns.name, sizeof(r->dns.name));
	else if (take_text(word[0], r->dns.name, sizeof(r->dns.name), "domain name", e) != CTL_OK)
		return CTL_USAGE;
	return take_text(word[1], r->dns.type, sizeof(r->dns.type), "type of records", e);
}

int ctl_take_dns(int n, char **word, struct ctl_request *r, struct err *e)
{
	if (r->max && (!n || strcmp(word[0], "cache") != 0))
		return err_set(e, CTL_USAGE, "--max goes with dns cache");
	if (n && strcmp(word[0], "cache") == 0)
		return r->command = CTL_DNS_CACHE, take_name(n - 1, word + 1, r, e);
	if (n && strcmp(word[0], "flush") == 0)
		return r->command = CTL_DNS_FLUSH, take_name(n - 1, word + 1, r, e);
	if (n && strcmp(word[0], "lookup") == 0)
		return r->command = CTL_DNS_LOOKUP, take_question(n - 1, word + 1, r, e);
	return err_set(e, CTL_USAGE, "dns wants cache, lookup or flush after it%s%s",
		       n ? ", not " : "", n ? word[0] : "");
}

static const char *text(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s ? s : "";
}

static long long number(const json_t *v, const char *key)
{
	return (long long)json_integer_value(json_object_get(v, key));
}

/* Which of several threads it is about, unless it is about all. */
static const char *threads_text(const json_t *v, char out[80])
{
	const json_t *list = json_object_get(v, "threads");
	size_t n = json_array_size(list), at = 0;

	out[0] = 0;
	for (size_t i = 0; i < n && at < 80; i++)
		at += (size_t)snprintf(out + at, 80 - at, "%s%lld",
				       i       ? ", " :
				       n > 1   ? "   [threads " :
						 "   [thread ",
				       (long long)json_integer_value(json_array_get(list, i)));
	if (n && at < 80)
		snprintf(out + at, 80 - at, "]");
	return out;
}

static void show_entry(const json_t *v)
{
	printf("%8lld uses  %-40s %-8s %-9s %6lld s left%s%s", number(v, "uses"), text(v, "name"),
	       text(v, "type"), text(v, "rcode"), number(v, "left_s"),
	       json_is_true(json_object_get(v, "do")) ? ", do" : "",
	       json_is_true(json_object_get(v, "cd")) ? ", cd" : "");
	if (json_object_get(v, "thread"))
		printf(", thread %lld", number(v, "thread"));
	printf("\n");
}

static void show_facts(const json_t *v)
{
	long long asked = number(v, "hits") + number(v, "misses");

	printf("%lld answers in %lld of %lld bytes; %.1f %% of %lld questions were answered from "
	       "it\n",
	       number(v, "entries"), number(v, "bytes"), number(v, "limit"),
	       asked ? 100.0 * (double)number(v, "hits") / (double)asked : 0.0, asked);
}

static void show_cache(const json_t *v)
{
	const json_t *threads = json_object_get(v, "threads");

	show_facts(v);
	for (size_t i = 0; i < json_array_size(threads); i++) {
		printf("  thread %zu: ", i + 1);
		show_facts(json_array_get(threads, i));
	}
}

static void show_answer(const json_t *v, const char *whose)
{
	printf("%s%s%s%s\n", text(v, "rcode"), json_is_true(json_object_get(v, "aa")) ? " aa" : "",
	       json_is_true(json_object_get(v, "ad")) ? " ad" : "", whose);
}

static void show_lookup(const json_t *line, bool last)
{
	const json_t *record = json_object_get(line, "record"),
		     *answer = json_object_get(line, "answer");
	char whose[80];

	threads_text(line, whose);
	if (record)
		printf("%-10s %s\n", text(record, "section"), text(record, "text"));
	else if (answer)
		show_answer(answer, whose);
	else if (!last)
		printf("  %s%s\n", text(line, "step"), whose);
	else if (!json_is_true(json_object_get(line, "differ")))
		show_answer(line, "");
}

void ctl_show_dns(enum ctl_command command, const json_t *line, bool last)
{
	if (command == CTL_DNS_LOOKUP)
		show_lookup(line, last);
	else if (command == CTL_DNS_FLUSH)
		printf("%lld answers are forgotten\n", number(line, "flushed"));
	else if (last)
		show_cache(line);
	else
		show_entry(json_object_get(line, "entry"));
}
