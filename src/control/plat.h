/* plat.h - learning the provider's NAT64 prefix for a CLAT (RFC 7050). */
#pragma once
#include "control.h"

/** plat__start() - ready to learn; asks when plat__follow() says that it is needed. Return: 0 or
 *  -ENOMEM. */
int plat__start(struct control *c, struct err *e);

/** plat__follow() - @conf runs from now on: ask its resolvers, or no longer. */
void plat__follow(struct control *c, const struct config *conf);

/** plat__prefix() - what has been learned; length 0: nothing (yet). Borrowed until the loop goes on. */
const struct prefix *plat__prefix(const struct control *c);

/** plat__stop() - NULL is allowed. */
void plat__stop(struct control *c);

/** struct plat_reply - what an answer says; @prefix of length 0: there is no NAT64
 *  @ttl_s: for how long */
struct plat_reply {
	struct prefix prefix;
	uint32_t ttl_s;
};

/** plat__question() - AAAA of ipv4only.arpa. @out: DNS_UDP_CLASSIC bytes. Return: bytes written. */
size_t plat__question(uint16_t id, uint8_t *out);

/** plat__read() - Return: false if these bytes are no answer to that question. */
bool plat__read(const uint8_t *wire, size_t len, uint16_t id, struct plat_reply *out);
