/*
 * screen.c - is this text at all? Looked at before libfyaml sees it.
 *
 * Bytes that are no UTF-8, control letters and YAML directives have no place in a configuration;
 * libfyaml 0.7.12 does not end on a directive that holds a byte that is no UTF-8, and loses memory
 * over a long run of single quotes.
 */
#include <stdbool.h>
#include <string.h>
#include "config_internal.h"

/* Length of the UTF-8 sequence at @p (RFC 3629 4), 0 if there is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 :
		   p[0] < 0xf5 ? 4 : 0;

	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

/* A byte order mark may begin a file and nothing else. */
static size_t skip_mark(const unsigned char *p, size_t len)
{
	return len >= 3 && !memcmp(p, "\xef\xbb\xbf", 3) ? 3 : 0;
}

enum { QUOTES_MAX = 8 };

static bool is_quote_run(const unsigned char *p, size_t left)
{
	return left >= QUOTES_MAX && !memcmp(p, "''''''''", QUOTES_MAX);
}

/* Why the letter of @n bytes at @p may not stand there, or NULL. */
static const char *unfit(const unsigned char *p, size_t left, size_t n, int column)
{
	if (!n)
		return "this is no text: not UTF-8";
	if (is_control(p[0]))
		return "this is no text: a control letter";
	if (p[0] == '%' && column == 1)
		return "lines that begin with % (YAML directives) are not used in this file";
	if (is_quote_run(p, left))
		return "too many quotes in a row";
	return NULL;
}

bool text__is_clean(const char *text, size_t len, int file, struct problems *problems)
{
	const unsigned char *p = (const unsigned char *)text;
	struct mark at = { file, 1, 1 };

	for (size_t i = skip_mark(p, len), n; i < len; i += n) {
		const char *why;

		n = utf8_length(p + i, len - i);
		why = unfit(p + i, len - i, n, at.column);
		if (why) {
			problems__add(problems, at, "%s (byte 0x%02x)", why, p[i]);
			return false;
		}
		at.column++;
		if (p[i] == '\n' || p[i] == '\r') {
			at.line += p[i] == '\n' || i + 1 == len || p[i + 1] != '\n';
			at.column = 1;
		}
	}
	return true;
}
