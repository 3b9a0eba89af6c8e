/* forwarded.h - what the kernel does to a packet that it forwards into or out of a TUN device, done
 * here for those that do not pass it. */
#pragma once
#include "sixgate/packet/packet.h"

/** forwarded__is_ip() - is there a whole header of its version? Sets nothing. */
bool forwarded__is_ip(const struct packet *p);

/** forwarded__hops() - TTL or hop limit of a packet that forwarded__is_ip(). */
static inline uint8_t forwarded__hops(const struct packet *p)
{
	return p->data[0] >> 4 == 4 ? p->data[8] : p->data[7];
}

/** forwarded__count_hop() - one hop less at @ip, a whole header; more than 1 were left. */
void forwarded__count_hop(uint8_t *ip);

/**
 * forwarded__note_unfinished() - does the checksum field hold the sum of the pseudo-header? Then a
 * local stack has left the rest to hardware that is not there, and @p->off says so.
 *
 * A finished checksum can look the same by chance: finishing it again gives the same value.
 */
void forwarded__note_unfinished(struct packet *p);
