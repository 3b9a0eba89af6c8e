/*
 * xdp_open.c - the privileged half of AF_XDP: sockets, memory, the program and its maps.
 *
 * The sockets are bound here and handed over ready to use, so the unprivileged half can neither bind
 * one to an interface of its choice nor see the program. The memory that is registered with the kernel
 * is a file in memory: whoever maps it sees the same pages.
 */
#include "sixgate/io/xdp.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bpf/xdp_shared.h"
#include "sixgate/base/must.h"
#include "sixgate/log/log.h"
#include "xsk.h"
#include <xdp.skel.h> /* after what it uses */

enum {
	FRAMES_PER_SOCKET = XDP_RING + XDP_RING / 2,
	FRAMES_MORE = 512,
	QUEUES_MAX = 64,
	XDP_HEADROOM = 256 /* the kernel leaves it free in each frame that it fills */
};

/* Drivers that hand on what a stack of this machine has sent, as it is. */
static const char *const unfinished_drivers[] = { "veth", "802.1Q VLAN Support", "bridge", "macvlan" };

/** struct place - an interface with its program; @link: negative while it is not attached; @mtu: when it
 *  was opened */
struct place {
	struct xdp_interface interface;
	struct xdp_bpf *bpf;
	int link, mtu;
};

/** struct claim_set - what the maps of a side hold now, to find what must go */
struct claim_set {
	struct xdp_prefix *prefix;
	size_t n_prefix;
	struct xdp_replier *replier;
	size_t n_replier;
};

struct xdp {
	unsigned n, n_shares;
	struct place place[HOPS_INTERFACES_MAX];
	struct xdp_share share[XDP_WORKERS_MAX];
	uint8_t *marks[XDP_WORKERS_MAX]; /* NULL without sockets */
	struct claim_set set[N_SIDES];
};

/* ---- interfaces ---- */

static int ask_driver(const char *name, void *about)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_data = about };
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	rc = ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static uint16_t count_queues(const char *name)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	unsigned n = 1;

	if (ask_driver(name, &c) == 0)
		n = c.combined_count + (c.rx_count > c.tx_count ? c.rx_count : c.tx_count);
	return (uint16_t)(n < 1 ? 1 : n > QUEUES_MAX ? QUEUES_MAX : n);
}

static bool leaves_checksums(const char *name)
{
	struct ethtool_drvinfo d = { .cmd = ETHTOOL_GDRVINFO };

	if (ask_driver(name, &d) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(unfinished_drivers); i++)
		if (strcmp(d.driver, unfinished_drivers[i]) == 0)
			return true;
	return false;
}

static int mtu_of(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_mtu = 0 };

	if (fd < 0)
		return 0;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFMTU, &ifr) < 0)
		ifr.ifr_mtu = 0;
	close(fd);
	return ifr.ifr_mtu;
}

struct xdp_nature xdp_nature_of(const char *name)
{
	struct ethtool_drvinfo d = { .cmd = ETHTOOL_GDRVINFO };
	struct xdp_nature n = { .hardware = false };

	_Static_assert(sizeof(n.driver) == sizeof(d.driver), "copied as a whole");
	if (ask_driver(name, &d) != 0)
		return n;
	memcpy(n.driver, d.driver, sizeof(n.driver) - 1);
	n.hardware = d.bus_info[0] && strcmp(d.bus_info, "N/A") != 0;
	return n;
}

const char *xdp_why_not(const struct xdp_nature *n)
{
	if (!n->hardware) /* measured on veth: TCP by TUN is faster than packet by packet */
		return "is no network card: by TUN its TCP comes in super-packets";
	return NULL;
}

const char *xdp_why_not_as_opened(const struct xdp_interface *on, unsigned n_workers)
{
	if (!(on->flags & XDP_FLAG_NATIVE))
		return "has a driver that runs no XDP program itself";
	if (on->n_queues < n_workers)
		return "has fewer queues than there are workers (ethtool -L gives it more, if it can)";
	return NULL;
}

/* ---- the program ---- */

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* The first program of a side brings its map of claims, the first of all the others. */
static int share_maps(struct xdp *x, unsigned i)
{
	struct xdp_bpf *bpf = x->place[i].bpf, *first = x->place[0].bpf;
	int rc = 0;

	if (i > 0) {
		rc = bpf_map__reuse_fd(bpf->maps.sockets, bpf_map__fd(first->maps.sockets));
		if (rc == 0)
			rc = bpf_map__reuse_fd(bpf->maps.passed, bpf_map__fd(first->maps.passed));
	}
	for (unsigned k = 0; k < i && rc == 0; k++) {
		struct xdp_bpf *same = x->place[k].bpf;

		if (x->place[k].interface.side != x->place[i].interface.side)
			continue;
		rc = bpf_map__reuse_fd(bpf->maps.claims, bpf_map__fd(same->maps.claims));
		return rc ? rc
			  : bpf_map__reuse_fd(bpf->maps.repliers, bpf_map__fd(same->maps.repliers));
	}
	return rc;
}

static int load_program(struct xdp *x, unsigned i)
{
	struct place *p = &x->place[i];
	int rc;

	p->bpf = xdp_bpf__open();
	if (!p->bpf)
		return -errno;
	rc = share_maps(x, i);
	if (rc == 0)
		rc = xdp_bpf__load(p->bpf);
	if (rc)
		return rc;
	memcpy(p->bpf->bss->place.mac, p->interface.mac, sizeof(p->interface.mac));
	p->bpf->bss->place.max_bytes = XDP_FRAME_BYTES - XDP_HEADROOM;
	p->bpf->bss->place.first = i * QUEUES_MAX < XDP_SOCKETS_MAX ? i * QUEUES_MAX : 0;
	return 0;
}

static int attach(struct place *p)
{
	LIBBPF_OPTS(bpf_link_create_opts, how, .flags = XDP_FLAGS_DRV_MODE);
	int fd = bpf_program__fd(p->bpf->progs.sixgate_xdp);

	p->link = bpf_link_create(fd, p->interface.ifindex, BPF_XDP, &how);
	if (p->link >= 0) {
		p->interface.flags |= XDP_FLAG_NATIVE;
		return 0;
	}
	if (p->link == -EBUSY || p->link == -EEXIST)
		return p->link;
	how.flags = XDP_FLAGS_SKB_MODE;
	p->link = bpf_link_create(fd, p->interface.ifindex, BPF_XDP, &how);
	return p->link < 0 ? p->link : 0;
}

/* ---- sockets ---- */

static int set_rings(int fd)
{
	static const int ring[] = { XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
				    XDP_TX_RING };
	const int n = XDP_RING;

	for (size_t i = 0; i < ARRAY_LEN(ring); i++)
		if (setsockopt(fd, SOL_XDP, ring[i], &n, sizeof(n)) < 0)
			return -errno;
	return 0;
}

static int register_memory(int fd, const struct xdp_share *s)
{
	const size_t bytes = (size_t)s->n_frames * XDP_FRAME_BYTES;
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->memory, 0);
	struct xdp_umem_reg reg = { .len = bytes, .chunk_size = XDP_FRAME_BYTES };
	int rc;

	if (mem == MAP_FAILED)
		return -errno;
	reg.addr = (uintptr_t)mem;
	rc = setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0 ? -errno : 0;
	munmap(mem, bytes);
	return rc;
}

static int bind_socket(const struct xdp_share *s, unsigned i, uint16_t flags)
{
	struct sockaddr_xdp to = {
		.sxdp_family = AF_XDP,
		.sxdp_ifindex = (uint32_t)s->socket[i].ifindex,
		.sxdp_queue_id = s->socket[i].queue,
		.sxdp_flags = i == 0 ? flags : XDP_SHARED_UMEM,
		.sxdp_shared_umem_fd = i == 0 ? 0 : (uint32_t)s->socket[0].fd,
	};

	return bind(s->socket[i].fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static void close_sockets(struct xdp_share *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (s->socket[i].fd >= 0)
			close(s->socket[i].fd);
		s->socket[i].fd = -1;
	}
}

static int open_sockets(struct xdp_share *s, uint16_t flags)
{
	int rc = 0;

	for (unsigned i = 0; i < s->n && rc == 0; i++) {
		struct xdp_options got = { 0 };
		socklen_t len = sizeof(got);
		int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
		s->socket[i].fd = fd;
		rc = i == 0 ? register_memory(fd, s) : 0;
		if (rc == 0)
			rc = set_rings(fd);
		if (rc == 0)
			rc = bind_socket(s, i, flags);
		if (rc == 0 && getsockopt(fd, SOL_XDP, XDP_OPTIONS, &got, &len) == 0 &&
		    got.flags & XDP_OPTIONS_ZEROCOPY)
			s->socket[i].flags |= XDP_FLAG_ZEROCOPY;
	}
	return rc;
}

static int map_marks(const struct xdp_share *s, uint8_t **out)
{
	void *at = mmap(NULL, HOPS_MARKS, PROT_READ | PROT_WRITE, MAP_SHARED, s->memory,
			(off_t)s->n_frames * XDP_FRAME_BYTES);

	if (at == MAP_FAILED)
		return -errno;
	*out = at;
	return 0;
}

/* What was found with sockets that could not all be bound is forgotten with them. */
static int try_sockets(struct xdp_share *s, uint16_t flags)
{
	int rc = open_sockets(s, flags | XDP_USE_NEED_WAKEUP);

	for (unsigned i = 0; rc == 0 && flags & XDP_USE_SG && i < s->n; i++)
		s->socket[i].flags |= XDP_FLAG_LONG;
	if (rc == 0)
		return 0;
	close_sockets(s);
	for (unsigned i = 0; i < s->n; i++)
		s->socket[i].flags &= (uint8_t)~XDP_FLAG_ZEROCOPY;
	return rc;
}

/* Frames in several buffers where a link has long ones and the kernel can, or else none. All sockets of
 * one memory copy, or none does: each second try is for a driver that cannot do what the first one can. */
static int open_share(struct xdp_share *s, bool wants_long)
{
	static const uint16_t how[] = { XDP_USE_SG, XDP_USE_SG | XDP_COPY, 0, XDP_COPY };
	static const struct rlimit any = { RLIM_INFINITY, RLIM_INFINITY };
	int rc = -1;

	if (s->n == 0)
		return 0;
	setrlimit(RLIMIT_MEMLOCK, &any); /* where it may not be raised, the limit decides */
	s->n_frames = s->n * FRAMES_PER_SOCKET + FRAMES_MORE;
	s->memory = memfd_create("sixgate-frames", MFD_CLOEXEC);
	if (s->memory < 0 || ftruncate(s->memory, (off_t)s->n_frames * XDP_FRAME_BYTES + HOPS_MARKS) < 0)
		return -errno;
	for (size_t i = wants_long ? 0 : 2; i < ARRAY_LEN(how) && rc; i++)
		rc = try_sockets(s, how[i]);
	return rc;
}

static int deal_queues(struct xdp *x, const struct xdp_interface *i)
{
	for (uint16_t q = 0; q < i->n_queues; q++) {
		struct xdp_share *s = &x->share[q % x->n_shares];

		if (s->n == XDP_SHARE_SOCKETS_MAX)
			return -E2BIG;
		s->socket[s->n++] = (struct xdp_socket){ .fd = -1, .ifindex = i->ifindex, .queue = q,
							 .side = i->side, .flags = i->flags };
	}
	return 0;
}

static unsigned place_of(const struct xdp *x, int32_t ifindex)
{
	unsigned i = 0;

	while (x->place[i].interface.ifindex != ifindex)
		i++;
	return i;
}

static int publish_sockets(struct xdp *x)
{
	int map = bpf_map__fd(x->place[0].bpf->maps.sockets);

	for (unsigned k = 0; k < x->n_shares; k++)
		for (unsigned i = 0; i < x->share[k].n; i++) {
			const struct xdp_socket *s = &x->share[k].socket[i];
			struct place *p = &x->place[place_of(x, s->ifindex)];
			uint32_t at = p->bpf->bss->place.first + s->queue, fd = (uint32_t)s->fd;

			if (bpf_map_update_elem(map, &at, &fd, BPF_ANY) < 0)
				return -errno;
			if (s->flags & XDP_FLAG_LONG) {
				p->bpf->bss->place.max_bytes = XDP_LONG_BYTES;
				p->bpf->bss->place.many = 1;
			}
			p->bpf->bss->place.n = p->interface.n_queues;
		}
	return 0;
}

/* ---- life ---- */

static bool wants_long(const struct xdp *x)
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->place[i].mtu + HOPS_ETHERNET > XDP_FRAME_BYTES - XDP_HEADROOM)
			return true;
	return false;
}

static int open_place(struct xdp *x, unsigned i, struct err *e)
{
	struct place *p = &x->place[i];
	struct xdp_interface *on = &p->interface;
	int rc;

	p->mtu = mtu_of(on->name);
	on->n_queues = count_queues(on->name);
	on->flags = leaves_checksums(on->name) ? XDP_FLAG_UNFINISHED : 0;
	rc = load_program(x, i);
	if (rc)
		return err_set(e, rc, "%s: the XDP program is not taken by the kernel: %s", on->name,
			       strerror(-rc));
	rc = attach(p);
	if (rc == -EBUSY || rc == -EEXIST)
		return err_set(e, rc, "%s has an XDP program of somebody else's", on->name);
	if (rc)
		return err_set(e, rc, "%s takes no XDP program: %s", on->name, strerror(-rc));
	rc = deal_queues(x, on);
	return rc ? err_set(e, rc, "%s has too many queues (ethtool -L %s)", on->name, on->name) : 0;
}

int xdp_open(struct xdp **out, struct xdp_interface *interface, unsigned n, unsigned n_workers,
	     struct err *e)
{
	struct xdp *x = calloc(1, sizeof(*x));
	int rc = 0;

	must(n <= HOPS_INTERFACES_MAX && n_workers >= 1 && n_workers <= XDP_WORKERS_MAX);
	if (!x)
		return err_set(e, -ENOMEM, "out of memory");
	libbpf_set_print(quiet);
	x->n_shares = n_workers;
	for (unsigned k = 0; k < n_workers; k++)
		x->share[k].memory = -1;
	for (unsigned i = 0; i < n && rc == 0; i++) {
		x->place[x->n++] = (struct place){ .interface = interface[i], .link = -1 };
		rc = open_place(x, i, e);
		interface[i] = x->place[i].interface;
	}
	for (unsigned k = 0; k < n_workers && rc == 0; k++) {
		rc = open_share(&x->share[k], wants_long(x));
		if (rc == 0 && x->share[k].n)
			rc = map_marks(&x->share[k], &x->marks[k]);
		if (rc)
			err_set(e, rc, "AF_XDP sockets of worker %u: %s%s", k, strerror(-rc),
				rc == -ENOBUFS ? " (locked memory: ulimit -l)" : "");
	}
	if (rc == 0 && x->n) {
		rc = publish_sockets(x);
		if (rc)
			err_set(e, rc, "AF_XDP sockets: %s", strerror(-rc));
	}
	if (rc) {
		xdp_close(x);
		return rc;
	}
	*out = x;
	return 0;
}

struct xdp_share *xdp_share(struct xdp *x, unsigned id)
{
	must(id < x->n_shares);
	return &x->share[id];
}

void xdp_take_marks(struct xdp *x, uint8_t marks[HOPS_MARKS])
{
	memset(marks, 0, HOPS_MARKS);
	for (unsigned k = 0; k < x->n_shares; k++)
		for (unsigned i = 0; x->marks[k] && i < HOPS_MARKS; i++)
			if (__atomic_load_n(&x->marks[k][i], __ATOMIC_RELAXED)) {
				__atomic_store_n(&x->marks[k][i], 0, __ATOMIC_RELAXED);
				marks[i] = 1;
			}
}

void xdp_close(struct xdp *x)
{
	if (!x)
		return;
	for (unsigned i = 0; i < x->n; i++) {
		if (x->place[i].link >= 0)
			close(x->place[i].link);
		xdp_bpf__destroy(x->place[i].bpf);
	}
	for (unsigned k = 0; k < x->n_shares; k++) {
		close_sockets(&x->share[k]);
		if (x->marks[k])
			munmap(x->marks[k], HOPS_MARKS);
		if (x->share[k].memory >= 0)
			close(x->share[k].memory);
	}
	for (unsigned side = 0; side < N_SIDES; side++) {
		free(x->set[side].prefix);
		free(x->set[side].replier);
	}
	free(x);
}

void xdp_set_mac(struct xdp *x, int32_t ifindex, const uint8_t mac[6])
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->place[i].interface.ifindex == ifindex)
			for (unsigned k = 0; k < 6; k++)
				x->place[i].bpf->bss->place.mac[k] = mac[k];
}

/* ---- claims ---- */

static struct xdp_bpf *first_of(const struct xdp *x, unsigned side)
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->place[i].interface.side == side)
			return x->place[i].bpf;
	return NULL;
}

static int compare_prefixes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xdp_prefix));
}

static int compare_repliers(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xdp_replier));
}

static int put_prefixes(int map, const struct xdp_claims *c, unsigned side, struct claim_set *now)
{
	static const uint32_t value[] = { [XDP_TO_KERNEL] = XDP_CLAIM_NONE,
					  [XDP_TO_US] = XDP_CLAIM_OURS,
					  [XDP_TO_HOST] = XDP_CLAIM_LOCAL };

	now->prefix = calloc(c->n_claim + 1, sizeof(*now->prefix));
	if (!now->prefix)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_claim; i++) {
		struct xdp_prefix *key = &now->prefix[now->n_prefix];

		if (c->claim[i].side != side)
			continue;
		key->len = c->claim[i].prefix.len;
		memcpy(key->addr, &c->claim[i].prefix.addr, sizeof(key->addr));
		if (bpf_map_update_elem(map, key, &value[c->claim[i].way], BPF_ANY) < 0)
			return -errno;
		now->n_prefix++;
	}
	qsort(now->prefix, now->n_prefix, sizeof(*now->prefix), compare_prefixes);
	return 0;
}

static int put_repliers(int map, const struct xdp_claims *c, unsigned side, struct claim_set *now)
{
	const uint32_t one = 1;

	now->replier = calloc(c->n_replier + 1, sizeof(*now->replier));
	if (!now->replier)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_replier; i++) {
		struct xdp_replier *key = &now->replier[now->n_replier];

		if (c->replier[i].side != side)
			continue;
		memcpy(key->addr, &c->replier[i].addr, sizeof(key->addr));
		key->port = c->replier[i].port.raw;
		key->proto = c->replier[i].proto;
		if (bpf_map_update_elem(map, key, &one, BPF_ANY) < 0)
			return -errno;
		now->n_replier++;
	}
	qsort(now->replier, now->n_replier, sizeof(*now->replier), compare_repliers);
	return 0;
}

static void remove_old(const struct xdp_bpf *bpf, const struct claim_set *old,
		       const struct claim_set *now)
{
	for (size_t i = 0; i < old->n_prefix; i++)
		if (!bsearch(&old->prefix[i], now->prefix, now->n_prefix, sizeof(*now->prefix),
			     compare_prefixes))
			bpf_map_delete_elem(bpf_map__fd(bpf->maps.claims), &old->prefix[i]);
	for (size_t i = 0; i < old->n_replier; i++)
		if (!bsearch(&old->replier[i], now->replier, now->n_replier, sizeof(*now->replier),
			     compare_repliers))
			bpf_map_delete_elem(bpf_map__fd(bpf->maps.repliers), &old->replier[i]);
}

static int set_side(struct xdp *x, unsigned side, const struct xdp_claims *c)
{
	const struct xdp_bpf *bpf = first_of(x, side);
	struct claim_set now = { 0 };
	int rc;

	if (!bpf)
		return 0;
	rc = put_prefixes(bpf_map__fd(bpf->maps.claims), c, side, &now);
	if (rc == 0)
		rc = put_repliers(bpf_map__fd(bpf->maps.repliers), c, side, &now);
	if (rc) { /* what is there stays known as far as it was: more is removed next time than is there */
		free(now.prefix);
		free(now.replier);
		return rc;
	}
	remove_old(bpf, &x->set[side], &now);
	free(x->set[side].prefix);
	free(x->set[side].replier);
	x->set[side] = now;
	return 0;
}

static void set_probe(struct place *p, const struct prefix *probe)
{
	struct addr ones, mask;

	memset(&ones, 0xff, sizeof(ones));
	mask = addr_mask(&ones, probe->len);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t value, bits;

		memcpy(&value, probe->addr.octet + 4 * i, 4);
		memcpy(&bits, mask.octet + 4 * i, 4);
		p->bpf->bss->place.probe[i] = value;
		p->bpf->bss->place.probe_mask[i] = bits;
	}
}

int xdp_set_claims(struct xdp *x, const struct xdp_claims *claims, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < x->n; i++) {
		set_probe(&x->place[i], &claims->probe);
		x->place[i].bpf->bss->place.repliers = claims->n_replier != 0;
	}
	for (unsigned side = 0; side < N_SIDES && rc == 0; side++)
		rc = set_side(x, side, claims);
	return rc ? err_set(e, rc, "claims of the XDP program: %s", strerror(-rc)) : 0;
}
