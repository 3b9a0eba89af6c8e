/* health_internal.h - what the files of this room share. */
#pragma once
#include "sixgate/health/health.h"
#include "sixgate/log/log.h"

enum { REASON_MAX = 128, ATTEMPT_REASON_MAX = 96, REQUEST_MAX = 1024 };

/* http_reply.c */

enum http_progress { HTTP_MORE, HTTP_DONE, HTTP_BAD };

enum { HTTP_LINE_MAX = 256, HTTP_HEAD_MAX = 16384 };

/**
 * struct http_reply - the head of an HTTP/1 response, as far as a check needs it; zero to begin
 * @status:  status code, once HTTP_DONE
 * @offline: X-Minio-Server-Status said so: MinIO answers 200 while it starts
 * @line, @len: the line that is being read; what is beyond the array is not kept
 */
struct http_reply {
	uint16_t status;
	bool offline;
	bool in_headers;
	uint32_t n_read, len;
	char line[HTTP_LINE_MAX];
};

/** health__http_feed() - @n bytes from the wire: hostile. */
enum http_progress health__http_feed(struct http_reply *r, const char *bytes, size_t n);

/** health__http_request() - Return: length, or 0 when it does not fit. @host: may be empty, then
 *  the address stands for it. */
size_t health__http_request(char request[REQUEST_MAX], const struct health_conf *c,
			    const struct addr *node, uint16_t port);

/* attempt.c */

/** enum outcome - OUTCOME_UNKNOWN: something here, not the node, was in the way. */
enum outcome { OUTCOME_GOOD, OUTCOME_BAD, OUTCOME_UNKNOWN };

/**
 * struct attempt - one connection to find out one thing; not restarted before its end
 * @done:   called once, when @outcome and @why are set and the connection is closed
 * @http:   NULL for a mere connection
 */
struct attempt {
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_connect_t connect;
	uv_write_t write;
	uv_loop_t *loop;
	void (*done)(struct attempt *a);
	const struct health_conf *http;
	uint32_t timeout_ms;
	bool is_open, is_over;
	enum outcome outcome;
	int error; /* of the system, negative errno; 0 when the reason is another */
	char why[ATTEMPT_REASON_MAX];
	struct http_reply reply;
	char request[REQUEST_MAX], input[2048];
};

/**
 * struct attempt_target
 * @from: NULL for any address of the host
 * @host: what stands in the request for the node, where the file names no host
 */
struct attempt_target {
	struct addr to;
	uint16_t port;
	const struct addr *from, *host;
	const struct health_conf *http;
	uint32_t timeout_ms;
};

void health__attempt_init(struct attempt *a, uv_loop_t *loop, void (*done)(struct attempt *a));
void health__attempt_start(struct attempt *a, const struct attempt_target *t);
/** health__attempt_stop() - without a call of done: the connection is closed, @closed is called for
 *  each handle. Return: number of handles. */
int health__attempt_stop(struct attempt *a, uv_close_cb closed);

/* streak.c */

/** struct streak - rise and fall: a node changes after so many equal results in a row. */
struct streak {
	bool up, checked;
	uint32_t n_good, n_bad;
};

/** health__streak_note() - Return: true if @s->up has changed. */
bool health__streak_note(struct streak *s, const struct health_conf *c, bool good);

/* check.c */

/** struct check_conf - the part of the configuration that one node's check depends on. */
struct check_conf {
	char service[SERVICE_NAME_MAX], node[SERVICE_NAME_MAX];
	struct addr address;
	uint16_t port;
	uint8_t protocol;
	uint32_t weight, drain_ms, slow_start_ms;
	struct health_conf health;
};

/**
 * struct check - a node and what is known of it; on the heap, frees itself when its handles are
 * closed
 * @h:      NULL once it is being closed
 * @at:     places in the configuration
 * @round:  when the next round begins; @later: next step of slow start, or the end of draining
 * @drained_by_operator, @is_drained: the time is up
 */
struct check {
	struct health *h;
	const struct health_setup *setup;
	struct check_conf conf;
	struct {
		unsigned service, node;
	} at;
	uv_timer_t round, later;
	struct attempt attempt;
	bool through;         /* the attempt under way goes through the data plane */
	bool drained_by_operator, is_draining, is_drained;
	uint8_t ramp_step;
	uint64_t round_began_ms, ramp_began_ms;
	struct streak streak;
	struct log_limit no_way_through;
	char why[REASON_MAX];
	int n_open;
};

/** health__check_new() - Return: NULL when out of memory. @first_ms: when its first round begins. */
struct check *health__check_new(struct health *h, const struct health_setup *setup,
				const struct check_conf *conf);
void health__check_start(struct check *c, uint64_t first_ms);
/** health__round_period_ms() - rounds begin at most so far apart: the interval, or less where a long
 *  timeout would keep a silent node for more than fall x interval + 1 s. */
uint32_t health__round_period_ms(const struct health_conf *c);
/** health__check_change() - same node, other conditions. */
void health__check_change(struct check *c, const struct check_conf *conf);
void health__check_drain(struct check *c, bool by_operator);
void health__check_close(struct check *c);
/** health__check_status() - as it would be under @conf, which may be the check's own. */
struct node_status health__check_status(const struct check *c, const struct check_conf *conf);
/** health__unchecked_status() - of a node nobody has asked yet. */
struct node_status health__unchecked_status(const struct check_conf *conf);

/* health.c */

/** health__changed() - something that health_status() shows has changed. */
void health__changed(struct health *h);
/** health__random() - 0 to @n - 1; for spreading checks in time. */
uint32_t health__random(struct health *h, uint32_t n);
