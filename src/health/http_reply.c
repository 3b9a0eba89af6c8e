/*
 * http_reply.c - the status line and headers of an HTTP/1 response (RFC 9112 4, 5), and the request
 * that asks for them. Nothing else of HTTP: no body, no reuse, no redirects.
 */
#include "health_internal.h"
#include <stdio.h>
#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9112 4: HTTP-version SP status-code SP [ reason-phrase ]. */
static bool take_status(struct http_reply *r)
{
	const char *s = r->line;

	if (r->len < 12 || strncmp(s, "HTTP/1.", 7) != 0 || !is_digit(s[7]) || s[8] != ' ')
		return false;
	if (!is_digit(s[9]) || !is_digit(s[10]) || !is_digit(s[11]) || (s[12] != '\0' && s[12] != ' '))
		return false;
	r->status = (uint16_t)((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
	return r->status >= 100;
}

static void take_header(struct http_reply *r)
{
	static const char name[] = "x-minio-server-status:";
	const char *value = r->line + sizeof(name) - 1;

	if (strncasecmp(r->line, name, sizeof(name) - 1) != 0)
		return;
	while (*value == ' ' || *value == '\t')
		value++;
	r->offline |= strncasecmp(value, "offline", 7) == 0;
}

static enum http_progress take_line(struct http_reply *r)
{
	if (r->len > 0 && r->line[r->len - 1] == '\r')
		r->len--;
	r->line[r->len] = '\0';
	if (!r->in_headers) {
		if (!take_status(r))
			return HTTP_BAD;
		r->in_headers = true;
	} else if (r->len > 0) {
		take_header(r);
	} else if (r->status < 200) {
		r->in_headers = false; /* RFC 9110 15.2: the final response follows */
	} else {
		return HTTP_DONE;
	}
	r->len = 0;
	return HTTP_MORE;
}

enum http_progress health__http_feed(struct http_reply *r, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum http_progress p;

		if (++r->n_read > HTTP_HEAD_MAX)
			return HTTP_BAD;
		if (bytes[i] != '\n') {
			if (r->len < HTTP_LINE_MAX - 1)
				r->line[r->len++] = bytes[i];
			continue;
		}
		p = take_line(r);
		if (p != HTTP_MORE)
			return p;
	}
	return HTTP_MORE;
}

size_t health__http_request(char request[REQUEST_MAX], const struct health_conf *c,
			    const struct addr *node, uint16_t port)
{
	char text[ADDR_TEXT_MAX], host[SERVICE_NAME_MAX + sizeof(c->host)];
	int n;

	addr_format(node, text);
	if (c->host[0])
		snprintf(host, sizeof(host), "%s", c->host);
	else
		snprintf(host, sizeof(host), addr_is_v4(node) ? "%s:%u" : "[%s]:%u", text, port);
	n = snprintf(request, REQUEST_MAX,
		     "GET %s HTTP/1.1\r\n"
		     "Host: %s\r\n"
		     "User-Agent: sixgate-health\r\n"
		     "Accept: */*\r\n"
		     "Connection: close\r\n\r\n",
		     c->path, host);
	return n > 0 && n < REQUEST_MAX ? (size_t)n : 0;
}
