/* turn.c - addresses of a name come in another order for each client: it is its query's id that
 * says where they begin, so that all of them have their turn. Records of one set only change
 * places, with their data. */
#include <string.h>
#include "sixgate/base/wire.h"
#include "dns64_internal.h"

enum { TURN_MAX = 24, TTL_TO_DATA = 4 + 2 };

/* struct turning - the set: @at: TTLs of its @n records, each of which is @size octets from there
 * on */
struct turning {
	size_t at[TURN_MAX], n, size;
};

/* Records one behind the other, their owner spelled alike: all of one set. */
static void find_set(const struct dns_query *q, const uint8_t *out, size_t len, struct turning *t)
{
	size_t owner_at = 0, owner_len = 0;
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, out, len);
	while (t->n < TURN_MAX && dns_walk_next(&w, &rr) && rr.section == DNS_ANSWER) {
		size_t name_len = rr.ttl_at - 4 - rr.owner_at;

		if (rr.type != q->question.type || (size_t)TTL_TO_DATA + rr.rdlen != t->size ||
		    (t->n && (name_len != owner_len ||
			      memcmp(out + rr.owner_at, out + owner_at, name_len) != 0))) {
			if (t->n)
				return;
			continue;
		}
		owner_at = rr.owner_at;
		owner_len = name_len;
		t->at[t->n++] = rr.ttl_at;
	}
}

static void turn(const struct turning *t, size_t by, uint8_t *out)
{
	uint8_t set[TURN_MAX][TTL_TO_DATA + 16];

	for (size_t i = 0; i < t->n; i++)
		memcpy(set[i], out + t->at[i], t->size);
	for (size_t i = 0; i < t->n; i++)
		memcpy(out + t->at[i], set[(i + by) % t->n], t->size);
}

void dns64__turn(const struct dns_query *q, uint8_t *out, size_t len)
{
	struct turning t = { .size = TTL_TO_DATA + (q->question.type == DNS_TYPE_A ? 4 : 16) };

	if (load16(out + 6) < 2 ||
	    (q->question.type != DNS_TYPE_A && q->question.type != DNS_TYPE_AAAA))
		return;
	find_set(q, out, len, &t);
	if (t.n < 2 || q->id % t.n == 0)
		return;
	turn(&t, q->id % t.n, out);
	if (!dns_message_check(out, len)) /* a hostile name goes on within numbers */
		turn(&t, t.n - q->id % t.n, out);
}
