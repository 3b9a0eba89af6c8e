/* line_log.c - see line_log.h. Control thread only. */
#include "line_log.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "event_text.h"

void line_log__close(struct line_log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

void line_log__open(struct line_log *l, const char *sink, int fd)
{
	line_log__close(l);
	l->fd = fd;
	l->torn = false;
	l->kind = strcmp(sink, "journal") == 0 ? SINK_JOURNAL :
		  strncmp(sink, "socket:", 7) == 0 ? SINK_SOCKET : SINK_FILE;
}

/* A line that is cut short stays, for it cannot be taken back, and is counted as lost. */
void line_log__flush(struct line_log *l)
{
	ssize_t n;
	uint64_t whole = 0;

	if (l->used == 0)
		return;
	do
		n = write(l->fd, l->text, l->used);
	while (n < 0 && errno == EINTR);
	for (ssize_t i = 0; i < n; i++)
		whole += l->text[i] == '\n';
	if (n > 0 && l->text[0] == '\n') /* it ended the line that was torn */
		whole--;
	if (n > 0)
		l->torn = l->text[n - 1] != '\n';
	l->n_written += whole < l->n ? whole : l->n;
	l->n_refused += whole < l->n ? l->n - whole : 0;
	l->used = 0;
	l->n = 0;
}

static void add_line(struct line_log *l, const char *text, size_t len)
{
	if (l->used + len + 2 > sizeof(l->text))
		line_log__flush(l);
	if (l->used == 0 && l->torn)
		l->text[l->used++] = '\n';
	memcpy(l->text + l->used, text, len);
	l->used += len;
	l->text[l->used++] = '\n';
	l->n++;
}

/* The journal's own protocol: a field a line. */
static size_t wrap_for_journal(const struct line_log *l, const char *text, size_t len, char *out,
			       size_t size)
{
	return (size_t)snprintf(out, size, "MESSAGE=%.*s\nPRIORITY=6\nSYSLOG_IDENTIFIER=%s\n", (int)len,
				text, l->ident);
}

static void send_line(struct line_log *l, const char *text, size_t len)
{
	char wrapped[EVENT_TEXT_MAX + 128];

	if (l->kind == SINK_JOURNAL) {
		len = wrap_for_journal(l, text, len, wrapped, sizeof(wrapped));
		text = wrapped;
	}
	if (l->fd >= 0 && send(l->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) {
		l->n_written++;
		return;
	}
	l->n_refused++;
	if (l->fd >= 0 && errno != EAGAIN && errno != ENOBUFS) /* whoever listened has gone */
		line_log__close(l);
}

void line_log__put(struct line_log *l, const char *text, size_t len)
{
	if (l->kind == SINK_FILE)
		add_line(l, text, len);
	else
		send_line(l, text, len);
}

static void flush_file(struct line_log *l)
{
	if (l->kind == SINK_FILE)
		line_log__flush(l);
}

bool line_log__mark(struct line_log *l, const char *text, size_t len)
{
	uint64_t refused;

	flush_file(l);
	refused = l->n_refused;
	line_log__put(l, text, len);
	flush_file(l);
	if (l->n_refused == refused)
		return true;
	l->n_refused = refused;
	return false;
}
