/* test_translator.c - require-nat64: what views keep when only the section's translator fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "control.h"
#include "sixgate/base/must.h"
#include "sixgate/dns64/synth.h"
#include "translator.h"

static struct prefix prefix(const char *text)
{
	struct prefix p;

	must(prefix_parse(text, &p) == 0);
	return p;
}

/* nat64 itself has no worker here, so that its prefix fails; the view's is somebody else's and works, for
 * there is no probe. 203.0.113.0/24 is shown to nobody. */
static void set_up(struct config *conf)
{
	static struct prefix own, other, clients;
	static struct dns64_mapped_conf hidden;
	static struct dns64_view_conf view;
	static struct dns64_upstream_conf upstream = { .port = 53 };
	static char domain[] = "broken.example.", *always = domain;

	own = prefix("64:ff9b::/96");
	other = prefix("2001:db8:64::/96");
	clients = prefix("2001:db8:2::/48");
	hidden = (struct dns64_mapped_conf){ .v4 = prefix("203.0.113.0/24") };
	must(addr_parse("2001:db8::53", &upstream.address) == 0);
	conf->has_nat64 = conf->has_dns64 = true;
	conf->nat64.prefix = conf->dns64.prefix = &own;
	conf->nat64.n_prefix = 1;
	dns64_conf_default(&conf->dns64);
	conf->dns64.prefix = &own;
	conf->dns64.n_prefix = 1;
	conf->dns64.require_nat64 = true;
	conf->dns64.upstream = &upstream;
	conf->dns64.n_upstream = 1;
	conf->dns64.mapped = &hidden;
	conf->dns64.n_mapped = 1;
	conf->dns64.always = &always;
	conf->dns64.n_always = 1;
	view = (struct dns64_view_conf){ .clients = &clients, .n_clients = 1, .synthesize = true,
					 .prefix = &other, .n_prefix = 1, .has_prefix = true };
	conf->dns64.view = &view;
	conf->dns64.n_view = 1;
}

/* Until the section's translator has failed for as long as that is looked over. */
static const struct dns64_conf *wait_withheld(struct control *c)
{
	for (int i = 0; i < 1000; i++) {
		const struct dns64_conf *usable;

		uv_update_time(&c->loop);
		translator__look(c);
		usable = translator__usable(c, &c->config->dns64);
		must(usable);
		if (usable->withheld)
			return usable;
		usleep(10000);
	}
	fail_msg("the section's prefix is never withheld");
	return NULL;
}

static void a_view_that_works_keeps_what_it_has_of_the_section(void **state)
{
	struct control *c = calloc(1, sizeof(*c));
	struct config *conf = calloc(1, sizeof(*conf));
	const struct dns64_policy *section, *view;
	struct addr client, any = { 0 };
	struct dns64_policy *p;
	struct err e = { "" };

	(void)state;
	must(c && conf && uv_loop_init(&c->loop) == 0);
	set_up(conf);
	c->config = conf;
	must(translator__start(c, &e) == 0);
	translator__follow(c, conf);
	must(dns64_policy_new(&p, wait_withheld(c), &e) == 0);
	must(addr_parse("2001:db8:2::1", &client) == 0);
	section = dns64_policy_for(p, &any, &any);
	view = dns64_policy_for(p, &client, &any);
	assert_true(section->withheld);
	assert_int_equal(section->n_prefix, 0);
	assert_int_equal(section->n_always, 0);
	assert_false(view->withheld);
	assert_int_equal(view->n_prefix, 1);
	assert_int_equal(view->n_always, 1);
	assert_int_equal(view->n_mapped, 1);
	dns64_policy_free(p);
	translator__stop(c);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	uv_loop_close(&c->loop);
	free(conf);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_view_that_works_keeps_what_it_has_of_the_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
