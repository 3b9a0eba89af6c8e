/*
 * socket.h - the two sockets of an interface that advertises. Opening takes CAP_NET_RAW and is the
 * parent's; sending and receiving takes none.
 *
 * The *raw socket* sends, and hears what comes to ff02::1, ff02::2 and our own addresses, from the
 * link as from daemons of this host. The *tap* hears what leaves this host by the interface: there
 * are daemons (BIRD, odhcpd) who keep the kernel from showing their multicasts to their own host.
 * A filter, which cannot be taken off again, lets nothing through it but Router Advertisements that
 * are not ours; a mark on our packets tells.
 */
#pragma once
#include "sixgate/ra/message.h"

/** ra_open() - the raw socket of interface @name. Return: descriptor or negative errno. */
int ra_open(const char *name, struct err *e);

/** ra_open_tap() - the same, of the tap. */
int ra_open_tap(const char *name, struct err *e);

/** ra_local_address() - the link-local address that the host speaks from on this interface.
 *  Return: 0; -EADDRNOTAVAIL: there is none, or it is still tentative; another negative errno. */
int ra_local_address(unsigned ifindex, struct addr *out);

/** struct ra_way - @from: need not be an address of this host, but is link-local */
struct ra_way {
	int fd;
	unsigned ifindex;
	struct addr from, to;
};

/** ra_send() - to @to on the link; ff02::2 also reaches daemons of this host. Return: 0 or negative
 *  errno. */
int ra_send(const struct ra_way *way, const uint8_t *bytes, size_t len);

enum { RA_RECEIVE_MAX = 1500 };

/** ra_receive() - one packet from the raw socket. @bytes: room for RA_RECEIVE_MAX. @out: borrows
 *  @bytes. Return: 1; 0: there is none; negative errno. */
int ra_receive(int fd, uint8_t *bytes, struct ra_packet *out);

/** ra_receive_tap() - the same from the tap. */
int ra_receive_tap(int fd, uint8_t *bytes, struct ra_packet *out);
