/*
 * parent_xdp.c - AF_XDP: which interfaces get it, what their programs claim, and what the workers are
 * told about routes and neighbours.
 *
 * What has no AF_XDP, or loses it, is served by the TUN devices, whose routes are always there.
 */
#include <errno.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "channel.h"
#include "handover.h"
#include "parent.h"
#include "sixgate/base/must.h"
#include "sixgate/netlink/finding.h"

enum {
	HOPS_PAUSE_MS = 20, /* between two looks at the neighbours, however fast they change */
	REFRESH_MS = 5000
};

/* Return: a reason why this interface cannot have it, or NULL. */
static const char *unfit(const struct netlink_interface *i)
{
	if (!i->present)
		return "is not there";
	if (i->type != ARPHRD_ETHER)
		return "is no Ethernet interface";
	if (i->inside && i->outside)
		return "is both inside and outside, which AF_XDP does not tell apart";
	return NULL;
}

static unsigned choose(const struct netlink_facts *f, struct xdp_interface *out)
{
	unsigned n = 0;

	for (size_t i = 0; i < f->n_interface; i++) {
		const struct netlink_interface *on = &f->interface[i];
		const char *why = unfit(on);

		if (why) {
			log_warning("%s %s: its packets come through %s", on->name, why,
				    f->device[on->outside].name);
			continue;
		}
		out[n] = (struct xdp_interface){ .ifindex = on->ifindex,
						 .side = on->inside ? SIDE_INSIDE : SIDE_OUTSIDE };
		memcpy(out[n].name, on->name, sizeof(out[n].name));
		memcpy(out[n++].mac, on->mac, sizeof(on->mac));
	}
	return n;
}

static void report(const struct parent *p, const struct xdp_interface *on, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		log_info("%s: AF_XDP on %u queues, %s mode", on[i].name, on[i].n_queues,
			 on[i].flags & XDP_FLAG_NATIVE ? "native" : "generic");
		if (on[i].n_queues < p->n_workers)
			log_notice("%s has %u queues for %u workers: those without send by way of the "
				   "kernel; if it can have more: ethtool -L %s rx %u tx %u",
				   on[i].name, on[i].n_queues, p->n_workers, on[i].name, p->n_workers,
				   p->n_workers);
	}
}

static void take_tun(const char *name, const char *why)
{
	log_info("io: auto: packets come by TUN: %s %s", name, why);
}

/* AF_XDP passes the host's firewall by: nobody is to lose one who has not asked for that. */
static bool auto_is_xdp(const struct netlink_facts *f)
{
	char where[256];

	for (size_t i = 0; i < f->n_interface; i++) {
		const struct netlink_interface *on = &f->interface[i];
		const struct xdp_nature nature = xdp_nature_of(on->name);
		const char *why = unfit(on);

		if (!why)
			why = xdp_why_not(&nature);
		if (why) {
			take_tun(on->name, why);
			return false;
		}
	}
	if (netlink_filters_forwarded(where, sizeof(where))) {
		take_tun("the host has rules for what it forwards,", where);
		return false;
	}
	return f->n_interface != 0;
}

/* The cards are there, and now their drivers have their say. */
static void open_by_choice(struct parent *p)
{
	struct xdp_interface on[NETLINK_INTERFACES_MAX];
	unsigned n = choose(&p->facts, on);
	struct err e = { "" };
	const char *why = NULL;
	int rc = xdp_open(&p->xdp, on, n, p->n_workers, &e);

	for (unsigned i = 0; i < n && rc == 0 && !why; i++) {
		why = xdp_why_not_as_opened(&on[i], p->n_workers);
		if (why)
			take_tun(on[i].name, why);
	}
	if (rc == 0 && !why)
		rc = netlink_hops_watch_new(&p->hops_watch, &e);
	if (rc)
		take_tun("AF_XDP cannot be had,", e.text);
	if (rc == 0 && !why) {
		log_info("io: auto: packets come by AF_XDP: all interfaces are network cards that do it");
		report(p, on, n);
		return;
	}
	if (p->xdp)
		xdp_close(p->xdp);
	p->xdp = NULL;
}

int parent__xdp_begin(struct parent *p, struct err *e)
{
	struct xdp_interface on[NETLINK_INTERFACES_MAX];
	unsigned n;
	int rc;

	if (p->config->interfaces.io == IO_AUTO && auto_is_xdp(&p->facts))
		open_by_choice(p);
	if (p->config->interfaces.io != IO_XDP)
		return 0;
	n = choose(&p->facts, on);
	if (n == 0)
		return 0;
	rc = xdp_open(&p->xdp, on, n, p->n_workers, e);
	if (rc == 0)
		rc = netlink_hops_watch_new(&p->hops_watch, e);
	if (rc)
		return err_wrap(e, rc, "interfaces: io: xdp");
	report(p, on, n);
	return 0;
}

static bool send_socket(struct parent *p, unsigned worker, struct xdp_socket *s)
{
	struct notice n = { .magic = REQUEST_MAGIC, .kind = NOTICE_XDP_SOCKET,
			    .index = (uint16_t)worker, .side = s->side, .flags = s->flags,
			    .value = { (uint32_t)s->ifindex, s->queue } };
	int rc = channel__send(p->channel, &n, sizeof(n), s->fd, 0);

	close(s->fd); /* it ends with the child, and the program passes everything to the kernel then */
	s->fd = -1;
	return rc == 0;
}

bool parent__xdp_equip(struct parent *p)
{
	for (unsigned i = 0; p->xdp && i < p->n_workers; i++) {
		struct xdp_share *s = xdp_share(p->xdp, i);
		struct notice n = { .magic = REQUEST_MAGIC, .kind = NOTICE_XDP_MEMORY,
				    .index = (uint16_t)i, .value = { s->n_frames } };
		bool sent = s->n == 0 || channel__send(p->channel, &n, sizeof(n), s->memory, 0) == 0;

		if (s->n)
			close(s->memory);
		s->memory = -1;
		for (unsigned k = 0; k < s->n; k++)
			sent = send_socket(p, i, &s->socket[k]) && sent;
		if (!sent)
			return false;
	}
	return true;
}

static void send_hops(struct parent *p, struct hops *h)
{
	struct notice n = { .magic = REQUEST_MAGIC, .kind = NOTICE_HOPS };
	int fd;

	if (p->hops && p->hops->bytes == h->bytes && memcmp(p->hops, h, h->bytes) == 0) {
		free(h);
		return;
	}
	fd = handover__write(h, h->bytes);
	if (fd < 0 || channel__send(p->channel, &n, sizeof(n), fd, MSG_DONTWAIT) != 0) {
		free(h); /* next time: what is remembered is what was told */
		p->next_hops_ms = now__ms() + HOPS_PAUSE_MS;
	} else {
		free(p->hops);
		p->hops = h;
	}
	if (fd >= 0)
		close(fd);
}

void parent__xdp_look(struct parent *p)
{
	struct err e = { "" };
	struct hops *h;

	p->next_hops_ms = 0;
	if (netlink_hops_read(&p->facts, &h, &e) != 0) {
		log_error("%s", e.text);
		p->next_hops_ms = now__ms() + 1000;
		return;
	}
	if (h->none != HOPS_HERE && h->none != p->no_hops)
		log_warning("%s: what comes by AF_XDP leaves by way of the kernel",
			    hops_none_text(h->none));
	else if (h->none == HOPS_HERE && p->no_hops != HOPS_HERE)
		log_notice("what comes by AF_XDP leaves by it again");
	p->no_hops = h->none;
	send_hops(p, h);
}

void parent__xdp_changed(struct parent *p)
{
	if (netlink_hops_watch_read(p->hops_watch) && !p->next_hops_ms)
		p->next_hops_ms = now__ms() + HOPS_PAUSE_MS;
}

int parent__xdp_follow(struct parent *p, const struct netlink_input *in, struct err *e)
{
	struct netlink_claims claims;
	struct netlink_plan plan;
	int rc;

	if (!p->xdp)
		return 0;
	for (size_t i = 0; i < in->facts->n_interface; i++)
		if (in->facts->interface[i].present)
			xdp_set_mac(p->xdp, in->facts->interface[i].ifindex, in->facts->interface[i].mac);
	rc = netlink_plan_build(in, &plan, e);
	if (rc)
		return rc;
	rc = netlink_claims_build(in, &plan, &claims);
	netlink_plan_free(&plan);
	if (rc)
		return err_set(e, rc, "out of memory");
	rc = xdp_set_claims(p->xdp, &claims.all, e);
	netlink_claims_free(&claims);
	parent__xdp_look(p);
	return rc;
}

void parent__xdp_refresh(struct parent *p)
{
	uint8_t marks[HOPS_MARKS];
	struct err e;

	if (!p->xdp || now__ms() - p->refreshed_ms < REFRESH_MS)
		return;
	p->refreshed_ms = now__ms();
	xdp_take_marks(p->xdp, marks);
	if (netlink_hops_refresh(&p->facts, marks, &e) != 0)
		log_error("%s", e.text);
}

int parent__xdp_fd(const struct parent *p)
{
	return p->hops_watch ? netlink_hops_watch_fd(p->hops_watch) : -1;
}

void parent__xdp_end(struct parent *p)
{
	xdp_close(p->xdp);
	netlink_hops_watch_free(p->hops_watch);
	free(p->hops);
	p->xdp = NULL;
	p->hops_watch = NULL;
	p->hops = NULL;
}
