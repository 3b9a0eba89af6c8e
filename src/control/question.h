/*
 * question.h - what a client wants to know of the workers, asked between two of their batches.
 *
 * A worker takes one request at a time, and answers in its own time: a question waits for its turn
 * and for the answer, and outlives its client if the worker still has its request.
 */
#pragma once
#include "control.h"

/**
 * struct question - first member of each kind; allocated by its kind, freed here
 * @client:   NULL once it has left
 * @asked:    a worker has @request; @answered: and has touched it for the last time
 * @more:     as client_more()
 * @abandoned: the client has left and no worker has the request: go on without (with a
 *            question__ask()), or return true: it may be freed
 */
struct question {
	struct worker_request request; /* first: on_done is given this */
	struct control *control;
	struct client *client;
	struct question *next;
	bool asked;
	_Atomic bool answered;
	enum stream_step (*more)(struct question *q, struct client *cl);
	bool (*abandoned)(struct question *q);
};

/** question__start() - @q: zeroed but for @more and @abandoned; taken. */
void question__start(struct control *c, struct client *cl, struct question *q);

/** question__ask() - hand @q->request to worker @id; when it is busy with another, the next wake tries
 *  again. question__has_answer() - once for each ask that was answered. */
void question__ask(struct question *q, unsigned id);
bool question__has_answer(struct question *q);

/** question__wake() - a worker has answered, or some time has passed. */
void question__wake(struct control *c);
