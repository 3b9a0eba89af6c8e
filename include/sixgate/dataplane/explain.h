/*
 * explain.h - what would happen to a packet, and why: the real pipeline, on a copy of a worker.
 *
 * The copy is whoever calls' business (io/view.h makes one that costs next to nothing); it may be
 * changed at will and is thrown away afterwards.
 */
#pragma once
#include "sixgate/dataplane/worker.h"

enum { EXPLAIN_STEPS_MAX = 64, EXPLAIN_FRAGMENT_AT = 1232 };

/**
 * struct explain - a packet, and what became of it
 * @bytes, @len: an IP packet; @side: where it arrives
 * @handed:    it comes from worker @from, which had looked at it: then @key, @flags and @resolved
 *             are as they were handed on
 * @verdict:   answer: of the pipeline. When it is VERDICT_HELD and @next is not UINT32_MAX, the
 *             packet was handed to worker @next, and this struct is now what to ask there.
 * @step:      answer: @n_step records are added to those that are there; @cut: there were more
 */
struct explain {
	uint8_t bytes[HANDOFF_BYTES];
	uint32_t len;
	uint8_t side, flags;
	bool handed, resolved, cut;
	unsigned from;
	struct tuple key;

	struct verdict verdict;
	uint32_t next;
	uint32_t n_step;
	struct trace_record step[EXPLAIN_STEPS_MAX];
};

/** explain_set_packet() - @x gets a packet with tuple @t and no payload; its side is the caller's to
 *  set. @reply: not the first of its flow: a TCP segment with ACK instead of SYN, an echo reply. Of TCP,
 *  UDP and ICMP; both addresses of one family. */
void explain_set_packet(struct explain *x, const struct tuple *t, bool reply);

/** explain_cut_packet() - what explain_set_packet() made becomes a fragment: the first one, with more to
 *  come, if @at is 0, else the last one, @at bytes (a multiple of 8) into its datagram. Its identification
 *  is that of nobody. */
void explain_cut_packet(struct explain *x, uint32_t at);

/** worker_explain_bytes() - zeroed memory that worker_explain() needs besides the copy. */
size_t worker_explain_bytes(const struct worker *w);

/**
 * worker_explain() - run the packet in @x
 * @copy:  a worker that nobody else uses. Its hand-off rings, which still belong to the live one,
 *         are replaced by rings in @extra before anything else.
 * @extra: worker_explain_bytes() of zeroed memory
 */
void worker_explain(struct worker *copy, const struct snapshot *s, uint64_t now_ms,
		    struct explain *x, struct arena *extra);
