/* speaker.c - what becomes of time and of what is heard on one interface (RFC 4861 6.2). */
#include "sixgate/ra/speaker.h"
#include <string.h>

static uint32_t random_below(struct ra_speaker *s, uint32_t n)
{
	s->random = s->random * 6364136223846793005 + 1442695040888963407;
	return n ? (uint32_t)((s->random >> 33) % n) : 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* 6.2.1: MinRtrAdvInterval is a third of the maximum; 0.75 of it is as much as it may be. */
static uint32_t min_interval_ms(const struct ra_conf *c)
{
	return c->max_ms >= 9000 ? c->max_ms / 3 : c->max_ms / 4 * 3;
}

/* 6.2.4: a multicast does not follow the last one sooner. */
static uint64_t not_too_soon(const struct ra_speaker *s, uint64_t at)
{
	return s->has_multicast ? later(at, s->last_multicast_ms + RA_BETWEEN_MS) : at;
}

static void listen(struct ra_speaker *s, uint64_t now)
{
	s->state = RA_LISTENING;
	s->n_solicit = RA_SOLICITATIONS;
	s->next_ms = now;
	s->until_ms = now + RA_LISTEN_MS;
	s->n_answer = 0;
}

static void speak(struct ra_speaker *s, uint64_t now)
{
	s->state = RA_SPEAKING;
	s->n_rapid = RA_INITIAL;
	s->next_ms = not_too_soon(s, now);
}

void ra_speaker_begin(struct ra_speaker *s, const struct ra_conf *conf, uint64_t seed, uint64_t now)
{
	*s = (struct ra_speaker){ .conf = *conf, .random = seed };
	listen(s, now);
}

static bool has_prefix(const struct ra_message *m, const struct prefix *p)
{
	for (size_t i = 0; i < m->n_pref64; i++)
		if (m->pref64[i].prefix.len == p->len &&
		    addr_equal(&m->pref64[i].prefix.addr, &p->addr))
			return true;
	return false;
}

/* Of more prefixes than there is room for, the oldest are left to their lifetimes. */
static void add_farewell(struct ra_speaker *s, const struct prefix *p)
{
	if (s->n_farewell == RA_PREF64_MAX)
		memmove(s->farewell, s->farewell + 1, --s->n_farewell * sizeof(*s->farewell));
	s->farewell[s->n_farewell++] = (struct ra_farewell){ .prefix = *p, .n_left = RA_FINAL };
}

static void forget_farewells(struct ra_speaker *s, const struct ra_message *wanted)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n_farewell; i++)
		if (s->farewell[i].n_left && !has_prefix(wanted, &s->farewell[i].prefix))
			s->farewell[kept++] = s->farewell[i];
	s->n_farewell = kept;
}

static bool same_message(const struct ra_message *a, const struct ra_message *b)
{
	uint8_t one[RA_BYTES_MAX], other[RA_BYTES_MAX];
	size_t len = ra_write(a, one);

	return len == ra_write(b, other) && memcmp(one, other, len) == 0;
}

void ra_speaker_change(struct ra_speaker *s, const struct ra_conf *conf, uint64_t now)
{
	const struct ra_message *old = &s->conf.message;
	bool same = same_message(old, &conf->message) && s->conf.max_ms == conf->max_ms;

	for (size_t i = 0; i < old->n_pref64 && s->state == RA_SPEAKING && s->has_multicast; i++)
		if (!has_prefix(&conf->message, &old->pref64[i].prefix))
			add_farewell(s, &old->pref64[i].prefix);
	s->conf = *conf;
	forget_farewells(s, &conf->message);
	if (s->state == RA_SPEAKING && !same)
		speak(s, now);
}

void ra_speaker_end(struct ra_speaker *s, uint32_t gap_ms, uint64_t now)
{
	if (s->state == RA_ENDED || (s->state == RA_ENDING && s->final_gap_ms <= gap_ms))
		return;
	if (s->state != RA_ENDING) {
		bool said = s->state == RA_SPEAKING && s->has_multicast;

		s->state = said ? RA_ENDING : RA_ENDED;
		s->n_final = RA_FINAL;
		s->n_answer = 0;
	}
	s->final_gap_ms = gap_ms;
	s->next_ms = gap_ms < RA_BETWEEN_MS ? now : not_too_soon(s, now);
}

static void answer_everybody(struct ra_speaker *s, uint64_t at)
{
	at = not_too_soon(s, at);
	if (at < s->next_ms)
		s->next_ms = at;
}

void ra_speaker_solicited(struct ra_speaker *s, const struct addr *from, uint64_t now)
{
	static const struct addr unspecified;
	uint64_t at;

	if (s->state != RA_SPEAKING)
		return;
	for (size_t i = 0; i < s->n_answer; i++)
		if (addr_equal(&s->answer[i].to, from))
			return; /* it is going to be answered */
	at = now + random_below(s, RA_DELAY_MS);
	if (addr_equal(from, &unspecified) || s->n_answer == RA_ANSWERS_MAX)
		answer_everybody(s, at);
	else if (s->next_ms > at) /* else it hears the next one to all */
		s->answer[s->n_answer++] = (struct ra_answer){ .to = *from, .at_ms = at };
}

static void fall_silent(struct ra_speaker *s, const struct ra_message *m, uint64_t now)
{
	bool farewell = s->other_lifetime_s && !m->router_lifetime_s;

	s->state = RA_SILENT;
	s->other_lifetime_s = m->router_lifetime_s;
	s->until_ms = now + (farewell ? RA_GONE_MS :
					later(RA_SILENT_MIN_MS, 1000ull * m->router_lifetime_s));
	s->n_answer = 0;
	s->n_farewell = 0;
}

bool ra_speaker_heard(struct ra_speaker *s, const struct ra_message *m, bool from_our_address,
		      uint64_t now)
{
	bool was_silent = s->state == RA_SILENT;

	if (m->router_lifetime_s) {
		s->managed = m->managed;
		s->other = m->other;
	}
	if (!from_our_address || s->state == RA_ENDED)
		return false;
	if (s->state == RA_ENDING) { /* a farewell of ours would be one of theirs */
		s->state = RA_ENDED;
		return false;
	}
	fall_silent(s, m, now);
	return !was_silent;
}

static void compose(const struct ra_speaker *s, struct ra_message *out)
{
	*out = s->conf.message;
	out->managed = s->managed;
	out->other = s->other;
	for (size_t i = 0; i < s->n_farewell && out->n_pref64 < RA_PREF64_MAX; i++)
		out->pref64[out->n_pref64++] = (struct ra_pref64){ .prefix = s->farewell[i].prefix };
	if (s->state != RA_ENDING)
		return;
	out->router_lifetime_s = 0; /* 6.2.5 */
	for (size_t i = 0; i < out->n_pref64; i++)
		out->pref64[i].lifetime_s = 0; /* RFC 8781 4.1 */
}

static void note_multicast(struct ra_speaker *s, uint64_t now)
{
	s->has_multicast = true;
	s->last_multicast_ms = now;
	s->n_answer = 0; /* they have heard it, too */
	for (size_t i = 0; i < s->n_farewell; i++)
		s->farewell[i].n_left--;
	forget_farewells(s, &s->conf.message);
}

static void plan_next(struct ra_speaker *s, uint64_t now)
{
	uint32_t min = min_interval_ms(&s->conf);
	uint32_t wait = min + random_below(s, s->conf.max_ms - min + 1);

	if (s->n_rapid && --s->n_rapid && wait > RA_INITIAL_INTERVAL_MS)
		wait = RA_INITIAL_INTERVAL_MS;
	s->next_ms = not_too_soon(s, now + wait);
}

static bool order(struct ra_order *out, enum ra_order_kind kind)
{
	out->kind = kind;
	return true;
}

static bool step_listening(struct ra_speaker *s, uint64_t now, struct ra_order *out)
{
	if (!s->n_solicit || now < s->next_ms)
		return false;
	s->n_solicit--;
	s->next_ms = now + RA_SOLICIT_INTERVAL_MS;
	return order(out, RA_SEND_SOLICITATION);
}

static bool step_answers(struct ra_speaker *s, uint64_t now, struct ra_order *out)
{
	for (size_t i = 0; i < s->n_answer; i++) {
		if (s->answer[i].at_ms > now)
			continue;
		out->to = s->answer[i].to;
		s->answer[i] = s->answer[--s->n_answer];
		return order(out, RA_SEND_UNICAST);
	}
	return false;
}

static bool step_speaking(struct ra_speaker *s, uint64_t now, struct ra_order *out)
{
	compose(s, &out->message);
	if (now < s->next_ms)
		return step_answers(s, now, out);
	note_multicast(s, now);
	plan_next(s, now);
	return order(out, RA_SEND_MULTICAST);
}

static bool step_ending(struct ra_speaker *s, uint64_t now, struct ra_order *out)
{
	if (now < s->next_ms)
		return false;
	compose(s, &out->message);
	if (--s->n_final == 0)
		s->state = RA_ENDED;
	s->last_multicast_ms = now;
	s->next_ms = now + s->final_gap_ms;
	return order(out, RA_SEND_MULTICAST);
}

bool ra_speaker_step(struct ra_speaker *s, uint64_t now, struct ra_order *out)
{
	out->kind = RA_SEND_NOTHING;
	if (s->state == RA_SILENT && now >= s->until_ms)
		listen(s, now);
	if (s->state == RA_LISTENING && now >= s->until_ms)
		speak(s, now);
	switch (s->state) {
	case RA_LISTENING:
		return step_listening(s, now, out);
	case RA_SPEAKING:
		return step_speaking(s, now, out);
	case RA_ENDING:
		return step_ending(s, now, out);
	default:
		return false;
	}
}

/* Without an address, or with the link down, nobody has heard it and nobody was told anything; while
 * listening that means listening for longer. A farewell that cannot be sent is not waited for. */
void ra_speaker_not_sent(struct ra_speaker *s, const struct ra_order *failed, uint64_t now)
{
	if (s->state == RA_LISTENING) {
		s->n_solicit = RA_SOLICITATIONS;
		s->next_ms = now + RA_RETRY_MS;
		s->until_ms = now + RA_RETRY_MS + RA_LISTEN_MS;
	} else if (s->state == RA_SPEAKING && failed->kind == RA_SEND_MULTICAST) {
		s->n_rapid = RA_INITIAL;
		s->next_ms = now + RA_RETRY_MS;
	}
}

static uint64_t next_answer(const struct ra_speaker *s)
{
	uint64_t at = s->next_ms;

	for (size_t i = 0; i < s->n_answer; i++)
		if (s->answer[i].at_ms < at)
			at = s->answer[i].at_ms;
	return at;
}

uint64_t ra_speaker_next(const struct ra_speaker *s)
{
	switch (s->state) {
	case RA_LISTENING:
		return s->n_solicit && s->next_ms < s->until_ms ? s->next_ms : s->until_ms;
	case RA_SPEAKING:
		return next_answer(s);
	case RA_SILENT:
		return s->until_ms;
	case RA_ENDING:
		return s->next_ms;
	default:
		return UINT64_MAX;
	}
}

const char *ra_state_name(enum ra_state state)
{
	static const char *const name[N_RA_STATES] = { "listening", "advertising", "silent", "ending",
						       "ended" };

	return name[state];
}
