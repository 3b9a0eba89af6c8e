/* tx_udp.c - answers on their way out. Those of one batch that go to one client, as they do to
 * forwarders and to hosts that ask for A and AAAA at once, pass the kernel in one piece and are cut
 * behind it (UDP_SEGMENT): all of one length, or the last one shorter. What is on the wire does not
 * change. */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include "io.h"

enum {
	LEN_BITS = 11,
	PLACE_BITS = 6,
	PIECE_MAX = 60000, /* octets that are sent in one go: a datagram's, rounded down */
	APART_MS = 1000,
};
_Static_assert(UDP_BATCH <= 1 << PLACE_BITS && DNS_UDP_PAYLOAD < 1 << LEN_BITS, "they fit in a key");

static bool is_same_client(const struct batch_tx *tx, unsigned i, const struct client *c)
{
	const struct sockaddr_in6 *to = &tx->to[i];

	return to->sin6_port == c->peer.sin6_port && to->sin6_scope_id == c->peer.sin6_scope_id &&
	       memcmp(&to->sin6_addr, &c->peer.sin6_addr, sizeof(to->sin6_addr)) == 0 &&
	       (!tx->with_local || memcmp(&tx->local[i], &c->local, sizeof(c->local)) == 0);
}

bool tx__add(struct batch_tx *tx, const struct client *c, size_t len)
{
	unsigned at = tx->n++, i = 0;

	while (i < at && !is_same_client(tx, i, c))
		i++;
	tx->to[at] = c->peer;
	tx->local[at] = c->local;
	tx->len[at] = (uint16_t)len;
	tx->client[at] = (uint8_t)i;
	return tx->n == UDP_BATCH;
}

/* By client, the longest of each first: keys that end in the answer's place. */
static void sort(const struct batch_tx *tx, uint32_t key[UDP_BATCH])
{
	for (unsigned n = 0; n < tx->n; n++) {
		uint32_t k = (uint32_t)tx->client[n] << LEN_BITS | (DNS_UDP_PAYLOAD - tx->len[n]);
		unsigned at = n;

		for (k = k << PLACE_BITS | n; at > 0 && key[at - 1] > k; at--)
			key[at] = key[at - 1];
		key[at] = k;
	}
}

static unsigned place(uint32_t key)
{
	return key & ((1u << PLACE_BITS) - 1);
}

/* How many of the @n answers from @key on leave in one go. */
static unsigned piece(const struct batch_tx *tx, const uint32_t *key, unsigned n)
{
	unsigned first = place(key[0]), len = tx->len[first], count = 1;

	for (bool shorter = false; !shorter && count < n && (count + 1) * len <= PIECE_MAX; count++) {
		unsigned next = place(key[count]);

		if (tx->client[next] != tx->client[first])
			break;
		shorter = tx->len[next] < len;
	}
	return count;
}

static size_t put_control(uint8_t *at, const struct cmsghdr *head, const void *data)
{
	memcpy(at, head, sizeof(*head));
	memcpy(CMSG_DATA((struct cmsghdr *)at), data, head->cmsg_len - CMSG_LEN(0));
	return head->cmsg_len;
}

/* The address and, for link-local clients, the interface to send from. */
static size_t put_local(const struct batch_tx *tx, unsigned i, uint8_t *at)
{
	const struct cmsghdr head = { .cmsg_len = CMSG_LEN(sizeof(struct in6_pktinfo)),
				      .cmsg_level = IPPROTO_IPV6,
				      .cmsg_type = IPV6_PKTINFO };
	struct in6_pktinfo info = tx->local[i];

	if (!IN6_IS_ADDR_LINKLOCAL(&tx->to[i].sin6_addr))
		info.ipi6_ifindex = 0; /* routing knows better */
	return put_control(at, &head, &info);
}

static size_t put_segment(uint16_t len, uint8_t *at)
{
	const struct cmsghdr head = { .cmsg_len = CMSG_LEN(sizeof(len)),
				      .cmsg_level = IPPROTO_UDP,
				      .cmsg_type = UDP_SEGMENT };

	return put_control(at, &head, &len);
}

/* One header for the @n answers from @key on, whose places among the iovecs start at @iov. The control
 * data ends without padding: so much of it Linux takes without an allocation. */
static void make_header(struct batch_tx *tx, const uint32_t *key, unsigned n, struct iovec *iov)
{
	unsigned first = place(key[0]);
	uint8_t *control = tx->control[tx->n_headers];
	struct msghdr *h = &tx->header[tx->n_headers++].msg_hdr;
	size_t used = 0;

	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){ tx->wire[place(key[i])], tx->len[place(key[i])] };
	if (tx->with_local)
		used = put_local(tx, first, control);
	if (n > 1)
		used = CMSG_ALIGN(used) + put_segment(tx->len[first], control + CMSG_ALIGN(used));
	*h = (struct msghdr){ .msg_name = &tx->to[first],
			      .msg_namelen = sizeof(tx->to[first]),
			      .msg_iov = iov,
			      .msg_iovlen = n,
			      .msg_control = used ? control : NULL,
			      .msg_controllen = used };
}

static void make_headers(struct batch_tx *tx, bool apart)
{
	uint32_t key[UDP_BATCH];

	sort(tx, key);
	tx->n_headers = 0;
	for (unsigned at = 0, n; at < tx->n; at += n) {
		n = apart ? 1 : piece(tx, key + at, tx->n - at);
		make_header(tx, key + at, n, &tx->iov[at]);
	}
}

/* A route through IPsec, or without checksums of its own, has nobody who could cut; one whose MTU is
 * less than an answer cuts otherwise. */
static bool cannot_cut(const struct mmsghdr *h)
{
	return h->msg_hdr.msg_iovlen > 1 && (errno == EIO || errno == EINVAL || errno == EMSGSIZE);
}

static void send_apart(struct batch_tx *tx, int fd, const struct mmsghdr *whole)
{
	struct mmsghdr one = *whole;
	size_t n = one.msg_hdr.msg_iovlen;

	one.msg_hdr.msg_iovlen = 1;
	one.msg_hdr.msg_controllen = tx->with_local ? CMSG_LEN(sizeof(struct in6_pktinfo)) : 0;
	for (; n--; one.msg_hdr.msg_iov++)
		tx->n_lost += sendmmsg(fd, &one, 1, MSG_DONTWAIT) != 1;
}

/* What the kernel does not take now is lost: the client asks again. One bad destination must not
 * keep the others from being sent. */
void tx__send(struct batch_tx *tx, int fd, uint64_t now_ms)
{
	unsigned done = 0;

	make_headers(tx, now_ms < tx->apart_until_ms);
	tx->n = 0;
	while (done < tx->n_headers) {
		struct mmsghdr *h = &tx->header[done];
		int sent = sendmmsg(fd, h, tx->n_headers - done, MSG_DONTWAIT);

		if (sent > 0) {
			done += (unsigned)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (cannot_cut(h)) {
			tx->apart_until_ms = now_ms + APART_MS;
			send_apart(tx, fd, h);
		} else {
			tx->n_lost += h->msg_hdr.msg_iovlen;
		}
		done++;
	}
}
