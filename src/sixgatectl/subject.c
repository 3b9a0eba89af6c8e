/* subject.c - the words after explain, trace and who: which packets, or whose port. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ctl.h"
#include "who.h"

static int take_address(const char *word, struct addr *out, struct err *e)
{
	if (addr_parse(word, out) == 0)
		return CTL_OK;
	return err_set(e, CTL_USAGE, "\"%s\" is no IPv4 or IPv6 address", word);
}

static int take_port(const char *word, uint16_t *out, struct err *e)
{
	char *end;
	unsigned long n = strtoul(word, &end, 10);

	if (!*word || *end || n > UINT16_MAX || *word == '-' || *word == '+')
		return err_set(e, CTL_USAGE, "\"%s\" is no port or identifier: expected 0 to 65535", word);
	*out = (uint16_t)n;
	return CTL_OK;
}

int ctl_take_explain(int n, char **word, struct ctl_request *r, struct err *e)
{
	struct ctl_subject *s = &r->about;

	if (n != 5)
		return err_set(e, CTL_USAGE, "explain wants five words: PROTOCOL SOURCE SOURCE-PORT "
					     "DESTINATION DESTINATION-PORT");
	s->protocol = ctl_protocol_number(word[0]);
	if (!s->protocol)
		return err_set(e, CTL_USAGE, "\"%s\" is no protocol: expected tcp, udp or icmp", word[0]);
	s->n_host = s->n_port = 2;
	for (int i = 0; i < 2; i++)
		if (take_address(word[1 + 2 * i], &s->host[i], e) != CTL_OK ||
		    take_port(word[2 + 2 * i], &s->port[i], e) != CTL_OK)
			return CTL_USAGE;
	return CTL_OK;
}

static int take_term(const char *name, const char *value, struct ctl_subject *s, struct err *e)
{
	bool host = strcmp(name, "host") == 0;
	uint8_t *count = host ? &s->n_host : &s->n_port;

	if (!host && strcmp(name, "port") != 0)
		return err_set(e, CTL_USAGE,
			       "unexpected word \"%s\": expected tcp, udp, icmp, host or port", name);
	if (!value)
		return err_set(e, CTL_USAGE, "%s wants %s after it", name,
			       host ? "an address" : "a port or identifier");
	if (*count == CTL_HOSTS_MAX)
		return err_set(e, CTL_USAGE, "%s may be said %d times at most", name, CTL_HOSTS_MAX);
	if ((host ? take_address(value, &s->host[*count], e) :
		    take_port(value, &s->port[*count], e)) != CTL_OK)
		return CTL_USAGE;
	++*count;
	return CTL_OK;
}

int ctl_take_trace(int n, char **word, struct ctl_request *r, struct err *e)
{
	for (int i = 0; i < n; i++) {
		uint8_t protocol = ctl_protocol_number(word[i]);

		if (protocol && r->about.protocol)
			return err_set(e, CTL_USAGE, "a packet has one protocol, not %s too", word[i]);
		if (protocol)
			r->about.protocol = protocol;
		else if (take_term(word[i], i + 1 < n ? word[i + 1] : NULL, &r->about, e) != CTL_OK)
			return CTL_USAGE;
		else
			i++;
	}
	return CTL_OK;
}

int ctl_take_who(int n, char **word, struct ctl_request *r, struct err *e)
{
	if (n != 2 && n != 3)
		return err_set(e, CTL_USAGE, "who wants ADDRESS PORT, and perhaps a TIME, after it");
	if (take_address(word[0], &r->about.host[0], e) != CTL_OK ||
	    take_port(word[1], &r->about.port[0], e) != CTL_OK)
		return CTL_USAGE;
	r->about.n_host = r->about.n_port = 1;
	return CTL_OK;
}

int ctl_take_time(const char *word, struct who_span *out, struct err *e)
{
	struct timespec now;
	struct tm utc;
	char text[32];

	if (who_time(word, out) != 0)
		return err_set(e, CTL_USAGE,
			       "\"%s\" is no time: expected 2026-01-31T12:00:00Z or @ and seconds", word);
	clock_gettime(CLOCK_REALTIME, &now);
	if (out->first_ms / 1000 <= now.tv_sec)
		return CTL_OK;
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return err_set(e, CTL_USAGE,
		       "%s is in the future: it is %s (a TIME without a zone is UTC); without a TIME it is "
		       "asked who has the port now", word, text);
}
