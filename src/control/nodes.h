/* nodes.h - the services' nodes: how the health room's findings reach the snapshots. */
#pragma once
#include "control.h"

/** nodes__start() - begin to check the nodes of the configuration that runs. */
int nodes__start(struct control *c, struct err *e);

/** nodes__now() - of the configuration that runs; borrowed until the loop goes on. */
const struct node_status *nodes__now(const struct control *c, size_t *n);

/** nodes__for() - statuses for @conf: nodes that are known keep theirs. @out: for the caller to
 *  free(); what is in it is borrowed until the loop goes on. */
int nodes__for(const struct control *c, const struct config *conf, struct node_status **out,
	       struct err *e);

/** nodes__follow() - the snapshot of @conf has been published. */
void nodes__follow(struct control *c, const struct config *conf);

/** nodes__drain() - take a node out of service, or put it back; @service: "" for all that have it.
 *  Return: in how many services; the snapshot follows by itself. */
unsigned nodes__drain(struct control *c, const char *service, const char *node, bool drain);

/** nodes__stop() - end the checks. */
void nodes__stop(struct control *c);
