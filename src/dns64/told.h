/* told.h - notes about a question that somebody wants explained; nothing for all others. */
#pragma once
#include "resolver.h"
#include "sixgate/dns64/see.h"

/** told__note() - a line; @t may be NULL, and mostly is. */
void told__note(struct dns64_told *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** told__policy() - who the client is to us. */
void told__policy(struct dns64_told *t, const struct dns64_policy *p);

/** told__leg() - what is known of one question now. */
void told__leg(struct dns64_told *t, const struct resolver *r, const struct leg *leg,
	       const struct dns_question *q, const char *how);

/** told__decision() - what follows from the legs, and why. */
void told__decision(struct dns64_told *t, const struct dns64_policy *p, const struct dns64_legs *l,
		    enum dns64_next next);
