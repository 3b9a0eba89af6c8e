/* fixture.h - a section `siit:` from text, and its table. */
#pragma once
#include "test.h"
#include "sixgate/base/must.h"
#include "sixgate/siit/siit.h"

static inline struct addr address(const char *text)
{
	struct addr a;

	must(addr_parse(text, &a) == 0);
	return a;
}

static inline struct prefix prefix_of(const char *text)
{
	struct prefix p;

	must(prefix_parse(text, &p) == 0);
	return p;
}

/** struct section - the arrays of a siit_conf. */
struct section {
	struct siit_conf conf;
	struct prefix prefix[SIIT_PREFIXES_MAX + 1];
	struct eam_conf eam[64];
	struct prefix icmp4[SIIT_ICMP4_MAX + 1];
	struct prefix hosts[SIIT_CLAT_HOSTS_MAX + 1];
};

static inline void section_init(struct section *s)
{
	memset(s, 0, sizeof(*s));
	siit_conf_default(&s->conf);
	s->conf.prefix = s->prefix;
	s->conf.eam = s->eam;
	s->conf.icmp4_source = s->icmp4;
	s->conf.clat.hosts = s->hosts;
}

static inline void add_prefix(struct section *s, const char *text)
{
	s->prefix[s->conf.n_prefix++] = prefix_of(text);
}

static inline void add_eam(struct section *s, const char *v4, const char *v6)
{
	s->eam[s->conf.n_eam++] = (struct eam_conf){ prefix_of(v4), prefix_of(v6) };
}

static inline void add_icmp4(struct section *s, const char *text)
{
	s->icmp4[s->conf.n_icmp4_source++] = prefix_of(text);
}

static inline void add_clat(struct section *s, const char *plat, const char *source, const char *hosts)
{
	s->conf.has_clat = true;
	s->conf.clat.plat = prefix_of(plat);
	s->conf.clat.source = prefix_of(source);
	s->hosts[s->conf.clat.n_hosts++] = prefix_of(hosts);
}

static inline struct siit_table *table_of(const struct section *s)
{
	struct siit_table *t = NULL;
	struct err e = { "" };

	if (siit_table_new(&t, &s->conf, &e))
		fail_msg("%s", e.text);
	return t;
}

static inline void assert_addr(const struct addr *got, const char *want)
{
	struct addr wanted = address(want);
	char text[ADDR_TEXT_MAX];

	if (!addr_equal(got, &wanted))
		fail_msg("%s, expected %s", addr_format(got, text), want);
}
