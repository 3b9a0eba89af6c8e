/*
 * steer.h - the kernel puts a packet into the queue of the worker that owns it.
 *
 * A TUN device with several queues deals packets by a hash of its own, and half of them then have to
 * be handed over. A program that is attached to both devices asks owner_of() instead, over a copy of the
 * steering table in memory that it shares with the data plane. It is a shortcut: without it, or with an
 * old table, packets are handed over as ever.
 */
#pragma once
#include "sixgate/base/err.h"
#include "sixgate/flow/steer.h"
#include "sixgate/io/tun.h"

/** struct tun_steering - descriptors, owned: @map is for the data plane, tun_steering_table() */
struct tun_steering {
	int map, program;
};

/**
 * tun_steering_load() - privileged
 * @inside: ifindex of the inside device: what does not come from there comes from outside
 *
 * Return: 0 with @out to be given to tun_steering_close(); the kernel's errno: -EPERM without CAP_BPF.
 */
int tun_steering_load(struct tun_steering *out, int inside, struct err *e);

/** tun_steering_attach() - have it deal the packets of a device, until the device goes. Return: 0 or
 *  negative errno. */
int tun_steering_attach(const struct tun_steering *t, const struct tun_queues *device);
void tun_steering_close(struct tun_steering *t);

/** tun_steering_table() - unprivileged. @map: closed. Return: the memory, mapped for good; NULL if it
 *  cannot be. All is worker 0's until the first tun_steering_tell(). */
struct steer_shared *tun_steering_table(int map);

/** tun_steering_tell() - @s from now on. One thread. */
void tun_steering_tell(struct steer_shared *x, const struct steering *s);
