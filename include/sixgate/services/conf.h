/* conf.h - the operator's choices about load-balanced services, section `services:`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/complaint.h"
#include "sixgate/base/err.h"

enum { SERVICES_MAX = 64, SERVICE_ADDRESSES_MAX = 8, SERVICE_NODES_MAX = 512, SERVICE_NAME_MAX = 64 };

enum {
	NODE_WEIGHT_MAX = 256,
	HEALTH_INTERVAL_MIN_MS = 100,
	HEALTH_INTERVAL_MAX_MS = 3600000,
	HEALTH_TIMEOUT_MIN_MS = 10,
	HEALTH_COUNT_MAX = 100,
	DRAIN_MAX_MS = 86400000,
	SLOW_START_MAX_MS = 3600000,
	IDLE_TIMEOUT_MIN_MS = 60000,
	IDLE_TIMEOUT_MAX_MS = 6000000
};

enum scheduler_kind { SCHEDULER_P2C, SCHEDULER_MAGLEV, SCHEDULER_ROUND_ROBIN, SCHEDULER_LEAST_FLOWS };

enum client_address { CLIENT_EMBED, CLIENT_KEEP, CLIENT_HIDE };

enum health_kind { HEALTH_NONE, HEALTH_TCP, HEALTH_HTTP };

/**
 * struct health_conf - how a node is checked
 * @path, @host: HTTP only; @host is the Host header, default the node's address
 * @status_first, @status_last: HTTP status codes that count as healthy, inclusive
 */
struct health_conf {
	enum health_kind kind;
	char path[256], host[256];
	uint16_t status_first, status_last;
	uint16_t port;         /* 0: the node's own */
	uint32_t interval_ms;  /* default 2000, 100 to 3600000 */
	uint32_t timeout_ms;   /* default 1000, less than or equal to the interval */
	uint32_t rise, fall;   /* defaults 2 and 3, 1 to 100 */
	bool through_dataplane; /* default true */
};

struct node_conf {
	char name[SERVICE_NAME_MAX];
	struct addr address;
	uint16_t port;   /* 0: the service's */
	char zone[SERVICE_NAME_MAX];
	uint32_t weight; /* 0 to 256, default 1; 0 takes no new flows */
};

/**
 * struct service_conf - one entry of `services:`; arrays belong to the configuration's arena
 * @source_v4, @source_v6: where translated clients come from; all zero when absent
 * @embed_prefix: len 0 when absent
 * @prefer_zone: empty when absent; @spill_percent: share of the zone's nodes that must be up for
 *               it to keep all its traffic
 */
struct service_conf {
	char name[SERVICE_NAME_MAX];
	struct addr address[SERVICE_ADDRESSES_MAX];
	size_t n_address;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port;
	struct node_conf *node;
	size_t n_node;
	enum scheduler_kind scheduler;
	enum client_address client_address;
	struct addr source_v4, source_v6;
	struct prefix embed_prefix;
	struct health_conf health;
	char prefer_zone[SERVICE_NAME_MAX];
	uint32_t spill_percent;
	uint32_t drain_ms;        /* default 5 min */
	uint32_t slow_start_ms;   /* default 0: off */
	uint32_t idle_timeout_ms; /* default 350 s, 60 s to 6000 s */
};

struct services_conf {
	struct service_conf *service;
	size_t n_service;
};

void service_conf_default(struct service_conf *c);
void node_conf_default(struct node_conf *c);
void health_conf_default(struct health_conf *c);
/** health_conf_preset() - "minio", "rgw", "garage", "seaweedfs", "tcp", "http". Return: 0 or -ENOENT. */
int health_conf_preset(struct health_conf *c, const char *name);
/** services_conf_complain() - everything that is wrong, each with its member. */
void services_conf_complain(const struct services_conf *c, struct complaints *to);
/** services_conf_check() - Return: 0 or -EINVAL with the first fault. */
int services_conf_check(const struct services_conf *c, struct err *e);
