/* stream.c - see stream.h. */
#include "stream.h"
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

void stream__init(struct stream *s, struct resolver *r, unsigned window, uint64_t now_ms)
{
	must(window >= 1);
	s->resolver = r;
	s->window = window;
	s->n = s->n_sent = 0;
	s->heard_ms = s->used_ms = now_ms;
	s->n_answered = 0;
	s->in_at = s->in_len = 0;
	for (unsigned i = 0; i < STREAM_MAX; i++)
		s->order[i] = (uint8_t)i;
}

static struct stream_question *at(struct stream *s, unsigned i)
{
	return &s->question[s->order[i]];
}

static bool has_id(struct stream *s, uint16_t id)
{
	for (unsigned i = 0; i < s->n; i++)
		if (at(s, i)->id == id)
			return true;
	return false;
}

/* Nobody sees into a connection; but who writes into one blindly shall have to guess here, too. */
void stream__add(struct stream *s, uint32_t ask, const uint8_t *wire, size_t len, uint64_t now_ms)
{
	struct stream_question *q = at(s, s->n);
	uint16_t id = load16(wire);

	must(s->n < STREAM_MAX && len >= DNS_HEADER_LEN && len <= sizeof(q->wire));
	while (has_id(s, id))
		id = (uint16_t)resolver__random(s->resolver);
	q->ask = ask;
	q->wire_id = load16(wire);
	q->id = id;
	q->len = (uint16_t)len;
	q->behind = false;
	q->sent_ms = now_ms;
	q->answered = s->n_answered;
	memcpy(q->wire, wire, len);
	s->n++;
	s->used_ms = now_ms;
}

size_t stream__give(struct stream *s, uint8_t *out, size_t size, uint64_t now_ms)
{
	size_t len = 0;

	while (stream__wants_out(s)) {
		struct stream_question *q = at(s, s->n_sent);

		if (2u + q->len > size - len)
			break;
		store16(out + len, q->len);
		memcpy(out + len + 2, q->wire, q->len);
		store16(out + len + 2, q->id);
		len += 2u + q->len;
		q->behind = s->n_sent > 0;
		q->sent_ms = now_ms;
		q->answered = s->n_answered;
		s->n_sent++;
	}
	return len;
}

static void drop(struct stream *s, unsigned i)
{
	uint8_t place = s->order[i];

	s->n--;
	memmove(s->order + i, s->order + i + 1, s->n - i);
	s->order[s->n] = place;
	if (i < s->n_sent)
		s->n_sent--;
}

uint8_t *stream__space(struct stream *s, size_t *size)
{
	memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
	s->in_len -= s->in_at;
	s->in_at = 0;
	*size = sizeof(s->in) - s->in_len;
	return s->in + s->in_len;
}

void stream__came(struct stream *s, size_t len, uint64_t now_ms)
{
	s->in_len += len;
	s->heard_ms = now_ms;
}

enum stream_took stream__take(struct stream *s, struct stream_answer *out, uint64_t now_ms)
{
	uint8_t *wire = s->in + s->in_at + 2;
	size_t left = s->in_len - s->in_at, len = left >= 2 ? load16(wire - 2) : 0;

	if (left < 2 || left < 2 + len)
		return STREAM_NOTHING;
	s->in_at += 2 + len;
	if (len == 0)
		return STREAM_BROKEN;
	for (unsigned i = 0; len >= 2 && i < s->n_sent; i++) {
		struct stream_question *q = at(s, i);

		if (q->id != load16(wire))
			continue;
		store16(wire, q->wire_id);
		*out = (struct stream_answer){ .ask = q->ask, .wire = wire, .len = len };
		drop(s, i);
		s->n_answered++;
		s->used_ms = now_ms;
		return STREAM_ANSWER;
	}
	return STREAM_STRAY;
}

/* A server that reads one question at a time may lose those behind it. */
static enum stream_found judge(struct stream *s, unsigned i, uint64_t now_ms)
{
	const struct stream_question *q = at(s, i);

	if (now_ms < q->sent_ms + STREAM_STALL_MS)
		return STREAM_FINE;
	if (s->n_answered > q->answered)
		return i < s->n_sent && q->behind ? STREAM_SKIPPED : STREAM_FINE;
	return s->heard_ms <= q->sent_ms ? STREAM_DEAD : STREAM_FINE;
}

enum stream_found stream__cancel(struct stream *s, uint32_t ask, uint64_t now_ms)
{
	for (unsigned i = 0; i < s->n; i++) {
		enum stream_found found;

		if (at(s, i)->ask != ask)
			continue;
		found = judge(s, i, now_ms);
		drop(s, i);
		s->used_ms = now_ms;
		return found;
	}
	return STREAM_ABSENT;
}

bool stream__pop(struct stream *s, struct stream_question *out)
{
	if (!s->n)
		return false;
	*out = *at(s, 0);
	drop(s, 0);
	return true;
}

bool stream__any_behind(struct stream *s)
{
	for (unsigned i = 0; i < s->n_sent; i++)
		if (at(s, i)->behind)
			return true;
	return false;
}
