/* packet_internal.h - what the parser's files share. */
#pragma once
#include "sixgate/packet/packet.h"

/** packet__settle_checksum() - make the facts about an unfinished checksum true: it stays
 *  unfinished only for the TCP or UDP header at l4_at, everything else is finished here. Needs
 *  l4_at, proto and the fragment flags. */
struct verdict packet__settle_checksum(struct packet *p);

/** packet__check_gso() - a super-packet whose facts agree with its whole headers, or a drop; what
 *  is one segment only becomes an ordinary packet. */
struct verdict packet__check_gso(struct packet *p);

/** packet__parse_icmp() - ICMP of either family, with the embedded packet of errors; needs the
 *  outer addresses in the key. */
struct verdict packet__parse_icmp(struct packet *p);

/** packet__l4_short() - the drop for a transport header that is not whole. */
static inline struct verdict packet__l4_short(const struct packet *p)
{
	return p->flags & PACKET_FRAGMENT ? verdict_drop(DROP_FRAGMENT_TINY) :
					    verdict_drop(DROP_TRUNCATED);
}
