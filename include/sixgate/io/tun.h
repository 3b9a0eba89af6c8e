/*
 * tun.h - packets through TUN devices (Linux), super-packets included.
 *
 * Glossary: a *device* is sixgate0 (inside) or sixgate0o (outside); which one a packet was read
 * from is its side. A *queue* is one descriptor of a device; every worker has one of each device.
 * *Offloads* are what the kernel leaves to us: TSO and USO hand over whole super-packets with a
 * virtio-net header that says how they are to be cut.
 *
 * Two halves: tun_open() needs CAP_NET_ADMIN and runs in the privileged parent, tun_port_new()
 * needs nothing but the descriptors.
 */
#pragma once
#include "sixgate/base/err.h"
#include "sixgate/dataplane/port.h"

enum { TUN_QUEUES_MAX = 16, TUN_NAME_MAX = 16 };

/** enum tun_offload - what is asked for, each with everything before it. */
enum tun_offload {
	TUN_OFFLOAD_NONE, /* whole packets with finished checksums, one at a time */
	TUN_OFFLOAD_CSUM, /* checksums may be unfinished */
	TUN_OFFLOAD_TSO,  /* TCP super-packets of both families */
	TUN_OFFLOAD_USO   /* UDP super-packets of both families; Linux 6.2 and later */
};

/**
 * struct tun_queues - one device
 * @name:    as the kernel has it, NUL-terminated
 * @fd:      @n non-blocking descriptors, owned; -1 for one that was given away
 * @offload: what the kernel agreed to
 */
struct tun_queues {
	char name[TUN_NAME_MAX];
	int fd[TUN_QUEUES_MAX];
	unsigned n;
	enum tun_offload offload;
};

/**
 * tun_open() - make a multi-queue TUN device
 * @out:  written on success; the caller owns the descriptors, tun_queues_close() closes them. The
 *        device goes when the last of them is closed.
 * @n:    queues, 1 to TUN_QUEUES_MAX
 * @most: offloads to begin with; lower ones are tried until the kernel takes one
 *
 * The device is down and has no address. Must run with CAP_NET_ADMIN.
 *
 * Return: 0; -EEXIST if there is an interface of this name; -ENODEV without /dev/net/tun; -EPERM;
 * another negative errno. On failure nothing is left behind.
 */
int tun_open(struct tun_queues *out, const char *name, unsigned n, enum tun_offload most,
	     struct err *e);

/** tun_queues_close() - those that have not been given away (are not -1). */
void tun_queues_close(struct tun_queues *q);

/** tun_offload_text() - "checksums, TCP and UDP super-packets": for the log. Static text. */
const char *tun_offload_text(enum tun_offload offload);

/**
 * tun_port_new() - one worker's port: a queue of the inside device and one of the outside device
 * @inside_fd, @outside_fd: owned by the port from here on, also on failure
 *
 * A batch holds at most TUN_BATCH_BYTES of packets (so that they are still in the cache when they
 * are sent), taken from both devices in turn.
 *
 * Return: 0 with @out owned by the caller, released by its close operation; -ENOMEM.
 */
int tun_port_new(struct port **out, int inside_fd, int outside_fd, struct err *e);

enum { TUN_BATCH_BYTES = 256 << 10 };
