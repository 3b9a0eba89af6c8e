/*
 * xdp.h - packets through AF_XDP sockets, beside the TUN devices.
 *
 * Glossary: a *claim* is a prefix whose packets are ours when they come in on one side. A *socket*
 * belongs to one receive queue of one interface. A *share* is what one worker gets: one memory of
 * frames, and the sockets of the queues that are its own; all of them use that memory, so a packet
 * goes out of the frame it came in.
 *
 * Two halves: xdp_open() and what follows is the privileged parent's; xdp_port_new() needs nothing but
 * the descriptors of a share.
 *
 * Packets that the program does not claim, that no buffer holds, or whose next hop is not known here,
 * take the way through the kernel and the TUN devices. So the port is never more than a shortcut.
 */
#pragma once
#include "sixgate/base/err.h"
#include "sixgate/dataplane/port.h"
#include "sixgate/io/hops.h"

enum {
	XDP_FRAME_BYTES = 2048, /* enough for a link of 1,500; larger ones crowd the same places of a cache */
	XDP_LONG_BYTES = 9728, /* the longest frame in several buffers: 9,216 of jumbo, and its header */
	XDP_RING = 2048, /* descriptors of each ring */
	XDP_SHARE_SOCKETS_MAX = 32,
	XDP_WORKERS_MAX = 16
};

enum xdp_flag {
	XDP_FLAG_NATIVE = 1 << 0,     /* the driver runs the program; else the kernel's generic code does */
	XDP_FLAG_ZEROCOPY = 1 << 1,
	XDP_FLAG_UNFINISHED = 1 << 2, /* a local stack's checksums may arrive unfinished, and nothing says so */
	XDP_FLAG_LONG = 1 << 3        /* frames up to XDP_LONG_BYTES, in several buffers */
};

/** struct xdp_socket - @fd: bound, owned; -1: given away */
struct xdp_socket {
	int fd;
	int32_t ifindex;
	uint16_t queue;
	uint8_t side;  /* enum side of what comes in */
	uint8_t flags; /* set of enum xdp_flag */
};

/** struct xdp_share - @memory: descriptor of @n_frames frames and, behind them, HOPS_MARKS bytes in which
 *  the worker notes what neighbours it sends to; owned; -1: given away */
struct xdp_share {
	int memory;
	uint32_t n_frames;
	unsigned n;
	struct xdp_socket socket[XDP_SHARE_SOCKETS_MAX];
};

/** struct xdp_interface - to be opened; @why: on failure, or how it was done: one line for people */
struct xdp_interface {
	char name[16];
	int32_t ifindex;
	uint8_t side, flags;
	uint8_t mac[6];
	uint16_t n_queues;
};

/**
 * struct xdp_nature - what `io: auto` goes by
 * @driver:   as ethtool -i names it; terminated, "" if it has none
 * @hardware: on a bus: a network card, also a virtual machine's; false for veth, bridges and such
 */
struct xdp_nature {
	char driver[32];
	bool hardware;
};
struct xdp_nature xdp_nature_of(const char *name);

/** xdp_why_not() - before it is opened. Return: why TUN fits this interface better, static text after
 *  its name; NULL if AF_XDP does. xdp_why_not_as_opened(): the same of what xdp_open() found. */
const char *xdp_why_not(const struct xdp_nature *n);
const char *xdp_why_not_as_opened(const struct xdp_interface *on, unsigned n_workers);

struct xdp;

/**
 * xdp_open() - sockets for @n_workers on all queues of the interfaces, and the program, claiming
 * nothing yet
 * @interface: name, ifindex, side and mac are given; n_queues and flags are filled in
 *
 * Frames that are sent without the kernel's knowledge leave its neighbours to grow stale; so a worker
 * notes whom it sends to, and the parent has the kernel ask them (netlink_hops_refresh()).
 * A worker without a queue of its own on an interface sends to it through the kernel.
 * The program ends with the process that has called this.
 *
 * Return: 0 with @out owned by the caller; negative errno with the interface and the reason; then
 * nothing is left behind.
 */
int xdp_open(struct xdp **out, struct xdp_interface *interface, unsigned n, unsigned n_workers,
	     struct err *e);

/** xdp_share() - worker @id's; the descriptors may be given away (and become -1). */
struct xdp_share *xdp_share(struct xdp *x, unsigned id);

/** xdp_take_marks() - where @marks[hops_mark()] is not 0, a worker has sent to such a neighbour since the
 *  last call. */
void xdp_take_marks(struct xdp *x, uint8_t marks[HOPS_MARKS]);

/** struct xdp_claim_conf - @way: enum xdp_claim_way */
enum xdp_claim_way { XDP_TO_KERNEL, XDP_TO_US, XDP_TO_HOST };
struct xdp_claim_conf {
	struct prefix prefix;
	uint8_t side, way;
};

/** struct xdp_replier_conf - what @addr sends from @port is ours. */
struct xdp_replier_conf {
	struct addr addr;
	be16 port;
	uint8_t proto, side;
};

/** struct xdp_claims - of two claims for one prefix the later counts. @probe: nobody on a wire may send from there; length 0: none. Borrowed. */
struct xdp_claims {
	const struct xdp_claim_conf *claim;
	const struct xdp_replier_conf *replier;
	size_t n_claim, n_replier;
	struct prefix probe;
};

/** xdp_set_claims() - make the program claim this and nothing else. What does not change stays in
 *  force meanwhile. Return: 0 or negative errno; then less may be claimed than was asked for. */
int xdp_set_claims(struct xdp *x, const struct xdp_claims *claims, struct err *e);

/** xdp_set_mac() - of an interface that was opened; others are not looked at. */
void xdp_set_mac(struct xdp *x, int32_t ifindex, const uint8_t mac[6]);

/** xdp_close() - detach the program, close what was not given away. NULL is allowed. */
void xdp_close(struct xdp *x);

/**
 * xdp_port_new() - one worker's port
 * @share: its descriptors are owned by the port from here on, also on failure
 * @tun:   port for all that takes the way through the kernel; owned as well
 *
 * Before seccomp: memory is mapped. Without hops (see below) all packets leave through @tun.
 */
int xdp_port_new(struct port **out, const struct xdp_share *share, struct port *tun, struct err *e);

/** xdp_port_is() - was it made by xdp_port_new()? */
bool xdp_port_is(const struct port *port);

/** xdp_port_set_hops() - @h: used from the port's next rx on, until another is given and seen. Any
 *  thread; one at a time. */
void xdp_port_set_hops(struct port *port, const struct hops *h);

/** xdp_port_sees() - what the port uses: others may be freed. Any thread. */
const struct hops *xdp_port_sees(const struct port *port);
