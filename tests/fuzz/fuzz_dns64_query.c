/* fuzz_dns64_query.c - the input is what a client sends: datagrams behind two-byte lengths, the last
 * one as long as the input. Upstreams are silent or deny, by the first byte. */
#include "dns64_world.h"

static void deny(const struct asked *a)
{
	struct sockaddr_in6 from = { .sin6_port = be16_from(a->to.port).raw };
	uint8_t wire[512];
	struct datagram d = { .from = &from, .wire = wire, .len = a->len };

	if (a->tcp)
		return;
	memcpy(from.sin6_addr.s6_addr, a->to.address.octet, 16);
	memcpy(wire, a->wire, a->len);
	store16(wire + 2, DNS_QR | DNS_RA | DNS_NXDOMAIN);
	resolver__answer(world.r, &d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how;

	if (!world.r)
		world_start();
	if (!size)
		return 0;
	how = *data++;
	size--;
	while (size) {
		size_t len = size >= 2 ? load16(data) : size;

		data += size >= 2 ? 2 : 0;
		size -= size >= 2 ? 2 : 0;
		if (len > size)
			len = size;
		world_query(data, len, how & 2 ? DNS_MESSAGE_MAX : 0);
		data += len;
		size -= len;
		if (!len)
			break;
	}
	for (unsigned i = 0; how & 1 && i < world.n_asked; i++)
		deny(&world.asked[i]);
	world_settle();
	return 0;
}
