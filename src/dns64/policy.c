/* policy.c - turns the checked configuration into what answering needs, copied, so that a reload
 * may free the configuration at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/dns64/synth.h"

static void *copy_array(const void *from, size_t n, size_t size)
{
	void *to = calloc(n ? n : 1, size);

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

static int convert(struct dns64_policy *p, const struct dns64_conf *conf, struct err *e)
{
	for (size_t i = 0; i < conf->n_prefix; i++) {
		int rc = pool6_init(&p->prefix[i], &conf->prefix[i], e);

		if (rc)
			return err_wrap(e, rc, "dns64: prefix");
	}
	for (size_t i = 0; i < conf->n_never; i++) {
		if (dns_name_parse(conf->never[i], &p->never[i]))
			return err_set(e, -EINVAL, "dns64: never: %s: not a domain name",
				       conf->never[i]);
		dns_name_fold(&p->never[i]);
	}
	return 0;
}

int dns64_policy_new(struct dns64_policy **out, const struct dns64_conf *conf, struct err *e)
{
	struct dns64_policy *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return err_set(e, -ENOMEM, "dns64: out of memory");
	p->n_prefix = conf->n_prefix;
	p->n_exclude = conf->n_exclude;
	p->n_never = conf->n_never;
	p->n_upstream = conf->n_upstream;
	p->stale_s = conf->stale_s;
	p->client_timeout_ms = conf->client_timeout_ms;
	p->parallel = conf->parallel;
	p->break_dnssec = conf->break_dnssec;
	p->synthesize_on_error = conf->synthesize_on_error;
	p->allow_private = conf->allow_private;
	p->allow_outside = conf->allow_outside;
	p->prefix = calloc(p->n_prefix + 1, sizeof(*p->prefix));
	p->never = calloc(p->n_never + 1, sizeof(*p->never));
	p->exclude = copy_array(conf->exclude, p->n_exclude, sizeof(*p->exclude));
	p->upstream = copy_array(conf->upstream, p->n_upstream, sizeof(*p->upstream));
	rc = p->prefix && p->never && p->exclude && p->upstream ?
		     convert(p, conf, e) :
		     err_set(e, -ENOMEM, "dns64: out of memory");
	if (rc) {
		dns64_policy_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void dns64_policy_free(struct dns64_policy *p)
{
	if (!p)
		return;
	free(p->prefix);
	free(p->never);
	free(p->exclude);
	free(p->upstream);
	free(p);
}

bool dns64_never(const struct dns64_policy *p, const struct dns_name *name)
{
	for (size_t i = 0; i < p->n_never; i++)
		if (dns_name_is_under(name, &p->never[i]))
			return true;
	return false;
}
