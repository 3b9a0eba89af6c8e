/* virtio.c - struct offload to and from the virtio-net header. No I/O. */
#include "io_internal.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

const struct offload io__offload_refused = { .gso = GSO_TCP4, .gso_size = 0 };

static bool gso_from_virtio(uint8_t type, uint8_t *kind)
{
	switch (type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		*kind = GSO_NONE;
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		*kind = GSO_TCP4;
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		*kind = GSO_TCP6;
		return true;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		*kind = GSO_UDP;
		return true;
	}
	return false; /* UFO among them: never negotiated */
}

struct offload io__offload_from_virtio(const struct virtio_net_hdr *hdr, uint32_t len)
{
	struct offload off = { .gso = GSO_NONE };

	if (!gso_from_virtio(hdr->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN, &off.gso))
		return io__offload_refused;
	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if ((uint32_t)hdr->csum_start + hdr->csum_offset + 2 > len)
			return io__offload_refused;
		off.csum_partial = true;
		off.csum_start = hdr->csum_start;
		off.csum_offset = hdr->csum_offset;
	}
	if (off.gso == GSO_NONE)
		return off;
	/* segments need checksums of their own, so the sum of the whole must be unfinished */
	if (hdr->gso_size == 0 || !off.csum_partial)
		return io__offload_refused;
	off.gso_ecn = (hdr->gso_type & VIRTIO_NET_HDR_GSO_ECN) != 0;
	off.gso_size = hdr->gso_size;
	off.hdr_len = (uint16_t)(hdr->hdr_len < len ? hdr->hdr_len : len);
	return off;
}

struct virtio_net_hdr io__offload_to_virtio(const struct offload *off)
{
	static const uint8_t type[] = {
		[GSO_NONE] = VIRTIO_NET_HDR_GSO_NONE,
		[GSO_TCP4] = VIRTIO_NET_HDR_GSO_TCPV4,
		[GSO_TCP6] = VIRTIO_NET_HDR_GSO_TCPV6,
		[GSO_UDP] = VIRTIO_NET_HDR_GSO_UDP_L4,
	};
	struct virtio_net_hdr hdr = { .gso_type = type[off->gso] };

	if (off->gso != GSO_NONE) {
		hdr.gso_type |= off->gso_ecn ? VIRTIO_NET_HDR_GSO_ECN : 0;
		hdr.gso_size = off->gso_size;
		hdr.hdr_len = off->hdr_len;
	}
	if (off->csum_partial) {
		hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr.csum_start = off->csum_start;
		hdr.csum_offset = off->csum_offset;
	}
	return hdr;
}
