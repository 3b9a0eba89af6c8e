/*
 * fuzz_translate.c - hostile packets through parser and translator.
 *
 * Links: rooms['translate'], tests/lib/translate_law.c. Corpus: corpus/translate. Input: a byte of
 * choices (bit 0: out comes IPv4, bit 1: the side, bit 2: hops, bit 3: offload facts follow, bits 4
 * and 5: MTUs, bit 6: checksums are repaired, bit 7: odd configuration), two ports (4 bytes; the last
 * bit of the first: sources of errors are named), nine bytes of offload facts if chosen, the packet.
 */
#include <stddef.h>
#include "sixgate/base/must.h"
#include "translate_law.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct translate_env env_of(uint8_t choices)
{
	static const uint32_t mtu[4][N_SIDES] = {
		{ 1500, 1500 }, { 1280, 576 }, { 576, 1280 }, { 65535, 65535 }
	};
	struct translate_env env = { .hops = choices & 4 ? 1 : -1 };

	translation_conf_default(&env.conf);
	memcpy(env.mtu, mtu[choices >> 4 & 3], sizeof(env.mtu));
	if (choices & 0x80) {
		env.conf.lowest_ipv6_mtu = 1400;
		env.conf.allow_zero_udp_fragments = true;
		env.conf.copy_traffic_class = false;
		env.conf.mss_clamp = 1000;
	}
	for (int i = 0; i < N_SIDES; i++) {
		must(addr_parse("203.0.113.1", &env.own4[i]) == 0);
		must(addr_parse("2001:db8:aaaa::1", &env.own6[i]) == 0);
	}
	return env;
}

static void set_addresses(struct tuple *to, bool v4)
{
	must(addr_parse(v4 ? "198.51.100.1" : "2001:db8:1::10", &to->src) == 0);
	must(addr_parse(v4 ? "192.0.2.33" : "64:ff9b::192.0.2.33", &to->dst) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct law_case c = { 0 };

	if (size < 15 || size > 70000)
		return 0;
	c.env = env_of(data[0]);
	c.side = data[0] >> 1 & 1;
	c.repair = data[0] & 0x40;
	c.name_source = data[2] & 1;
	set_addresses(&c.to, data[0] & 1);
	c.to.sport = load_be16(data + 1);
	c.to.dport = load_be16(data + 3);
	data += 5;
	size -= 5;
	if (data[-5] & 8) {
		c.off = (struct offload){ .gso = data[0] & 3,
					  .gso_ecn = data[0] >> 7,
					  .csum_partial = data[0] >> 6 & 1,
					  .gso_size = load16(data + 1),
					  .csum_start = load16(data + 3),
					  .csum_offset = load16(data + 5),
					  .hdr_len = load16(data + 7) };
		data += 9;
		size -= 9;
	}
	c.data = data;
	c.len = (uint32_t)size;
	translate_laws_hold(&c);
	return 0;
}
