/*
 * stream.h - questions and answers on one connection to an upstream (RFC 7766 6.2.1.1): several under way
 * at once, answers in any order, each matched by its id on this connection alone. Bytes in, bytes out:
 * sockets, TLS and time are the caller's.
 *
 * - waiting: taken, but not given out yet
 * - under way: given out, unanswered
 */
#pragma once
#include "resolver.h"

enum {
	STREAM_MAX = 128,     /* questions of one connection, waiting or under way */
	STREAM_STALL_MS = 1000, /* nothing heard since a question: the next one goes another way */
	STREAM_ALONE_MS = 900000, /* one question at a time; then an upstream may have learned something */
};

/** struct stream_question - @id: there; @wire_id: in the engine's message; @behind: others were under way
 *  when it went out. @sent_ms: then; until then, since when it waits; @answered: others, by then. */
struct stream_question {
	uint32_t ask;
	uint16_t id, wire_id, len;
	bool behind;
	uint64_t sent_ms, answered;
	uint8_t wire[ASK_WIRE_MAX];
};

/**
 * struct stream
 * @window:     that many may be under way
 * @n, @n_sent: in @order: those under way, then those that wait; behind them the free places of @question
 * @heard_ms:   when an octet last came
 * @used_ms:    when a question or its answer last came
 * @n_answered: since the beginning
 * @in:         what came and is not yet taken: from @in_at on
 */
struct stream {
	struct resolver *resolver; /* for its random numbers */
	unsigned window, n, n_sent;
	uint64_t heard_ms, used_ms, n_answered;
	size_t in_at, in_len;
	uint8_t order[STREAM_MAX];
	struct stream_question question[STREAM_MAX];
	uint8_t in[2 + DNS_MESSAGE_MAX];
};

void stream__init(struct stream *s, struct resolver *r, unsigned window, uint64_t now_ms);

static inline bool stream__is_full(const struct stream *s)
{
	return s->n == STREAM_MAX;
}

/** stream__add() - @wire waits. Not to be called when it is full. */
void stream__add(struct stream *s, uint32_t ask, const uint8_t *wire, size_t len, uint64_t now_ms);

/** stream__give() - questions that may go out now, with their lengths, as many as fit whole; from now on
 *  they are under way. Return: octets in @out. */
size_t stream__give(struct stream *s, uint8_t *out, size_t size, uint64_t now_ms);

/** stream__wants_out() - stream__give() has something to give. */
static inline bool stream__wants_out(const struct stream *s)
{
	return s->n_sent < s->n && s->n_sent < s->window;
}

/** stream__space() - where the next octets that come are put; never 0 if stream__take() has said that
 *  there is nothing more. */
uint8_t *stream__space(struct stream *s, size_t *size);

/** stream__came() - @len octets were put there. */
void stream__came(struct stream *s, size_t len, uint64_t now_ms);

/** struct stream_answer - @wire: with the engine's id; valid until stream__space(). */
struct stream_answer {
	uint32_t ask;
	const uint8_t *wire;
	size_t len;
};

/** enum stream_took - nothing whole is there; an answer; one to nothing that is under way; an empty
 *  message, after which there is no sense in going on. */
enum stream_took { STREAM_NOTHING, STREAM_ANSWER, STREAM_STRAY, STREAM_BROKEN };

/** stream__take() - the next message that came. An answer's question is gone from here. */
enum stream_took stream__take(struct stream *s, struct stream_answer *out, uint64_t now_ms);

/** enum stream_found - what a question that is given up says of the connection: nothing; that it may be
 *  dead; that others were answered, but not this one, which went out behind them. */
enum stream_found { STREAM_ABSENT, STREAM_FINE, STREAM_DEAD, STREAM_SKIPPED };

/** stream__cancel() - no answer to @ask is wanted any more. STREAM_ABSENT: it is not here. */
enum stream_found stream__cancel(struct stream *s, uint32_t ask, uint64_t now_ms);

/** stream__pop() - the oldest question, to be asked elsewhere. Return: false: there is none. */
bool stream__pop(struct stream *s, struct stream_question *out);

/** stream__any_behind() - some question under way went out behind others. */
bool stream__any_behind(struct stream *s);
