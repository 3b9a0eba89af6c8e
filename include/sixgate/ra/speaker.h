/*
 * speaker.h - when a router says what on one interface (RFC 4861 6.2), without sockets and clock:
 * time is a number, in milliseconds, that never goes back.
 *
 *   LISTENING --nobody speaks for our address--> SPEAKING <--> ...
 *       ^  \------ somebody does ------> SILENT      |
 *       '---------- is gone ------------'   <--------' somebody begins to
 *
 * Another daemon of this host that advertises from our address is the one that hosts believe: an
 * advertisement of ours with a router lifetime of 0 would take their default route away (RFC 4861
 * 6.3.4). So nothing is sent before it is known that there is none, and nothing any more, not even
 * a farewell, once there is one.
 */
#pragma once
#include "sixgate/ra/message.h"

/** RFC 4861 10, but for what says otherwise. */
enum {
	RA_INITIAL = 3,			/* MAX_INITIAL_RTR_ADVERTISEMENTS */
	RA_INITIAL_INTERVAL_MS = 16000,	/* MAX_INITIAL_RTR_ADVERT_INTERVAL */
	RA_FINAL = 3,			/* MAX_FINAL_RTR_ADVERTISEMENTS */
	RA_BETWEEN_MS = 3000,		/* MIN_DELAY_BETWEEN_RAS */
	RA_DELAY_MS = 500,		/* MAX_RA_DELAY_TIME */
	RA_LISTEN_MS = 4500,		/* ours: a router answers us within RA_BETWEEN_MS + RA_DELAY_MS */
	RA_SOLICITATIONS = 2,		/* ours, while listening ... */
	RA_SOLICIT_INTERVAL_MS = 2000,	/* ... so far apart: hosts have MAX_RTR_SOLICITATIONS of 4 s */
	RA_SILENT_MIN_MS = 1800000,	/* ours: how long one that was heard is believed to be there */
	RA_GONE_MS = 60000,		/* ours: the same, once it has said farewell */
	RA_RETRY_MS = 1000,		/* ours: after something could not be sent */
	RA_FINAL_GAP_MS = 100,		/* ours: farewells of a process that ends; see ra_speaker_end() */
	RA_ANSWERS_MAX = 16,		/* ours: unicast answers that wait; beyond, one to everybody */
	RA_INTERVAL_MIN_S = 4, RA_INTERVAL_MAX_S = 1800, /* 6.2.1 */
	RA_ROUTER_LIFETIME_MAX_S = 9000			 /* 6.2.1 */
};

/** struct ra_conf - @max_ms: MaxRtrAdvInterval; @message: its flags M and O are set by the speaker */
struct ra_conf {
	uint32_t max_ms;
	struct ra_message message;
};

enum ra_state { RA_LISTENING, RA_SPEAKING, RA_SILENT, RA_ENDING, RA_ENDED, N_RA_STATES };

/** struct ra_farewell - a prefix that is said once more with lifetime 0, @n_left times. */
struct ra_farewell {
	struct prefix prefix;
	unsigned n_left;
};

struct ra_answer {
	struct addr to;
	uint64_t at_ms;
};

/**
 * struct ra_speaker
 * @next_ms:  SPEAKING, ENDING: of the next multicast; LISTENING: of the next solicitation
 * @until_ms: LISTENING, SILENT: their end
 * @n_rapid:  how many multicasts may still not be further apart than RA_INITIAL_INTERVAL_MS
 * @managed, @other: what the link's default router says; ours must not contradict (6.2.7)
 */
struct ra_speaker {
	enum ra_state state;
	struct ra_conf conf;
	uint64_t next_ms, until_ms, last_multicast_ms;
	bool has_multicast, managed, other;
	unsigned n_rapid, n_solicit, n_final;
	uint32_t final_gap_ms;
	uint32_t other_lifetime_s; /* of the daemon that is heard from our address */
	struct ra_farewell farewell[RA_PREF64_MAX];
	size_t n_farewell;
	struct ra_answer answer[RA_ANSWERS_MAX];
	size_t n_answer;
	uint64_t random;
};

enum ra_order_kind { RA_SEND_NOTHING, RA_SEND_SOLICITATION, RA_SEND_MULTICAST, RA_SEND_UNICAST };

/** struct ra_order - what is to be sent now; @to: of a unicast; @message: of an advertisement */
struct ra_order {
	enum ra_order_kind kind;
	struct addr to;
	struct ra_message message;
};

/** ra_speaker_begin() - with a round of listening. @seed: any number, another for each speaker. */
void ra_speaker_begin(struct ra_speaker *s, const struct ra_conf *conf, uint64_t seed, uint64_t now);

/** ra_speaker_change() - @conf from now on, told soon; prefixes that are gone are withdrawn. */
void ra_speaker_change(struct ra_speaker *s, const struct ra_conf *conf, uint64_t now);

/**
 * ra_speaker_end() - say farewell, RA_FINAL times, with every lifetime 0; nothing, if nothing was
 * ever said
 * @gap_ms: between them: RA_BETWEEN_MS where there is time; a process that ends has none
 */
void ra_speaker_end(struct ra_speaker *s, uint32_t gap_ms, uint64_t now);

/** ra_speaker_solicited() - somebody asks; @from unspecified: it has no address yet. */
void ra_speaker_solicited(struct ra_speaker *s, const struct addr *from, uint64_t now);

/**
 * ra_speaker_heard() - an advertisement that is not ours
 * @from_our_address: another daemon of this host; else another router on the link
 *
 * Return: true if this has made us silent.
 */
bool ra_speaker_heard(struct ra_speaker *s, const struct ra_message *m, bool from_our_address,
		      uint64_t now);

/** ra_speaker_step() - Return: true with one thing to send now; call again until it is false. */
bool ra_speaker_step(struct ra_speaker *s, uint64_t now, struct ra_order *out);

/** ra_speaker_not_sent() - the @order of the last step has failed; it is tried again later. */
void ra_speaker_not_sent(struct ra_speaker *s, const struct ra_order *order, uint64_t now);

/** ra_speaker_next() - when to step again; UINT64_MAX: never. */
uint64_t ra_speaker_next(const struct ra_speaker *s);

/** ra_state_name() - static text. */
const char *ra_state_name(enum ra_state state);
