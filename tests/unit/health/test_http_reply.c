/* test_http_reply.c - the head of an HTTP/1 response (RFC 9112 4), whole and byte by byte, and rise
 * and fall. */
#include "test.h"
#include "health_internal.h"

static const struct {
	const char *name, *text;
	enum http_progress want;
	uint16_t status;
	bool offline;
} rows[] = {
	{ "RFC 9112 4", "HTTP/1.1 200 OK\r\n\r\n", HTTP_DONE, 200, false },
	{ "RFC 9112 4: no reason, but its space", "HTTP/1.1 404 \r\n\r\n", HTTP_DONE, 404, false },
	{ "no reason and no space", "HTTP/1.0 503\r\n\r\n", HTTP_DONE, 503, false },
	{ "RFC 9112 2.2: a bare LF ends a line", "HTTP/1.1 200 OK\n\n", HTTP_DONE, 200, false },
	{ "headers", "HTTP/1.1 204 x\r\nServer: a\r\nDate: b\r\n\r\nbody", HTTP_DONE, 204, false },
	{ "RFC 9110 15.2: interim first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
	  HTTP_DONE, 200, false },
	{ "MinIO that starts", "HTTP/1.1 200 OK\r\nX-Minio-Server-Status: offline\r\n\r\n", HTTP_DONE,
	  200, true },
	{ "RFC 9110 5.1: names in any case", "HTTP/1.1 200 OK\r\nx-minio-server-STATUS:\t offline\r\n\r\n",
	  HTTP_DONE, 200, true },
	{ "MinIO that runs", "HTTP/1.1 200 OK\r\nX-Minio-Server-Status: online\r\n\r\n", HTTP_DONE, 200,
	  false },
	{ "RFC 9112 5: no space after the colon", "HTTP/1.1 200 OK\r\nX-Minio-Server-Status:offline\r\n\r\n",
	  HTTP_DONE, 200, true },
	{ "not yet", "HTTP/1.1 200 OK\r\n", HTTP_MORE, 0, false },
	{ "nothing", "", HTTP_MORE, 0, false },
	{ "HTTP/2", "HTTP/2 200\r\n\r\n", HTTP_BAD, 0, false },
	{ "SSH", "SSH-2.0-OpenSSH_9.2\r\n", HTTP_BAD, 0, false },
	{ "TLS alert", "\x15\x03\x03\x02\x02\x46\n", HTTP_BAD, 0, false },
	{ "two digits", "HTTP/1.1 20\r\n\r\n", HTTP_BAD, 0, false },
	{ "four digits", "HTTP/1.1 2000\r\n\r\n", HTTP_BAD, 0, false },
	{ "no digits", "HTTP/1.1 abc\r\n\r\n", HTTP_BAD, 0, false },
	{ "one that is no digit", "HTTP/1.1 2x0 OK\r\n\r\n", HTTP_BAD, 0, false },
	{ "another", "HTTP/1.1 20x OK\r\n\r\n", HTTP_BAD, 0, false },
	{ "another protocol", "RTSP/1.0 200 OK\r\n\r\n", HTTP_BAD, 0, false },
	{ "no minor version", "HTTP/1.x 200 OK\r\n\r\n", HTTP_BAD, 0, false },
	{ "below 100", "HTTP/1.1 099 x\r\n\r\n", HTTP_BAD, 0, false },
	{ "an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", HTTP_BAD, 0, false },
};

static enum http_progress feed(struct http_reply *r, const char *text, size_t piece)
{
	enum http_progress p = HTTP_MORE;
	size_t n = strlen(text);

	*r = (struct http_reply){ 0 };
	for (size_t at = 0; at < n && p == HTTP_MORE; at += piece)
		p = health__http_feed(r, text + at, n - at < piece ? n - at : piece);
	return p;
}

static void heads_are_read_in_whatever_pieces_they_come(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece <= 64; piece = piece * 3 + 1) {
			struct http_reply r;

			print_message("%s, pieces of %zu\n", rows[i].name, piece);
			assert_int_equal(feed(&r, rows[i].text, piece), rows[i].want);
			if (rows[i].want != HTTP_DONE)
				continue;
			assert_int_equal(r.status, rows[i].status);
			assert_int_equal(r.offline, rows[i].offline);
		}
}

static void a_head_without_end_is_given_up(void **state)
{
	static const char line[] = "X-Padding: 0123456789012345678901234567890123456789\r\n";
	struct http_reply r = { 0 };
	enum http_progress p = health__http_feed(&r, "HTTP/1.1 200 OK\r\n", 17);
	size_t n = 17;

	(void)state;
	for (; p == HTTP_MORE; n += sizeof(line) - 1)
		p = health__http_feed(&r, line, sizeof(line) - 1);
	assert_int_equal(p, HTTP_BAD);
	assert_in_range(n, HTTP_HEAD_MAX, HTTP_HEAD_MAX + sizeof(line));
}

static void a_line_of_any_length_is_cut_not_overrun(void **state)
{
	struct http_reply r = { 0 };
	char byte = 'x';

	(void)state;
	assert_int_equal(health__http_feed(&r, "HTTP/1.1 200 OK\r\nX: ", 20), HTTP_MORE);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(health__http_feed(&r, &byte, 1), HTTP_MORE);
	assert_int_equal(health__http_feed(&r, "\r\n\r\n", 4), HTTP_DONE);
	assert_int_equal(r.status, 200);
}

static void random_bytes_are_never_a_good_answer(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct http_reply r = { 0 };
		char bytes[64];

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)rnd(&seed);
		assert_int_not_equal(health__http_feed(&r, bytes, sizeof(bytes)), HTTP_DONE);
	}
}

static void requests_name_the_host(void **state)
{
	struct health_conf c = { .path = "/minio/health/live" };
	char request[REQUEST_MAX];
	struct addr v4, v6;
	size_t n;

	(void)state;
	assert_int_equal(addr_parse("192.0.2.1", &v4), 0);
	assert_int_equal(addr_parse("2001:db8::1", &v6), 0);
	n = health__http_request(request, &c, &v6, 9000);
	assert_int_equal(n, strlen(request));
	assert_ptr_equal(strstr(request, "GET /minio/health/live HTTP/1.1\r\nHost: [2001:db8::1]:9000\r\n"),
			 request);
	assert_string_equal(request + strlen(request) - 4, "\r\n\r\n");
	health__http_request(request, &c, &v4, 9000);
	assert_non_null(strstr(request, "\r\nHost: 192.0.2.1:9000\r\n"));
	strcpy(c.host, "store.example");
	health__http_request(request, &c, &v4, 9000);
	assert_non_null(strstr(request, "\r\nHost: store.example\r\n"));
}

static void the_longest_request_fits(void **state)
{
	char request[REQUEST_MAX];
	struct health_conf c = { .path = "/" };
	struct addr v4;
	size_t n;

	(void)state;
	assert_int_equal(addr_parse("192.0.2.1", &v4), 0);
	memset(c.path, 'x', sizeof(c.path) - 1);
	memset(c.host, 'h', sizeof(c.host) - 1);
	n = health__http_request(request, &c, &v4, 9000); /* the longest that can be configured fits */
	assert_int_equal(n, strlen(request));
	assert_true(n > 510 && n < REQUEST_MAX);
	assert_non_null(strstr(request, c.host));
}

static void nodes_rise_and_fall(void **state)
{
	static const struct {
		const char *name, *results, *up; /* g good, b bad; u up, d down after each */
	} cases[] = {
		{ "the first counts at once", "gbg", "uuu" },
		{ "fall 3", "gbbgbbbb", "uuuuuudd" },
		{ "rise 2", "bggb", "dduu" },
		{ "broken streaks", "bgbgbgg", "ddddddu" },
	};
	struct health_conf c = { .rise = 2, .fall = 3 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct streak s = { 0 };

		print_message("%s\n", cases[i].name);
		for (size_t k = 0; cases[i].results[k]; k++) {
			bool was = s.up, turned;

			turned = health__streak_note(&s, &c, cases[i].results[k] == 'g');
			assert_int_equal(s.up, cases[i].up[k] == 'u');
			assert_int_equal(turned, was != s.up);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_read_in_whatever_pieces_they_come),
		cmocka_unit_test(a_head_without_end_is_given_up),
		cmocka_unit_test(a_line_of_any_length_is_cut_not_overrun),
		cmocka_unit_test(random_bytes_are_never_a_good_answer),
		cmocka_unit_test(requests_name_the_host),
		cmocka_unit_test(the_longest_request_fits),
		cmocka_unit_test(nodes_rise_and_fall),
	};

	return cmocka_run_group_tests_name("health/http_reply", tests, NULL, NULL);
}
