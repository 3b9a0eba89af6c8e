/* conf.h - the operator's choices about translation, shared by nat64, siit and services. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "sixgate/base/complaint.h"
#include "sixgate/base/err.h"

enum { MSS_CLAMP_AUTO = -1, MSS_CLAMP_OFF = 0, MSS_CLAMP_MIN = 536, MSS_CLAMP_MAX = 65475 };
enum { LOWEST_IPV6_MTU_MIN = 1280, LOWEST_IPV6_MTU_MAX = 9000, ICMP_ERROR_RATE_MAX = 1000000 };

/**
 * struct translation_conf - section `translation:`
 *
 * Plain values, copied with '='.
 */
struct translation_conf {
	uint32_t lowest_ipv6_mtu;      /* bytes, 1280 to 9000; RFC 7915 4: DF=0 packets are cut to it */
	int32_t mss_clamp;             /* MSS_CLAMP_AUTO, MSS_CLAMP_OFF or 536 to 65475 bytes */
	bool copy_traffic_class;       /* RFC 7915 4.1, 5.1; false: @tos is written instead */
	uint8_t tos;                   /* 0 to 255 */
	bool udp_zero_checksum_drop;   /* RFC 7915 4.5; false: the checksum is computed */
	bool allow_zero_udp_fragments; /* RFC 7915 4.5: forward fragmented UDP without checksum */
	uint32_t icmp_error_rate;      /* errors a second that a worker may send (RFC 4443 2.4 (f)),
					  1 to 1000000, default 1000 */
};

void translation_conf_default(struct translation_conf *c);
/** translation_conf_complain() - everything that is wrong, each with its member. */
void translation_conf_complain(const struct translation_conf *c, struct complaints *to);
/** translation_conf_check() - Return: 0 or -EINVAL with @e naming the key and the range. */
int translation_conf_check(const struct translation_conf *c, struct err *e);
