/*
 * upstream.c - the resolver behind the contestants of the DNS64 benchmark: every name has one A
 * record and no AAAA. Cheap, so that what is measured is not this.
 *
 *   dns64_upstream ADDRESS PORT
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "sixgate/base/wire.h"
#include "sixgate/dns64/dns64.h"
#include "sixgate/dns64/message.h"

enum { BATCH = 64, MESSAGE_MAX = 1232, TTL_S = 3600 };

struct batch {
	struct mmsghdr header[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in6 peer[BATCH];
	uint8_t wire[BATCH][MESSAGE_MAX];
};

static size_t put_record(uint8_t *wire, size_t at, uint16_t owner, uint16_t type, uint16_t rdlen)
{
	store16(wire + at, owner);
	store16(wire + at + 2, type);
	store16(wire + at + 4, DNS_CLASS_IN);
	store32(wire + at + 6, TTL_S);
	store16(wire + at + 10, rdlen);
	return at + 12;
}

/* 203.0.113.0/24 and what lies around it: any address does, the prefix is not the well-known one. */
static size_t put_a(uint8_t *wire, size_t at, size_t name_len)
{
	uint32_t v4 = 0;

	for (size_t i = 0; i < name_len; i++)
		v4 = v4 * 31 + wire[DNS_HEADER_LEN + i];
	at = put_record(wire, at, 0xc000 | DNS_HEADER_LEN, DNS_TYPE_A, 4);
	store32(wire + at, 0xcb000000 | (v4 & 0xffffff));
	store16(wire + 6, 1);
	return at + 4;
}

/* RFC 2308 2.2: the SOA of the name's parent. */
static size_t put_soa(uint8_t *wire, size_t at)
{
	uint16_t zone = DNS_HEADER_LEN;

	if (wire[zone])
		zone = (uint16_t)(zone + 1 + wire[zone]);
	at = put_record(wire, at, 0xc000 | zone, DNS_TYPE_SOA, 24);
	store16(wire + at, 0xc000 | zone);
	store16(wire + at + 2, 0xc000 | zone);
	for (size_t i = 4; i < 24; i += 4)
		store32(wire + at + i, TTL_S);
	store16(wire + 8, 1);
	return at + 24;
}

/* Return: length of the answer; 0: none. */
static size_t answer(uint8_t *wire, size_t len)
{
	bool edns = len >= DNS_HEADER_LEN && load16(wire + 10);
	struct dns_question q;
	size_t at = dns_question_read(wire, len, &q);

	if (!at || load16(wire + 2) & DNS_QR)
		return 0;
	store16(wire + 2, (uint16_t)(DNS_QR | DNS_RA | (load16(wire + 2) & (DNS_RD | DNS_CD))));
	memset(wire + 6, 0, 6);
	at = q.type == DNS_TYPE_A ? put_a(wire, at, q.name.len) : put_soa(wire, at);
	if (!edns)
		return at;
	memset(wire + at, 0, DNS_OPT_LEN);
	store16(wire + at + 1, DNS_TYPE_OPT);
	store16(wire + at + 3, DNS_UDP_PAYLOAD);
	store16(wire + 10, 1);
	return at + DNS_OPT_LEN;
}

static void serve(int fd, struct batch *b)
{
	unsigned n_out = 0;
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){ b->wire[i], 512 };
		b->header[i].msg_hdr = (struct msghdr){ .msg_name = &b->peer[i],
							.msg_namelen = sizeof(b->peer[i]),
							.msg_iov = &b->iov[i],
							.msg_iovlen = 1 };
	}
	n = recvmmsg(fd, b->header, BATCH, MSG_WAITFORONE, NULL);
	for (int i = 0; i < n; i++) {
		struct msghdr *h = &b->header[i].msg_hdr;
		size_t len = answer(h->msg_iov->iov_base, b->header[i].msg_len);

		if (!len)
			continue;
		h->msg_iov->iov_len = len;
		b->header[n_out++].msg_hdr = *h;
	}
	for (unsigned done = 0; done < n_out;) {
		int sent = sendmmsg(fd, b->header + done, n_out - done, 0);

		done += sent > 0 ? (unsigned)sent : 1;
	}
}

int main(int argc, char **argv)
{
	static struct batch batch;
	struct endpoint_conf at = { 0 };
	struct err e = { "" };
	int fd;

	if (argc != 3 || addr_parse(argv[1], &at.address)) {
		fprintf(stderr, "usage: dns64_upstream ADDRESS PORT\n");
		return 2;
	}
	at.port = (uint16_t)atoi(argv[2]);
	fd = dns64_open_udp(&at, &e);
	if (fd < 0) {
		fprintf(stderr, "dns64_upstream: %s\n", e.text);
		return 1;
	}
	fcntl(fd, F_SETFL, 0);
	for (;;)
		serve(fd, &batch);
}
