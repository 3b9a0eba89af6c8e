/* announce.c - tell neighbours where an address is, with frames of our own: the kernel announces
 * only what is local. */
#include "netlink_internal.h"
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include "sixgate/base/wire.h"

enum { ARP_LEN = 28, NA_LEN = 40 + 32, FRAME_MAX = 14 + NA_LEN };

static size_t put_ethernet(uint8_t *p, const uint8_t to[6], const uint8_t from[6], uint16_t type)
{
	memcpy(p, to, 6);
	memcpy(p + 6, from, 6);
	store16(p + 12, type);
	return 14;
}

/* An ARP request for the address itself: the announcement of RFC 5227 3. */
static size_t put_arp(uint8_t *p, const uint8_t mac[6], const struct addr *a)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	size_t at = put_ethernet(p, all, mac, ETH_P_ARP);

	p += at;
	memset(p, 0, ARP_LEN);
	store16(p, 1); /* Ethernet */
	store16(p + 2, ETH_P_IP);
	p[4] = 6;
	p[5] = 4;
	store16(p + 6, 1); /* request */
	memcpy(p + 8, mac, 6);
	memcpy(p + 14, a->octet + 12, 4);
	memcpy(p + 24, a->octet + 12, 4);
	return at + ARP_LEN;
}

static uint16_t checksum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i += 2)
		sum += load16(p + i);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~((sum & 0xffff) + (sum >> 16));
}

/* RFC 4861 4.4, 7.2.6: to all nodes, override flag, target link-layer address. We are a router. */
static size_t put_advertisement(uint8_t *p, const uint8_t mac[6], const struct addr *a)
{
	static const uint8_t group_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	size_t at = put_ethernet(p, group_mac, mac, ETH_P_IPV6);
	uint8_t *icmp = p + at + 40;

	p += at;
	memset(p, 0, NA_LEN);
	p[0] = 0x60;
	store16(p + 4, 32);
	p[6] = 58;
	p[7] = 255;
	memcpy(p + 8, a->octet, 16);
	memcpy(p + 24, all_nodes, 16);
	icmp[0] = 136;
	icmp[4] = 0xa0; /* router, override */
	memcpy(icmp + 8, a->octet, 16);
	icmp[24] = 2; /* target link-layer address, 8 bytes */
	icmp[25] = 1;
	memcpy(icmp + 26, mac, 6);
	store16(icmp + 2, checksum(p + 8, 32 + 32, 32 + 58)); /* addresses and message */
	return at + NA_LEN;
}

int announce__open(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int announce__send(int fd, int ifindex, const uint8_t mac[6], const struct addr *a)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	uint8_t frame[FRAME_MAX];
	size_t len = addr_is_v4(a) ? put_arp(frame, mac, a) : put_advertisement(frame, mac, a);

	return sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}
