/* dump.c - ask the kernel for lists over netlink. Reads only; needs no privilege. */
#include "netlink_internal.h"
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <time.h>
#include "sixgate/base/must.h"

enum { DUMP_TRIES = 5, DUMP_BUFFER = 32768 };

struct index {
	const struct nlattr **tb;
	uint16_t max;
};

static int index_attribute(const struct nlattr *a, void *data)
{
	struct index *x = data;

	if (mnl_attr_get_type(a) <= x->max)
		x->tb[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

void dump__attributes(const struct nlmsghdr *h, size_t header, const struct nlattr **tb,
		      uint16_t max)
{
	struct index x = { .tb = tb, .max = max };

	memset(tb, 0, sizeof(*tb) * (max + 1u));
	mnl_attr_parse(h, (unsigned)header, index_attribute, &x);
}

bool dump__addr(const struct nlattr *a, uint8_t family, struct addr *out)
{
	size_t len = family == AF_INET ? 4 : 16;

	if (mnl_attr_get_payload_len(a) != len)
		return false;
	*out = family == AF_INET ? addr_from_v4(mnl_attr_get_payload(a))
				 : addr_from_v6(mnl_attr_get_payload(a));
	return true;
}

/* The header that each kind of list expects behind the netlink header. */
static void put_header(struct nlmsghdr *h, const struct dump__request *r)
{
	if (r->bus == NETLINK_NETFILTER) {
		struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

		g->nfgen_family = r->family;
		g->version = NFNETLINK_V0;
	} else if (r->type == RTM_GETNEIGH) {
		struct ndmsg *n = mnl_nlmsg_put_extra_header(h, sizeof(*n));

		n->ndm_family = r->family;
		n->ndm_flags = r->neighbour_flags;
	} else {
		/* struct rtmsg is as long as struct fib_rule_hdr and longer than rtgenmsg */
		struct rtmsg *m = mnl_nlmsg_put_extra_header(
			h, r->type == RTM_GETLINK ? sizeof(struct ifinfomsg) : sizeof(*m));

		m->rtm_family = r->family;
	}
}

static int run_once(struct mnl_socket *sk, const struct dump__request *r)
{
	char buffer[DUMP_BUFFER];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	unsigned port = mnl_socket_get_portid(sk), seq = (unsigned)time(NULL);
	ssize_t n;
	int rc = MNL_CB_OK;

	h->nlmsg_type = r->type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = seq;
	put_header(h, r);
	if (mnl_socket_sendto(sk, h, h->nlmsg_len) < 0)
		return -errno;
	while (rc > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(sk, buffer, sizeof(buffer));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buffer, (size_t)n, seq, port, r->cb, r->arg);
	}
	return rc < 0 ? -errno : 0;
}

int dump__run(const struct dump__request *r)
{
	struct mnl_socket *sk;
	int rc = -EINTR;

	/* A fresh socket each time: what is left of an interrupted dump goes with the old one. */
	for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		if (i > 0 && r->restart)
			r->restart(r->arg);
		sk = mnl_socket_open2(r->bus, SOCK_CLOEXEC);
		if (!sk)
			return -errno;
		rc = mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : run_once(sk, r);
		mnl_socket_close(sk);
	}
	return rc;
}
