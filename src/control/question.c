/* question.c - see question.h. */
#include "question.h"
#include <stdlib.h>

/* In the worker's thread. */
static void on_done(struct worker_request *r)
{
	struct question *q = (struct question *)r;
	struct control *c = q->control;

	atomic_store(&q->answered, true);
	uv_async_send(&c->dump_done);
}

static bool worker_has(const struct question *q)
{
	return q->asked && !atomic_load(&q->answered);
}

void question__ask(struct question *q, unsigned id)
{
	atomic_store(&q->answered, false);
	q->asked = worker_loop_ask(&q->control->workers.t[id].loop, &q->request);
}

bool question__has_answer(struct question *q)
{
	if (!q->asked || worker_has(q))
		return false;
	q->asked = false;
	return true;
}

static void free_question(struct question *q)
{
	for (struct question **at = &q->control->questions; *at; at = &(*at)->next)
		if (*at == q) {
			*at = q->next;
			break;
		}
	free(q);
}

static void go_on_alone(struct question *q)
{
	if (!worker_has(q) && q->abandoned(q))
		free_question(q);
}

static enum stream_step more(void *job, struct client *cl)
{
	struct question *q = job;

	return worker_has(q) ? STREAM_WAIT : q->more(q, cl);
}

static void gone(void *job)
{
	struct question *q = job;

	q->client = NULL;
	go_on_alone(q);
}

void question__wake(struct control *c)
{
	struct question *next;

	for (struct question *q = c->questions; q; q = next) {
		next = q->next;
		if (q->client)
			client__wake(q->client);
		else
			go_on_alone(q);
	}
}

void question__start(struct control *c, struct client *cl, struct question *q)
{
	q->control = c;
	q->client = cl;
	q->request.on_done = on_done;
	q->next = c->questions;
	c->questions = q;
	client__stream(cl, q, more, gone);
}
