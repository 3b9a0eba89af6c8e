/* channel.h - one end of the socketpair between parent and child: fixed-size messages, at most one
 * descriptor beside each. */
#pragma once
#include <stddef.h>
#include "sixgate/base/err.h"
#include "sixgate/control/request.h"

/** channel_pair() - SOCK_SEQPACKET, close-on-exec. Return: 0 or negative errno. */
int channel__pair(int fd[2], struct err *e);

/** channel_send() - one message; @pass: descriptor to send along (stays the caller's), or -1.
 *  @flags: MSG_DONTWAIT or 0. Return: 0 or negative errno. */
int channel__send(int fd, const void *msg, size_t len, int pass, int flags);

/**
 * channel_receive() - one message
 * @buf:  at least one byte more than a lawful message, so that too long ones are seen as such
 * @got:  descriptor that came along, now the caller's, or -1
 * @n_fd: how many came; those beyond the first have been closed
 *
 * Return: bytes, 0 when the other side has gone, or negative errno.
 */
int channel__receive(int fd, void *buf, size_t size, int *got, unsigned *n_fd, int flags);
