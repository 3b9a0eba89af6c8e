/* packet_internal.h - what the parser's files share. All return DROP_NONE to go on. */
#pragma once
#include "sixgate/packet/packet.h"

/** packet__settle_checksum() - make the facts about an unfinished checksum true: it stays
 *  unfinished only for the TCP or UDP header at l4_at, everything else is finished here. Needs
 *  l4_at, proto and the fragment flags. */
enum drop_reason packet__settle_checksum(struct packet *p);

/** packet__check_gso() - a super-packet whose facts agree with its whole headers, or a drop; what
 *  is one segment only becomes an ordinary packet. */
enum drop_reason packet__check_gso(struct packet *p);

/** packet__parse_icmp() - ICMP of either family, with the embedded packet of errors; needs the
 *  outer addresses in the key. */
enum drop_reason packet__parse_icmp(struct packet *p);

/** packet__l4_short() - the drop for a transport header that is not whole. */
static inline enum drop_reason packet__l4_short(const struct packet *p)
{
	return p->flags & PACKET_FRAGMENT ? DROP_FRAGMENT_TINY : DROP_TRUNCATED;
}
