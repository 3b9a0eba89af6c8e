/* io_internal.h - what the backends share. */
#pragma once
#include <linux/virtio_net.h>
#include "sixgate/dataplane/port.h"
#include "sixgate/dataplane/worker.h"

/**
 * io__offload_from_virtio() - the kernel's facts about a packet of @len bytes, as ours
 *
 * Checked as if hostile: what points outside the packet or is of an unknown kind becomes
 * io__offload_refused, which packet_parse() drops with DROP_BAD_OFFLOAD.
 */
struct offload io__offload_from_virtio(const struct virtio_net_hdr *hdr, uint32_t len);

/** io__offload_refused - a super-packet whose segments have no size. */
extern const struct offload io__offload_refused;

/** io__offload_to_virtio() - for a packet to send. */
struct virtio_net_hdr io__offload_to_virtio(const struct offload *off);

/** io__send() - the packets of @p with VERDICT_FORWARD; counted as sent, and as drops what the port
 *  would not take. */
void io__send(struct worker *w, struct port *port, const struct packet *p, uint16_t n);

/** io__send_outbox() - the same for what the worker made; its outbox is empty afterwards. */
void io__send_outbox(struct worker *w, struct port *port);
