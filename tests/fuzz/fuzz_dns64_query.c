/* fuzz_dns64_query.c - the input is what a client sends: datagrams behind two-byte lengths, the last
 * one as long as the input. Upstreams are silent or deny, by the first byte; it also says whether
 * a.example is known, an A record and no AAAA, and who asks. */
#include "dns64_world.h"

static const uint8_t a_record[] = "\0\0\x81\x80\0\1\0\1\0\0\0\0\1a\7example\0\0\1\0\1"
				  "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\x08\x08\x08\x08";
static const uint8_t no_aaaa[] = "\0\0\x81\x80\0\1\0\0\0\1\0\0\1a\7example\0\0\x1c\0\1"
				 "\xc0\x0e\0\6\0\1\0\0\1\x2c\0\x1a\1n\0\1m\0"
				 "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x78";

/* @len: with the string's end, which is not part of it. */
static void know(const uint8_t *wire, size_t len)
{
	struct dns64_key key;

	must(dns_question_read(wire, len - 1, &key.question));
	for (key.flags = 0; key.flags <= (DNS64_KEY_DO | DNS64_KEY_CD); key.flags++) {
		struct dns64_answer *a = dns64_answer_new(&key, wire, len - 1, world.now_ms);

		must(a && a->shape.known && a->ttl_s);
		dns64_cache_add(world.r->cache, &key, a);
		dns64_answer_put(a);
	}
}

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
	if (how & 4) {
		know(a_record, sizeof(a_record));
		know(no_aaaa, sizeof(no_aaaa));
	}
	while (size) {
		size_t len = size >= 2 ? load16(data) : size;

		data += size >= 2 ? 2 : 0;
		size -= size >= 2 ? 2 : 0;
		if (len > size)
			len = size;
		world_query((how >> 3) % WORLD_CLIENTS, data, len,
			    how & 2 ? DNS_MESSAGE_MAX : 0);
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
