/*
 * siit_table.c - the compiled explicit mappings against a model that tries every entry, and what is
 * mapped there and back.
 */
#include "test.h"
#include "sixgate/base/must.h"
#include "sixgate/siit/siit.h"

enum { TABLES = 300, PER_TABLE = 400, ENTRIES_MAX = 40 };

static struct eam_conf entry[ENTRIES_MAX];
static struct prefix prefix;
static struct siit_conf conf;
static uint64_t seed;

static bool bit(const struct addr *a, unsigned at)
{
	return a->octet[at / 8] >> (7 - at % 8) & 1;
}

static void set_bit(struct addr *a, unsigned at, bool on)
{
	a->octet[at / 8] = (uint8_t)((a->octet[at / 8] & ~(0x80 >> at % 8)) | (on ? 0x80 >> at % 8 : 0));
}

/* Close together, so that prefixes nest and neighbours touch. */
static struct addr random_v4(void)
{
	return addr_from_ip4_host(0x0a000000u | (uint32_t)(rnd(&seed) & 0x030303ff));
}

static struct addr random_v6(void)
{
	struct addr a = { .octet = { 0x20, 0x01, 0x0d, 0xb8 } };

	for (int i = 4; i < 16; i++)
		a.octet[i] = rnd(&seed) % 3 ? 0 : (uint8_t)(rnd(&seed) & 0x83);
	return a;
}

static bool is_new(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((entry[i].v4.len == entry[n].v4.len && addr_equal(&entry[i].v4.addr, &entry[n].v4.addr)) ||
		    (entry[i].v6.len == entry[n].v6.len && addr_equal(&entry[i].v6.addr, &entry[n].v6.addr)))
			return false;
	return true;
}

static struct siit_table *random_table(void)
{
	struct siit_table *t = NULL;
	struct err e = { "" };
	size_t wanted = 1 + rnd(&seed) % ENTRIES_MAX;

	conf.n_eam = 0;
	for (size_t tries = 0; conf.n_eam < wanted && tries < 200; tries++) {
		struct eam_conf *m = &entry[conf.n_eam];
		struct addr v4 = random_v4(), v6 = random_v6();

		m->v4.len = (uint8_t)(96 + 8 + rnd(&seed) % 25);
		m->v6.len = (uint8_t)(32 + rnd(&seed) % (m->v4.len - 32 + 1u));
		m->v4.addr = addr_mask(&v4, m->v4.len);
		m->v6.addr = addr_mask(&v6, m->v6.len);
		conf.n_eam += is_new(conf.n_eam);
	}
	conf.n_prefix = rnd(&seed) % 2;
	if (siit_table_new(&t, &conf, &e))
		fail_msg("%s", e.text);
	return t;
}

/* RFC 7757 3.3.1 and 3.3.2 word by word. */
static bool model(const struct addr *a, bool to6, struct addr *out)
{
	int best = -1;

	for (size_t i = 0; i < conf.n_eam; i++) {
		const struct prefix *p = to6 ? &entry[i].v4 : &entry[i].v6;
		bool in = true;

		for (unsigned b = 0; b < p->len; b++)
			in &= bit(a, b) == bit(&p->addr, b);
		if (in && (best < 0 || p->len > (to6 ? entry[best].v4.len : entry[best].v6.len)))
			best = (int)i;
	}
	if (best < 0)
		return false;
	*out = to6 ? entry[best].v6.addr : entry[best].v4.addr;
	for (unsigned b = 0; b < 128u - entry[best].v4.len; b++) {
		unsigned at4 = entry[best].v4.len + b, at6 = entry[best].v6.len + b;

		set_bit(out, to6 ? at6 : at4, bit(a, to6 ? at4 : at6));
	}
	return true;
}

/* An address that a mapping may well have: one of its prefix, with some bits turned. */
static struct addr probable(bool v4)
{
	const struct eam_conf *m = &entry[rnd(&seed) % conf.n_eam];
	struct addr a = v4 ? m->v4.addr : m->v6.addr;

	for (unsigned n = rnd(&seed) % 4; n > 0; n--) {
		unsigned at = v4 ? 100 + rnd(&seed) % 28 : 32 + rnd(&seed) % 96;

		set_bit(&a, at, !bit(&a, at));
	}
	return a;
}

static void compare(const struct siit_table *t, const struct addr *a, bool to6)
{
	struct addr got, want;
	enum siit_method how = to6 ? siit_to6(t, a, &got) : siit_to4(t, a, &got);
	char x[ADDR_TEXT_MAX], y[ADDR_TEXT_MAX], z[ADDR_TEXT_MAX];

	if (!model(a, to6, &want)) {
		assert_true(how != SIIT_BY_EAM);
		return;
	}
	if (how != SIIT_BY_EAM || !addr_equal(&got, &want))
		fail_msg("%s: %s, expected %s", addr_format(a, x),
			 how == SIIT_BY_EAM ? addr_format(&got, y) : "not mapped", addr_format(&want, z));
}

static void the_longest_match_is_the_models(void **state)
{
	(void)state;
	for (int i = 0; i < TABLES; i++) {
		struct siit_table *t = random_table();

		for (int k = 0; k < PER_TABLE; k++) {
			bool to6 = rnd(&seed) & 1;
			struct addr a = k % 4 ? probable(to6) : to6 ? random_v4() : random_v6();

			compare(t, &a, to6);
		}
		siit_table_free(t);
	}
}

/* Where nothing is nested, what is mapped to IPv6 comes back as itself. */
static void without_nested_mappings_there_and_back_is_the_same(void **state)
{
	unsigned tried = 0;

	(void)state;
	for (int i = 0; i < TABLES; i++) {
		struct siit_table *t = random_table();
		bool nested = false;

		for (size_t k = 0; k < conf.n_eam; k++)
			nested |= siit_conf_nested(&conf, k) >= 0;
		for (int k = 0; k < PER_TABLE && !nested; k++) {
			struct addr a = probable(true), six, back;

			if (siit_to6(t, &a, &six) == SIIT_UNMAPPED)
				continue;
			assert_true(siit_to4(t, &six, &back) != SIIT_UNMAPPED);
			assert_true(addr_equal(&a, &back));
			tried++;
		}
		siit_table_free(t);
	}
	assert_true(tried > PER_TABLE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_match_is_the_models),
		cmocka_unit_test(without_nested_mappings_there_and_back_is_the_same),
	};

	siit_conf_default(&conf);
	must(prefix_parse("2001:db9::/96", &prefix) == 0);
	conf.prefix = &prefix;
	conf.eam = entry;
	seed = test_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
