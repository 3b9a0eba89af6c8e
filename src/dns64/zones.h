/* zones.h - the entries of `dns64: zones:` in the form that answering needs. */
#pragma once
#include "resolver.h"
#include "sixgate/dns64/zone.h"

/** struct dns64_zone - @cname, @ptr: len 0 where there is none. */
struct dns64_zone {
	struct dns_name name, cname, ptr;
	struct addr *a, *aaaa;
	struct dns64_text_conf *txt;
	size_t n_a, n_aaaa, n_txt;
	char service[DNS64_SERVICE_NAME_MAX];
	enum dns64_zone_answer answer;
	uint32_t ttl_s;
};

/** zones__take() - copy the entries of @conf into @p. Return: 0, -EINVAL or -ENOMEM; what is there
 *  then is for zones__free(). */
int zones__take(struct dns64_policy *p, const struct dns64_conf *conf, struct err *e);
void zones__free(struct dns64_policy *p);

/** zones__find() - the entry with just this name, or NULL. */
const struct dns64_zone *zones__find(const struct dns64_policy *p, const struct dns_name *name);

/** struct zone_ask - @policy: the client's; entries are those of the resolver's own. */
struct zone_ask {
	const struct dns64_policy *policy;
	const struct dns_question *question;
	bool checking_disabled;
};

/** zones__answer() - Return: as the builders of synth.h, with AA set; 0 if nothing here is about
 *  the name, or what it is an alias of has to be asked for: zones__alias(). */
size_t zones__answer(struct resolver *r, const struct zone_ask *ask, uint8_t *out);

/** zones__alias() - the entry that makes @q a question for another name, or NULL. */
const struct dns64_zone *zones__alias(const struct resolver *r, const struct dns_question *q);
