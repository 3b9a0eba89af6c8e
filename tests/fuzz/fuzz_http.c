/* fuzz_http.c - hostile answers to a health check: however they are cut into pieces, the verdict is
 * the same, it names a status of three digits, and it comes within HTTP_HEAD_MAX bytes. */
#include <stddef.h>
#include <stdint.h>
#include "health_internal.h"
#include "sixgate/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_progress feed(struct http_reply *r, const char *text, size_t n, size_t piece)
{
	enum http_progress p = HTTP_MORE;

	*r = (struct http_reply){ 0 };
	for (size_t at = 0; at < n && p == HTTP_MORE; at += piece)
		p = health__http_feed(r, text + at, n - at < piece ? n - at : piece);
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_reply whole, cut;
	enum http_progress p;
	const char *text;

	if (size < 2)
		return 0;
	text = (const char *)data + 1;
	p = feed(&whole, text, size - 1, size - 1);
	must(feed(&cut, text, size - 1, 1u + data[0] % 16) == p);
	must(p != HTTP_MORE || size - 1 <= HTTP_HEAD_MAX);
	must(p != HTTP_DONE || (whole.status >= 200 && whole.status <= 999));
	must(p != HTTP_DONE || (whole.status == cut.status && whole.offline == cut.offline));
	must(whole.len < HTTP_LINE_MAX && cut.len < HTTP_LINE_MAX);
	return 0;
}
