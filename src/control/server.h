/*
 * server.h - the control socket: connections, lines in, lines out.
 *
 * Knows nothing of what the commands mean. Everything is bounded: clients, the request line, what
 * is queued to a client (answers that are long are asked for piece by piece), and the time that a
 * client may be silent.
 */
#pragma once
#include <jansson.h>
#include <uv.h>
#include "sixgate/control/protocol.h"

struct server;
struct client;

/** server_answer - called once for each request; answers now or later by client__send() and then
 *  client__finish(). */
typedef void server_answer(void *owner, struct client *cl, const struct ctl_request *r);

/** server__start() - @fd: listening, owned from here on. Return: 0 or negative errno. */
int server__start(struct server **out, uv_loop_t *loop, int fd, server_answer *answer, void *owner);

/** server__set_patience() - how long a client may take to ask, and then to take each piece of its
 *  answer; at first 30 s. */
void server__set_patience(struct server *s, uint64_t ms);

/** server__stop() - closes the socket and all clients; the memory goes with the loop's last run. */
void server__stop(struct server *s);

/** client__send() - one line; @v is taken (a NULL stands for no memory and ends the client). */
void client__send(struct client *cl, json_t *v);

/** client__finish() - close once everything is sent; @cl is not the caller's any more. */
void client__finish(struct client *cl);

/** client__fail() - {"ok": false, "error": @text}, then client__finish(). */
void client__fail(struct client *cl, const char *text);

/** What a long answer's next piece came to. */
enum stream_step {
	STREAM_MORE, /* sent something: call again when there is room */
	STREAM_WAIT, /* nothing yet: call again after client__wake() */
	STREAM_END   /* client__finish() or client__fail() has been called */
};

/**
 * client__stream() - a long answer: @more is called whenever there is room, until it has ended;
 * @gone is called exactly once after that, or when the client leaves before
 */
typedef enum stream_step client_more(void *job, struct client *cl);
typedef void client_gone(void *job);
void client__stream(struct client *cl, void *job, client_more *more, client_gone *gone);

/** client__wake() - what a waiting stream waited for has happened. */
void client__wake(struct client *cl);
