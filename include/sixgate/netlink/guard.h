/*
 * guard.h - the network fails closed.
 *
 * One nftables table (`inet sixgate`) whose forward chain drops what goes directly between an
 * outside and an inside interface, either way, and touches what we guard: pool addresses, VIPs,
 * NAT64 prefixes, egress6's prefixes; and, with services, a prerouting chain that lets nobody on a
 * wire pose as our health checks. Packets that may pass cross our devices and never match.
 * It knows names of interfaces and prefixes of the file only, so it can stand before any
 * interface exists; nothing removes it but guard_remove().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "sixgate/base/err.h"
#include "sixgate/config/config.h"

#define GUARD_TABLE "sixgate"

/**
 * guard_install() - put the guard for @conf in place of any older one, in one transaction
 *
 * With `egress6: prefixes: inside` all IPv6 is guarded: no packet of any inside prefix may go
 * directly, known yet or not. With prefixes in the file, so is all IPv6 from inside, since our
 * default route takes it (BCP 38).
 *
 * netlink_sync() puts it back when somebody removes or changes it.
 *
 * Return: 0; -EPERM; -EOPNOTSUPP without nftables in the kernel; -EIO with nft's words.
 */
int guard_install(const struct config *conf, struct err *e);

/** guard_remove() - Return: 0, also when there was none. */
int guard_remove(struct err *e);

/** guard_text() - the nft commands guard_install() runs. Return: allocated, the caller frees it;
 *  NULL when out of memory. */
char *guard_text(const struct config *conf);
