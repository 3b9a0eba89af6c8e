/* subject.c - which packets explain, trace and who are about: names, members, what belongs together. */
#include "subject.h"
#include <errno.h>
#include <string.h>
#include "sixgate/base/must.h"

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = { { "icmp", 1 }, { "tcp", 6 }, { "udp", 17 } };

static const char *const sides[N_CTL_SIDES] = { "auto", "inside", "outside" };

uint8_t ctl_protocol_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (strcmp(name, protocols[i].name) == 0)
			return protocols[i].number;
	return 0;
}

const char *ctl_protocol_name(uint8_t number)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (number == protocols[i].number)
			return protocols[i].name;
	return "other";
}

static int decode_protocol(const json_t *v, uint8_t *out, struct err *e)
{
	*out = json_is_string(v) ? ctl_protocol_number(json_string_value(v)) : 0;
	return *out ? 0 : err_set(e, -EINVAL, "\"protocol\" must be tcp, udp or icmp");
}

static const char *const fragments[N_CTL_FRAGMENTS] = { "none", "first", "later" };

static int decode_fragment(const json_t *v, uint8_t *out, struct err *e)
{
	for (uint8_t i = 0; i < N_CTL_FRAGMENTS; i++)
		if (json_is_string(v) && strcmp(json_string_value(v), fragments[i]) == 0) {
			*out = i;
			return 0;
		}
	return err_set(e, -EINVAL, "\"fragment\" must be none, first or later");
}

static int decode_side(const json_t *v, uint8_t *out, struct err *e)
{
	for (uint8_t i = 0; i < N_CTL_SIDES; i++)
		if (json_is_string(v) && strcmp(json_string_value(v), sides[i]) == 0) {
			*out = i;
			return 0;
		}
	return err_set(e, -EINVAL, "\"side\" must be auto, inside or outside");
}

static int decode_seconds(const json_t *v, uint32_t *out, struct err *e)
{
	json_int_t n = json_integer_value(v); /* 0 if it is no number */

	if (n < 1 || n > CTL_SECONDS_MAX)
		return err_set(e, -EINVAL, "\"seconds\" must be 1 to %d", CTL_SECONDS_MAX);
	*out = (uint32_t)n;
	return 0;
}

static int decode_hosts(const json_t *list, struct ctl_subject *out, struct err *e)
{
	const json_t *v;
	size_t i;

	out->n_host = 0;
	if (!json_is_array(list) || json_array_size(list) > CTL_HOSTS_MAX)
		return err_set(e, -EINVAL, "\"hosts\" must be at most %d addresses", CTL_HOSTS_MAX);
	json_array_foreach(list, i, v) {
		if (!json_is_string(v) || addr_parse(json_string_value(v), &out->host[i]) != 0)
			return err_set(e, -EINVAL, "\"hosts\": expected an IPv4 or IPv6 address");
		out->n_host++;
	}
	return 0;
}

static int decode_ports(const json_t *list, struct ctl_subject *out, struct err *e)
{
	const json_t *v;
	size_t i;

	out->n_port = 0;
	if (!json_is_array(list) || json_array_size(list) > CTL_HOSTS_MAX)
		return err_set(e, -EINVAL, "\"ports\" must be at most %d numbers", CTL_HOSTS_MAX);
	json_array_foreach(list, i, v) {
		json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;

		if (n < 0 || n > UINT16_MAX)
			return err_set(e, -EINVAL, "\"ports\": expected a number from 0 to 65535");
		out->port[out->n_port++] = (uint16_t)n;
	}
	return 0;
}

int subject__decode(const char *key, const json_t *v, struct ctl_subject *out, struct err *e)
{
	if (strcmp(key, "protocol") == 0)
		return decode_protocol(v, &out->protocol, e);
	if (strcmp(key, "side") == 0)
		return decode_side(v, &out->side, e);
	if (strcmp(key, "fragment") == 0)
		return decode_fragment(v, &out->fragment, e);
	if (strcmp(key, "seconds") == 0)
		return decode_seconds(v, &out->seconds, e);
	if (strcmp(key, "hosts") == 0)
		return decode_hosts(v, out, e);
	if (strcmp(key, "ports") == 0)
		return decode_ports(v, out, e);
	if (strcmp(key, "reply") != 0)
		return err_set(e, -EINVAL, "unknown member in the request");
	if (!json_is_boolean(v))
		return err_set(e, -EINVAL, "\"reply\" must be true or false");
	out->reply = json_is_true(v);
	return 0;
}

static int check_explain(const struct ctl_subject *s, struct err *e)
{
	if (!s->protocol || s->n_host != 2 || s->n_port != 2)
		return err_set(e, -EINVAL, "explain wants a protocol, two addresses and two ports");
	if (addr_is_v4(&s->host[0]) != addr_is_v4(&s->host[1]))
		return err_set(e, -EINVAL, "a packet has two addresses of one family");
	if (s->protocol == 1 && s->port[0] != s->port[1])
		return err_set(e, -EINVAL, "ICMP has one identifier: give it twice");
	return 0;
}

int ctl_subject_check(enum ctl_command c, const struct ctl_subject *s, struct err *e)
{
	static const struct ctl_subject none;

	if (s->seconds && c != CTL_TRACE)
		return err_set(e, -EINVAL, "\"seconds\" goes with trace");
	if ((s->side || s->reply || s->fragment) && c != CTL_EXPLAIN)
		return err_set(e, -EINVAL, "\"side\", \"reply\" and \"fragment\" go with explain");
	if (c == CTL_EXPLAIN)
		return check_explain(s, e);
	if (c == CTL_WHO && (s->n_host != 1 || s->n_port != 1 || !addr_is_v4(&s->host[0])))
		return err_set(e, -EINVAL, "who wants one IPv4 address and one port");
	if (c != CTL_WHO && c != CTL_TRACE && memcmp(s, &none, sizeof(none)) != 0)
		return err_set(e, -EINVAL,
			       "\"protocol\", \"hosts\" and \"ports\" go with explain, trace and who");
	return 0;
}

void subject__encode(json_t *to, const struct ctl_subject *s)
{
	json_t *hosts = json_array(), *ports = json_array();
	char text[ADDR_TEXT_MAX];

	for (uint8_t i = 0; i < s->n_host; i++)
		json_array_append_new(hosts, json_string(addr_format(&s->host[i], text)));
	for (uint8_t i = 0; i < s->n_port; i++)
		json_array_append_new(ports, json_integer(s->port[i]));
	if (s->protocol)
		json_object_set_new(to, "protocol", json_string(ctl_protocol_name(s->protocol)));
	if (s->side)
		json_object_set_new(to, "side", json_string(sides[s->side]));
	if (s->reply)
		json_object_set_new(to, "reply", json_true());
	if (s->fragment)
		json_object_set_new(to, "fragment", json_string(fragments[s->fragment]));
	if (s->seconds)
		json_object_set_new(to, "seconds", json_integer(s->seconds));
	if (s->n_host)
		json_object_set(to, "hosts", hosts);
	if (s->n_port)
		json_object_set(to, "ports", ports);
	json_decref(hosts);
	json_decref(ports);
}
