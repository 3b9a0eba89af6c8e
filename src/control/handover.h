/* handover.h - values too large for a message, handed from parent to child in a sealed memfd. */
#pragma once
#include <stddef.h>
#include "sixgate/base/err.h"
#include "sixgate/netlink/facts.h"

enum { HANDOVER_BYTES_MAX = 16 << 20 };

/** handover__write() - Return: a sealed descriptor, the caller's; or negative errno. */
int handover__write(const void *data, size_t len);

/** handover__read() - @fd is closed, also on failure. @out: allocated, one NUL more than @len.
 *  Return: 0 or negative errno. */
int handover__read(int fd, char **out, size_t *len);

/** handover__write_facts(), handover__read_facts() - the same for facts; those read are released by
 *  netlink_facts_free(). The routes, which only the parent needs, are left out. */
int handover__write_facts(const struct netlink_facts *f);
int handover__read_facts(int fd, struct netlink_facts *out);

/** handover__write_config() - as text that config_parse() takes. */
int handover__write_config(const struct config *c);

/** handover__write_errors() - one line each: "file:line:column: text". */
int handover__write_errors(const struct config_errors *errors);
