/* tls_server.h - the other end of DNS over TLS for a fuzz target: a key of its own, and one
 * connection. */
#pragma once
#include <stdint.h>
#include <sys/types.h>
#include "sixgate/dns64/conf.h"

/** tls_server_pin() - of our key, in the form of the configuration's `pin`. The key is made at the
 * first call. */
void tls_server_pin(struct dns64_pin *out);

/** tls_server_take() - speak TLS on @fd, non-blocking, from now on; the caller keeps it. -1: no
 * more. */
void tls_server_take(int fd);

/** tls_server_shake() - go on with the handshake. Return: true when it is over. */
bool tls_server_shake(void);

/** tls_server_write() - @data as one record. tls_server_read() - Return: bytes, or 0. */
void tls_server_write(const uint8_t *data, size_t len);
size_t tls_server_read(uint8_t *out, size_t size);

/** tls_server_bye() - close_notify. */
void tls_server_bye(void);
