/*
 * translate_law.h - what is true of every packet that translate_packet() is given, whatever it is.
 *
 * For property tests and fuzzers. A broken law is named on stderr, then the program aborts.
 */
#pragma once
#include "sixgate/translate/translate.h"

/**
 * struct law_case - a packet to try
 * @off:    offload facts it comes with
 * @to:     what it is to become; @to.proto is set by the law
 * @repair: IPv4 header and ICMP checksums are put right first, so that mutated packets get past the
 *          parser
 */
struct law_case {
	const uint8_t *data;
	uint32_t len;
	struct offload off;
	struct translate_env env;
	struct tuple to;
	uint8_t side;
	bool repair;
	bool name_source; /* struct rewrite's outer_src_shared */
};

/**
 * translate_laws_hold() - parse, translate, look at what came of it
 *
 * A drop leaves the bytes alone, and its reply is a lawful packet. What is sent parses again, has
 * exactly the outgoing tuple, fits the link, has the header fields that RFC 7915 4.1 and 5.1 give it,
 * and its l4 checksum is as right or as wrong as before. Fragments follow one another and add up to
 * the whole. Translated back it is what it was, but for TTL and identification; an error translated
 * back is about the same packet.
 *
 * Return: the verdict, for whoever counts.
 */
struct verdict translate_laws_hold(const struct law_case *c);
