/* test_account.c - from the event of a worker over the line of the log to the answer of `who`: what a
 * reload does to ports and prefixes, whoever had a port is named for that time and for no later one
 * (RFC 6888 section 4, RFC 8158). */
#define _NETINET_TCP_H 1 /* uv.h includes it: its states have the names of ours */
#include "../nat64/bed.h"
#include "event_text.h"
#include "sixgate/nat64/event.h"
#include "who.h"

enum { MINUTE = 60000 };

/* A log that began with the bed's clock at 0, which was @epoch. */
static const int64_t epoch = 1795377600000;

/** struct story - a host has a port of a pool; then this becomes of it */
struct story {
	const char *name;
	uint16_t first, last; /* of the pool: with few ports they are given out one by one */
	const char *prefix;   /* as who names it */
	bool address_goes, other_length;
};

static const struct story stories[] = {
	{ "block rests and is free", 1024, 65535, "2001:db8:1:2::/64", false, false },
	{ "single rests and is free", 2000, 2003, "2001:db8:1:2::/64", false, false },
	{ "block of an address that goes", 1024, 65535, "2001:db8:1:2::/64", true, false },
	{ "single of an address that goes", 2000, 2003, "2001:db8:1:2::/64", true, false },
	{ "block, subscribers are cut otherwise", 1024, 65535, "2001:db8:1:2::/64", false, true },
	{ "single, subscribers are cut otherwise", 2000, 2003, "2001:db8:1:2::/64", false, true },
};

static void write_log(struct bed *b, FILE *f)
{
	const struct event_stamp stamp = { "g", epoch + (int64_t)b->now_ms, b->now_ms };
	char text[EVENT_TEXT_MAX];
	struct nat64_event e;

	while (nat64_event_read(nat64_events(b->n[0]), &e)) {
		event__text(&e, &stamp, text);
		print_message("%s\n", text);
		fprintf(f, "%s\n", text);
	}
}

/* The prefix or host that had it at @ms, or NULL; nobody else ever did. @protocol: as in packets, or 0. */
static const char *who_had_of(FILE *f, const struct flow_plan *plan, uint64_t ms, uint8_t protocol,
			      struct who *w)
{
	const json_t *had[WHO_HOLDERS_MAX];
	size_t n;

	*w = (struct who){ .about = { .n_host = 1, .host = { plan->key[1].dst }, .n_port = 1,
				      .port = { mapped_port(plan) }, .protocol = protocol },
			   .when = { epoch + (int64_t)ms, epoch + (int64_t)ms } };
	rewind(f);
	who_read(w, f);
	n = who_find(w, had);
	assert_int_equal(w->n_bad, 0);
	assert_in_range(n, 0, 1);
	return n ? json_string_value(json_object_get(had[0], "inside")) : NULL;
}

static const char *who_had(FILE *f, const struct flow_plan *plan, uint64_t ms, struct who *w)
{
	return who_had_of(f, plan, ms, 0, w);
}

static const char *who_had_udp(FILE *f, const struct flow_plan *plan, uint64_t ms, struct who *w)
{
	return who_had_of(f, plan, ms, 17, w);
}

static void tell(const struct story *s, struct bed *b, FILE *f, struct flow_plan *plan)
{
	struct tuple t = tuple_of("2001:db8:1:2::9", "64:ff9b:1::203.0.113.9", 5000, 80, 17);

	bed_advance(b, MINUTE);
	*plan = bed_must_open(b, &t);
	write_log(b, f);
	bed_advance(b, MINUTE);
	if (s->address_goes)
		b->pool4[0].first = b->pool4[0].last = addr_of("192.0.2.2");
	if (s->other_length)
		b->conf.limits.subscriber_prefix = 56;
	bed_reload(b);
	bed_end(b, plan);
	bed_advance(b, MINUTE);
	write_log(b, f);
}

static void who_had_a_port_is_named_until_it_is_released(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stories); i++) {
		const struct story *s = &stories[i];
		struct bed *b = bed_new(1);
		FILE *f = tmpfile();
		struct flow_plan plan;
		struct who w;

		print_message("%s\n", s->name);
		assert_non_null(f);
		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.1", "192.0.2.1", s->first, s->last);
		b->conf.quarantine.time_s = 20;
		b->conf.log_what = NAT64_LOG_BLOCKS;
		bed_up(b, 100);
		tell(s, b, f, &plan);
		assert_null(who_had(f, &plan, MINUTE - 1, &w));
		who_fini(&w);
		assert_string_equal(who_had(f, &plan, MINUTE + MINUTE / 2, &w), s->prefix);
		who_fini(&w);
		assert_int_equal(who_had(f, &plan, 2 * MINUTE + MINUTE / 2, &w) == NULL, s->address_goes);
		who_fini(&w);
		assert_null(who_had(f, &plan, 3 * MINUTE + 1, &w));
		who_fini(&w);
		fclose(f);
		bed_free(b);
	}
}

/* A reload gives a host's very port to another, and takes it away again: the host has it no more, but its
 * subscriber may, while the block is its. */
static void port_of_a_static_entry_is_its_hosts_while_it_is_there(void **state)
{
	static const uint16_t last[] = { 65535, 2003 }; /* ports of a block; given out one by one */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(last); i++) {
		struct bed *b = bed_new(1);
		FILE *f = tmpfile();
		struct tuple t = tuple_of("2001:db8:1:2::9", "64:ff9b:1::203.0.113.9", 5000, 80, 17);
		struct flow_plan plan;
		struct who w;

		assert_non_null(f);
		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, last[i]);
		b->conf.quarantine.time_s = 3600;
		b->conf.log_what = NAT64_LOG_BLOCKS;
		bed_up(b, 100);
		bed_advance(b, MINUTE);
		plan = bed_must_open(b, &t);
		bed_advance(b, MINUTE);
		bed_static(b, NAT64_UDP, "2001:db8:1:7::80", 53, "192.0.2.1", mapped_port(&plan));
		bed_reload(b);
		write_log(b, f);
		bed_advance(b, MINUTE);
		b->conf.n_static = 0;
		bed_reload(b);
		write_log(b, f);
		assert_string_equal(who_had(f, &plan, MINUTE + 1, &w), "2001:db8:1:2::/64");
		who_fini(&w);
		assert_string_equal(who_had_udp(f, &plan, 2 * MINUTE + 1, &w), "2001:db8:1:7::80");
		who_fini(&w);
		if (i == 0)
			assert_string_equal(who_had_udp(f, &plan, 3 * MINUTE + 1, &w), "2001:db8:1:2::/64");
		else
			assert_null(who_had_udp(f, &plan, 3 * MINUTE + 1, &w));
		who_fini(&w);
		fclose(f);
		bed_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_had_a_port_is_named_until_it_is_released),
		cmocka_unit_test(port_of_a_static_entry_is_its_hosts_while_it_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
