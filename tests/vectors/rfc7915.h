/* rfc7915.h - the lists and figures of RFC 7915 4.2 and 5.2, row by row; what is not in them is
 * dropped. RFC 1191 7.1 for routers that name no MTU. */
#pragma once
#include <stdint.h>

enum { ANY_CODE = -1, SAME_CODE = -1 };

/** what the second word of the ICMP header becomes */
enum rfc7915_rest { REST_ZERO, REST_ECHO, REST_MTU, REST_POINTER, REST_NEXT_HEADER };

struct rfc7915_icmp {
	uint8_t type;
	int16_t code;
	uint8_t to_type;
	int16_t to_code;
	enum rfc7915_rest rest;
};

static const struct rfc7915_icmp rfc7915_4_2[] = {
	{ 8, ANY_CODE, 128, SAME_CODE, REST_ECHO },
	{ 0, ANY_CODE, 129, SAME_CODE, REST_ECHO },
	{ 3, 0, 1, 0, REST_ZERO },        /* net unreachable */
	{ 3, 1, 1, 0, REST_ZERO },        /* host unreachable */
	{ 3, 2, 4, 1, REST_NEXT_HEADER }, /* protocol unreachable */
	{ 3, 3, 1, 4, REST_ZERO },        /* port unreachable */
	{ 3, 4, 2, 0, REST_MTU },         /* fragmentation needed and DF set */
	{ 3, 5, 1, 0, REST_ZERO },        /* source route failed */
	{ 3, 6, 1, 0, REST_ZERO },
	{ 3, 7, 1, 0, REST_ZERO },
	{ 3, 8, 1, 0, REST_ZERO },
	{ 3, 9, 1, 1, REST_ZERO }, /* administratively prohibited */
	{ 3, 10, 1, 1, REST_ZERO },
	{ 3, 11, 1, 0, REST_ZERO }, /* type of service */
	{ 3, 12, 1, 0, REST_ZERO },
	{ 3, 13, 1, 1, REST_ZERO }, /* communication administratively prohibited */
	/* 14, host precedence violation: dropped */
	{ 3, 15, 1, 1, REST_ZERO }, /* precedence cutoff in effect */
	{ 11, ANY_CODE, 3, SAME_CODE, REST_ZERO },
	{ 12, 0, 4, 0, REST_POINTER },
	/* 1, missing a required option: dropped */
	{ 12, 2, 4, 0, REST_POINTER }, /* bad length */
};

static const struct rfc7915_icmp rfc7915_5_2[] = {
	{ 128, ANY_CODE, 8, SAME_CODE, REST_ECHO },
	{ 129, ANY_CODE, 0, SAME_CODE, REST_ECHO },
	{ 1, 0, 3, 1, REST_ZERO },  /* no route to destination */
	{ 1, 1, 3, 10, REST_ZERO }, /* administratively prohibited */
	{ 1, 2, 3, 1, REST_ZERO },  /* beyond scope of source address */
	{ 1, 3, 3, 1, REST_ZERO },  /* address unreachable */
	{ 1, 4, 3, 3, REST_ZERO },  /* port unreachable */
	{ 2, ANY_CODE, 3, 4, REST_MTU },
	{ 3, ANY_CODE, 11, SAME_CODE, REST_ZERO },
	{ 4, 0, 12, 0, REST_POINTER },
	{ 4, 1, 3, 2, REST_ZERO }, /* unrecognized next header */
				   /* 2, unrecognized option: dropped */
};

struct rfc7915_pointers {
	uint32_t first, last;
	int32_t to; /* -1: n/a */
};

/* Figure 3: IPv4 to IPv6 */
static const struct rfc7915_pointers rfc7915_figure_3[] = {
	{ 0, 0, 0 },    /* version, IHL: version, traffic class */
	{ 1, 1, 1 },    /* type of service: traffic class, flow label */
	{ 2, 3, 4 },    /* total length: payload length */
	{ 4, 5, -1 },   /* identification */
	{ 6, 6, -1 },   /* flags, fragment offset */
	{ 7, 7, -1 },   /* fragment offset */
	{ 8, 8, 7 },    /* time to live: hop limit */
	{ 9, 9, 6 },    /* protocol: next header */
	{ 10, 11, -1 }, /* header checksum */
	{ 12, 15, 8 },  /* source address */
	{ 16, 19, 24 }, /* destination address */
};

/* Figure 6: IPv6 to IPv4 */
static const struct rfc7915_pointers rfc7915_figure_6[] = {
	{ 0, 0, 0 },    /* version, traffic class: version, IHL */
	{ 1, 1, 1 },    /* traffic class, flow label: type of service */
	{ 2, 3, -1 },   /* flow label */
	{ 4, 5, 2 },    /* payload length: total length */
	{ 6, 6, 9 },    /* next header: protocol */
	{ 7, 7, 8 },    /* hop limit: time to live */
	{ 8, 23, 12 },  /* source address */
	{ 24, 39, 16 }, /* destination address */
};

/* RFC 1191 7.1, the column of plateaus */
static const uint16_t rfc1191_7_1[] = {
	65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68,
};
