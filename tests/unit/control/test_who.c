/* test_who.c - who had an outside port at some time, by lines of a log, as tables of {log, question,
 * answer}. */
#include "who.h"
#include "sixgate/base/must.h"
#include "test.h"

#define LINE(time, gateway, rest) "{\"time\":\"2026-11-22T" time "Z\",\"gateway\":\"" gateway "\",\"event\":\"" rest "}\n"
#define BLOCK(time, what, who)                                                                     \
	LINE(time, "g", "port-block-" what "\",\"protocol\":\"any\",\"outside\":\"198.51.100.10\"," \
	     "\"port_first\":1024,\"port_last\":1087,\"inside\":\"" who "\"")
#define SESSION(time, what, who, to)                                                               \
	LINE(time, "g", "session-" what "\",\"protocol\":\"udp\",\"outside\":\"198.51.100.10\","    \
	     "\"port_first\":1500,\"port_last\":1500,\"inside\":\"" who "\",\"inside_port\":9,"     \
	     "\"destination\":\"" to "\"")

static size_t ask(struct who *w, const char *log, const json_t *had[WHO_HOLDERS_MAX])
{
	FILE *f = fmemopen((void *)(uintptr_t)log, strlen(log), "r");

	assert_non_null(f);
	who_read(w, f);
	fclose(f);
	return who_find(w, had);
}

static struct who question(const char *time, uint16_t port, uint8_t protocol)
{
	struct who w = { .about = { .n_host = 1, .n_port = 1, .port = { port }, .protocol = protocol } };
	char text[64];

	assert_int_equal(addr_parse("198.51.100.10", &w.about.host[0]), 0);
	snprintf(text, sizeof(text), "2026-11-22T%sZ", time);
	assert_int_equal(who_time(text, &w.when), 0);
	return w;
}

static const char two_owners[] = LINE("08:00:00.000", "g", "started\"")
	BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
	BLOCK("11:00:00.000", "released", "2001:db8:1::/64")
	BLOCK("12:00:00.000", "allocated", "2001:db8:2::/64");
/* of two workers: the release was written behind what came after it */
static const char out_of_order[] = BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
	BLOCK("11:00:00.100", "allocated", "2001:db8:2::/64")
	BLOCK("11:00:00.000", "released", "2001:db8:1::/64");
static const char no_release[] = BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
	BLOCK("11:00:00.000", "allocated", "2001:db8:2::/64");
static const char restarted[] = BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
	LINE("11:00:00.000", "other", "started\"") LINE("12:00:00.000", "g", "started\"");
static const char stopped[] = BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
	LINE("12:00:00.000", "g", "stopped\"");
static const char began[] = LINE("08:00:00.000", "g", "log-begun\"")
	BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64");
static const char ended[] = BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
	LINE("12:00:00.000", "g", "log-ended\"");
static const char within_a_second[] = BLOCK("10:00:00.400", "allocated", "2001:db8:1::/64")
	BLOCK("10:00:00.600", "released", "2001:db8:1::/64");
static const char sessions[] = SESSION("10:00:00.000", "created", "2001:db8:1::5", "203.0.113.1")
	SESSION("10:10:00.000", "created", "2001:db8:1::5", "203.0.113.2")
	SESSION("10:20:00.000", "deleted", "2001:db8:1::5", "203.0.113.1")
	SESSION("10:30:00.000", "deleted", "2001:db8:1::5", "203.0.113.2")
	SESSION("10:40:00.000", "created", "2001:db8:1::6", "203.0.113.2");

/* a port of its own, whose pool address went: one line for all that was left of the block */
static const char address_gone[] = LINE("10:00:00.000", "g", "port-block-allocated\",\"protocol\":\"udp\","
	"\"outside\":\"198.51.100.10\",\"port_first\":1030,\"port_last\":1030,\"inside\":\"2001:db8:1::/64\"")
	LINE("11:00:00.000", "g", "port-block-released\",\"protocol\":\"any\",\"outside\":\"198.51.100.10\","
	"\"port_first\":1024,\"port_last\":1087");
static const char other_length[] = BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
	BLOCK("11:00:00.000", "released", "2001:db8::/56");
/* what ends a port of another protocol, or of another gateway, ends nothing of this one */
static const char of_others[] = BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
	LINE("11:00:00.000", "g", "port-block-released\",\"protocol\":\"udp\",\"outside\":\"198.51.100.10\","
	"\"port_first\":1030,\"port_last\":1030,\"inside\":\"2001:db8:7::/64\"")
	LINE("11:00:00.000", "other", "port-block-released\",\"protocol\":\"any\",\"outside\":\"198.51.100.10\","
	"\"port_first\":1024,\"port_last\":1087");

#define STATIC(time, what, port, who)                                                              \
	LINE(time, "g", "static-port-" what "\",\"protocol\":\"udp\",\"outside\":\"198.51.100.10\"," \
	     "\"port_first\":" port ",\"port_last\":" port ",\"inside\":\"" who "\",\"inside_port\":53")
/* a static entry in a block that somebody has: its port is another's while it is there */
static const char in_a_block[] = BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
	STATIC("11:00:00.000", "assigned", "1030", "2001:db8:2::80")
	STATIC("12:00:00.000", "released", "1030", "2001:db8:2::80")
	STATIC("13:00:00.000", "assigned", "1031", "2001:db8:2::80")
	BLOCK("14:00:00.000", "released", "2001:db8:1::/64")
	BLOCK("15:00:00.000", "allocated", "2001:db8:3::/64");
/* of two workers, the end of the old one told late; and of an entry that another took the place of */
static const char static_moves[] = STATIC("10:00:00.000", "assigned", "1030", "2001:db8:2::80")
	STATIC("11:00:00.000", "assigned", "1030", "2001:db8:2::80")
	STATIC("11:00:00.100", "released", "1030", "2001:db8:2::80")
	STATIC("12:00:00.000", "assigned", "1030", "2001:db8:3::80")
	STATIC("12:00:00.100", "released", "1030", "2001:db8:2::80")
	LINE("13:00:00.000", "g", "log-ended\"");

static const struct {
	const char *log, *time;
	uint16_t port;
	uint8_t protocol;
	const char *who; /* NULL: nobody */
} rows[] = {
	{ address_gone, "10:30:00.000", 1030, 0, "2001:db8:1::/64" },
	{ address_gone, "11:30:00.000", 1030, 0, NULL },
	{ other_length, "10:30:00.000", 1030, 0, "2001:db8:1::/64" },
	{ other_length, "11:30:00.000", 1030, 0, NULL },
	{ of_others, "11:30:00.000", 1030, 0, "2001:db8:1::/64" },
	{ in_a_block, "10:30:00.000", 1030, 17, "2001:db8:1::/64" },
	{ in_a_block, "11:30:00.000", 1030, 17, "2001:db8:2::80" },
	{ in_a_block, "11:30:00.000", 1030, 6, "2001:db8:1::/64" },
	{ in_a_block, "11:30:00.000", 1031, 17, "2001:db8:1::/64" },
	{ in_a_block, "12:30:00.000", 1030, 17, "2001:db8:1::/64" },
	{ in_a_block, "13:30:00.000", 1031, 17, "2001:db8:2::80" },
	{ in_a_block, "14:30:00.000", 1031, 17, "2001:db8:2::80" },
	{ in_a_block, "14:30:00.000", 1030, 17, NULL },
	{ in_a_block, "15:30:00.000", 1031, 17, "2001:db8:2::80" },
	{ in_a_block, "15:30:00.000", 1031, 6, "2001:db8:3::/64" },
	{ static_moves, "10:30:00.000", 1030, 17, "2001:db8:2::80" },
	{ static_moves, "11:30:00.000", 1030, 17, "2001:db8:2::80" },
	{ static_moves, "12:30:00.000", 1030, 0, "2001:db8:3::80" },
	{ static_moves, "13:30:00.000", 1030, 17, NULL },
	{ two_owners, "09:59:59.999", 1024, 0, NULL },
	{ two_owners, "10:00:00.000", 1024, 0, "2001:db8:1::/64" },
	{ two_owners, "10:59:59.999", 1087, 6, "2001:db8:1::/64" },
	{ two_owners, "10:30:00", 1023, 0, NULL },
	{ two_owners, "10:30:00", 1088, 0, NULL },
	{ two_owners, "11:00:00.000", 1024, 0, NULL },
	{ two_owners, "12:00:00.000", 1024, 17, "2001:db8:2::/64" },
	{ out_of_order, "11:00:00.050", 1030, 0, NULL },
	{ out_of_order, "11:00:00.100", 1030, 0, "2001:db8:2::/64" },
	{ no_release, "11:00:00.000", 1030, 0, "2001:db8:2::/64" },
	{ restarted, "11:59:59.999", 1030, 0, "2001:db8:1::/64" },
	{ restarted, "12:00:00.000", 1030, 0, NULL },
	{ stopped, "12:00:01.000", 1030, 0, NULL },
	{ began, "09:00:00", 1030, 0, NULL },
	{ began, "10:00:00", 1030, 0, "2001:db8:1::/64" },
	{ ended, "12:00:00.001", 1030, 0, NULL },
	{ two_owners, "11:00:00", 1024, 0, NULL },
	{ two_owners, "10:59:59", 1024, 0, "2001:db8:1::/64" },
	{ stopped, "11:59:59", 1030, 0, "2001:db8:1::/64" },
	{ within_a_second, "10:00:00", 1030, 0, "2001:db8:1::/64" },
	{ within_a_second, "10:00:00.399", 1030, 0, NULL },
	{ within_a_second, "10:00:00.5", 1030, 0, "2001:db8:1::/64" },
	{ within_a_second, "10:00:00.6", 1030, 0, NULL },
	{ within_a_second, "10:00", 1030, 0, "2001:db8:1::/64" },
	{ within_a_second, "09:59", 1030, 0, NULL },
	{ sessions, "10:05:00", 1500, 17, "2001:db8:1::5" },
	{ sessions, "10:25:00", 1500, 0, "2001:db8:1::5" },
	{ sessions, "10:25:00", 1500, 6, NULL },
	{ sessions, "10:35:00", 1500, 17, NULL },
	{ sessions, "10:45:00", 1500, 17, "2001:db8:1::6" },
	{ "", "10:45:00", 1500, 17, NULL },
};

static void who_had_a_port_is_who_has_begun_and_not_ended(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct who w = question(rows[i].time, rows[i].port, rows[i].protocol);
		const json_t *had[WHO_HOLDERS_MAX];
		size_t n = *rows[i].log ? ask(&w, rows[i].log, had) : who_find(&w, had);

		print_message("%zu: %s port %u\n", i, rows[i].time, rows[i].port);
		assert_int_equal(n, rows[i].who != NULL);
		if (n)
			assert_string_equal(json_string_value(json_object_get(had[0], "inside")),
					    rows[i].who);
		assert_int_equal(w.n_bad, 0);
		who_fini(&w);
	}
}

static void all_who_had_it_in_a_second_are_named_once(void **state)
{
	static const char log[] = BLOCK("09:00:00.000", "allocated", "2001:db8:1::/64")
		BLOCK("10:00:00.200", "released", "2001:db8:1::/64")
		BLOCK("10:00:00.300", "allocated", "2001:db8:2::/64")
		BLOCK("10:00:00.500", "released", "2001:db8:2::/64")
		BLOCK("10:00:00.600", "allocated", "2001:db8:2::/64")
		BLOCK("10:00:01.000", "allocated", "2001:db8:3::/64");
	struct who w = question("10:00:00", 1024, 0);
	const json_t *had[WHO_HOLDERS_MAX];

	(void)state;
	assert_int_equal(ask(&w, log, had), 2);
	assert_string_equal(json_string_value(json_object_get(had[0], "inside")), "2001:db8:1::/64");
	assert_string_equal(json_string_value(json_object_get(had[1], "inside")), "2001:db8:2::/64");
	who_fini(&w);
}

/* A session of the entry begins and ends; the block around it is nobody's meanwhile. */
static void sessions_of_a_static_entry_change_nothing(void **state)
{
#define OF_ENTRY(time, what)                                                                       \
	LINE(time, "g", "session-" what "\",\"protocol\":\"udp\",\"outside\":\"198.51.100.10\","    \
	     "\"port_first\":1030,\"port_last\":1030,\"inside\":\"2001:db8:2::80\",\"inside_port\":53")
	static const char log[] = BLOCK("10:00:00.000", "allocated", "2001:db8:1::/64")
		STATIC("11:00:00.000", "assigned", "1030", "2001:db8:2::80")
		OF_ENTRY("11:10:00.000", "created") OF_ENTRY("11:20:00.000", "deleted");
	static const char *const when[] = { "11:05:00.000", "11:15:00.000", "11:25:00.000" };
	const json_t *had[WHO_HOLDERS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(when) / sizeof(when[0]); i++) {
		struct who w = question(when[i], 1030, 17);

		assert_int_equal(ask(&w, log, had), 1);
		assert_string_equal(json_string_value(json_object_get(had[0], "inside")),
				    "2001:db8:2::80");
		who_fini(&w);
	}
#undef OF_ENTRY
}

/* Who asks for no protocol hears of the static entry, and of who has that port of the other protocols. */
static void static_entry_and_the_block_around_it_are_both_named(void **state)
{
	struct who w = question("11:30:00.000", 1030, 0);
	const json_t *had[WHO_HOLDERS_MAX];

	(void)state;
	assert_int_equal(ask(&w, in_a_block, had), 2);
	assert_string_equal(json_string_value(json_object_get(had[0], "inside")), "2001:db8:1::/64");
	assert_string_equal(json_string_value(json_object_get(had[0], "protocol")), "any");
	assert_string_equal(json_string_value(json_object_get(had[1], "inside")), "2001:db8:2::80");
	assert_string_equal(json_string_value(json_object_get(had[1], "protocol")), "udp");
	who_fini(&w);
}

static void what_makes_nobody_doubtful_is_known(void **state)
{
	static const struct {
		const char *log, *time;
		bool before, unknown, about;
	} doubts[] = {
		{ two_owners, "07:59:59", true, false, true },
		{ two_owners, "08:00:00", false, false, true },
		{ began, "09:00:00", false, true, true },
		{ ended, "12:00:01", false, true, true },
		{ restarted, "12:00:00.000", false, false, true },
		{ LINE("08:00:00.000", "g", "started\""), "09:00:00", false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(doubts); i++) {
		struct who w = question(doubts[i].time, 1024, 0);
		const json_t *had[WHO_HOLDERS_MAX];

		print_message("%zu: %s\n", i, doubts[i].time);
		assert_int_equal(ask(&w, doubts[i].log, had), 0);
		assert_int_equal(w.when.last_ms < w.begins_ms, doubts[i].before);
		assert_int_equal(w.unknown_ms != 0, doubts[i].unknown);
		assert_int_equal(w.n_about != 0, doubts[i].about);
		who_fini(&w);
	}
}

static void another_address_is_another_matter(void **state)
{
	struct who w = question("10:30:00", 1024, 0);
	const json_t *had[WHO_HOLDERS_MAX];

	(void)state;
	assert_int_equal(addr_parse("198.51.100.1", &w.about.host[0]), 0); /* a part of the other's text */
	assert_int_equal(ask(&w, two_owners, had), 0);
	who_fini(&w);
}

static void lines_that_are_none_are_counted_and_losses_told(void **state)
{
	static const char log[] = "198.51.100.10 is not JSON\n"
				  "{\"outside\":\"198.51.100.10\",\"time\":\"yesterday\"}\n"
				  "[\"198.51.100.10\"]\nsome other line\n"
		LINE("09:00:00.000", "g", "lost\",\"count\":3") LINE("10:00:00.000", "g", "lost\",\"count\":4")
		LINE("11:00:00.000", "g", "lost\",\"count\":5");
	struct who w = question("10:00:00", 1024, 0);
	const json_t *had[WHO_HOLDERS_MAX];

	(void)state;
	assert_int_equal(ask(&w, log, had), 0);
	assert_int_equal(w.n_lines, 7);
	assert_int_equal(w.n_bad, 3);
	assert_int_equal(w.lost, 7);
	assert_int_equal(who_may_miss(&w), 5);
	who_fini(&w);
}

/* A disk that is full takes no mark: what is missing is told of when it has room again. */
static void what_a_later_mark_says_is_missing_may_be_of_that_time(void **state)
{
	static const struct {
		const char *log;
		uint64_t missing;
	} row[] = {
		{ LINE("09:00:00.000", "g", "started\"") LINE("11:00:00.000", "g", "lost\",\"count\":5")
		  LINE("12:00:00.000", "g", "lost\",\"count\":9"), 5 },
		{ LINE("09:00:00.000", "g", "started\"") BLOCK("10:30:00.000", "allocated", "2001:db8:1::/64")
		  LINE("11:00:00.000", "g", "lost\",\"count\":5"), 0 }, /* it was written to at 10:30 */
		{ LINE("09:00:00.000", "g", "started\""), 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct who w = question("10:00:00", 1024, 0);
		const json_t *had[WHO_HOLDERS_MAX];

		assert_int_equal(ask(&w, row[i].log, had), 0);
		assert_int_equal(who_may_miss(&w), row[i].missing);
		assert_int_equal(w.lost, 0);
		who_fini(&w);
	}
}

static void times_are_understood_or_refused(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
		int64_t span_ms;
	} times[] = {
		{ "2026-11-22T20:00:00Z", 1795377600000, 1000 },
		{ "2026-11-22 20:00", 1795377600000, 60000 },
		{ "2026-11-22 20:00Z", 1795377600000, 60000 },
		{ "2026-11-22T20:00:00.250Z", 1795377600250, 1 },
		{ "2026-11-22T20:00:00.25Z", 1795377600250, 10 },
		{ "2026-11-22T20:00:00.2Z", 1795377600200, 100 },
		{ "2026-11-22T20:00:00.Z", 1795377600000, 1000 },
		{ "2026-11-22T21:30:00+01:30", 1795377600000, 1000 },
		{ "2026-11-22T18:00:00-02:00", 1795377600000, 1000 },
		{ "@1795377600", 1795377600000, 1000 },
		{ "@", -1, 0 }, { "@1x", -1, 0 }, { "", -1, 0 }, { "2026-11-22", -1, 0 },
		{ "20:00", -1, 0 }, { "2026-13-22T20:00:00Z", -1, 0 },
		{ "2026-11-22T24:00:00Z", -1, 0 }, { "2026-11-22T20:00:61Z", -1, 0 },
		{ "2026-11-22T20:00:00X", -1, 0 }, { "2026-11-22T20:00:00+1", -1, 0 },
		{ "2026-11-22T20:00:00Zx", -1, 0 }, { "26-11-22T20:00:00Z", -1, 0 },
		{ "@99999999999999999999", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct who_span span;
		int rc = who_time(times[i].text, &span);

		print_message("%s\n", times[i].text);
		assert_int_equal(rc == 0, times[i].ms != -1);
		if (rc)
			continue;
		assert_int_equal(span.first_ms, times[i].ms);
		assert_int_equal(span.last_ms - span.first_ms + 1, times[i].span_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_had_a_port_is_who_has_begun_and_not_ended),
		cmocka_unit_test(all_who_had_it_in_a_second_are_named_once),
		cmocka_unit_test(static_entry_and_the_block_around_it_are_both_named),
		cmocka_unit_test(sessions_of_a_static_entry_change_nothing),
		cmocka_unit_test(what_makes_nobody_doubtful_is_known),
		cmocka_unit_test(another_address_is_another_matter),
		cmocka_unit_test(lines_that_are_none_are_counted_and_losses_told),
		cmocka_unit_test(what_a_later_mark_says_is_missing_may_be_of_that_time),
		cmocka_unit_test(times_are_understood_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
