/* who.c - see who.h. Whatever stands in a file is only read: a line that is none is counted. */
#include "who.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "sixgate/base/must.h"

/* Digits, at most @most of them. Return: how many; 0 when there is none. */
static int take_digits(const char *text, int most, int *out)
{
	int n = 0;

	for (*out = 0; n < most && text[n] >= '0' && text[n] <= '9'; n++)
		*out = *out * 10 + (text[n] - '0');
	return n;
}

/* Behind the minutes: seconds and parts of them. @span_ms: how long that is, what is named. Return:
 * characters used. */
static int take_seconds(const char *text, int *s, int *ms, int *span_ms)
{
	static const int part_ms[] = { 1000, 100, 10, 1 };
	int n, part;

	*s = *ms = 0;
	*span_ms = 60000;
	if (*text != ':' || take_digits(text + 1, 2, s) != 2)
		return 0;
	*span_ms = 1000;
	if (text[3] != '.')
		return 3;
	n = take_digits(text + 4, 3, &part);
	*span_ms = part_ms[n];
	*ms = part * part_ms[n];
	return 4 + n;
}

/* Return: false unless this is a zone and the end. */
static bool take_zone(const char *text, int *minutes)
{
	int h, m;

	*minutes = 0;
	if (!*text || strcmp(text, "Z") == 0)
		return true;
	if ((*text != '+' && *text != '-') || take_digits(text + 1, 2, &h) != 2 || text[3] != ':' ||
	    take_digits(text + 4, 2, &m) != 2 || text[6])
		return false;
	*minutes = (*text == '-' ? -1 : 1) * (h * 60 + m);
	return true;
}

static bool take_date(const char *text, struct tm *tm)
{
	return take_digits(text, 4, &tm->tm_year) == 4 && text[4] == '-' &&
	       take_digits(text + 5, 2, &tm->tm_mon) == 2 && text[7] == '-' &&
	       take_digits(text + 8, 2, &tm->tm_mday) == 2 && (text[10] == 'T' || text[10] == ' ') &&
	       take_digits(text + 11, 2, &tm->tm_hour) == 2 && text[13] == ':' &&
	       take_digits(text + 14, 2, &tm->tm_min) == 2 && tm->tm_mon >= 1 && tm->tm_mon <= 12 &&
	       tm->tm_mday >= 1 && tm->tm_mday <= 31 && tm->tm_hour <= 23 && tm->tm_min <= 59;
}

static int take_epoch(const char *digits, struct who_span *out)
{
	char *end;
	long long seconds = strtoll(digits, &end, 10);

	if (*end || seconds > INT64_MAX / 1000 - 1)
		return -EINVAL;
	*out = (struct who_span){ seconds * 1000, seconds * 1000 + 999 };
	return 0;
}

int who_time(const char *text, struct who_span *out)
{
	struct tm tm = { .tm_mday = 1 };
	int ms, span_ms, zone;

	if (*text == '@' && text[1] >= '0' && text[1] <= '9')
		return take_epoch(text + 1, out);
	if (!take_date(text, &tm))
		return -EINVAL;
	text += 16;
	text += take_seconds(text, &tm.tm_sec, &ms, &span_ms);
	if (!take_zone(text, &zone) || tm.tm_sec > 60)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	out->first_ms = ((int64_t)timegm(&tm) - zone * 60) * 1000 + ms;
	out->last_ms = out->first_ms + span_ms - 1;
	return 0;
}

static const char *text_of(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s ? s : "";
}

static json_int_t number_of(const json_t *v, const char *key)
{
	return json_integer_value(json_object_get(v, key));
}

static bool is_event(const json_t *v, const char *name)
{
	return strcmp(text_of(v, "event"), name) == 0;
}

/* The log was switched on or off while the gateway ran: who holds a port is not known from here on. */
static bool is_gap(const json_t *v)
{
	return is_event(v, "log-begun") || is_event(v, "log-ended");
}

/* Nothing that was said before it holds any longer: the gateway has begun, or ended, or the log has. */
static bool is_break(const json_t *v)
{
	return is_event(v, "started") || is_event(v, "stopped") || is_gap(v);
}

static bool is_about(const struct who *w, const json_t *v)
{
	struct addr outside;

	return addr_parse(text_of(v, "outside"), &outside) == 0 &&
	       addr_equal(&outside, &w->about.host[0]);
}

static bool covers(const struct who *w, const json_t *v)
{
	const char *protocol = text_of(v, "protocol");

	if (!is_about(w, v))
		return false;
	if (w->about.port[0] < number_of(v, "port_first") || w->about.port[0] > number_of(v, "port_last"))
		return false;
	return !w->about.protocol || strcmp(protocol, "any") == 0 ||
	       ctl_protocol_number(protocol) == w->about.protocol;
}

static void keep(struct who *w, int64_t time_ms, json_t *v)
{
	if (w->n == w->room) {
		size_t room = w->room ? 2 * w->room : 64;
		struct who_line *more = realloc(w->line, room * sizeof(*more));

		if (!more) {
			w->no_memory = true;
			return;
		}
		w->line = more;
		w->room = room;
	}
	w->line[w->n] = (struct who_line){ time_ms, w->n, json_incref(v) };
	w->n++;
}

/* Most lines are about somebody else: they are passed over before they are read as JSON. */
static bool may_matter(const char *line, const char *address)
{
	static const char *const about_all[] = { "started", "stopped", "log-begun", "log-ended", "lost" };
	const char *event = strstr(line, "\"event\":\"");

	for (size_t i = 0; event && i < ARRAY_LEN(about_all); i++)
		if (strncmp(event + 9, about_all[i], strlen(about_all[i])) == 0)
			return true;
	return strstr(line, address) != NULL;
}

static void take_later(struct who *w, const json_t *v, int64_t time_ms)
{
	if (!is_event(v, "lost")) {
		w->next_ms = w->next_ms && w->next_ms < time_ms ? w->next_ms : time_ms;
	} else if (!w->lost_later_ms || time_ms < w->lost_later_ms) {
		w->lost_later = (uint64_t)number_of(v, "count");
		w->lost_later_ms = time_ms;
	}
}

uint64_t who_may_miss(const struct who *w)
{
	return w->lost_later_ms && (!w->next_ms || w->next_ms >= w->lost_later_ms) ? w->lost_later : 0;
}

static void take_event(struct who *w, json_t *v, int64_t time_ms)
{
	if (w->begins_ms == 0 || time_ms < w->begins_ms)
		w->begins_ms = time_ms;
	w->n_about += is_about(w, v);
	if (time_ms > w->when.last_ms) {
		take_later(w, v, time_ms);
		return;
	}
	if (is_event(v, "lost"))
		w->lost += (uint64_t)number_of(v, "count");
	else if (is_break(v) || covers(w, v))
		keep(w, time_ms, v);
}

/* The first line of a file is read in any case: it says where the log begins. */
static void take_line(struct who *w, const char *line, const char *address, bool first)
{
	const bool matters = may_matter(line, address);
	int64_t time_ms;
	struct who_span time;
	json_t *v;

	w->n_lines++;
	if (!matters && !first)
		return;
	v = json_loads(line, 0, NULL);
	time_ms = v && who_time(text_of(v, "time"), &time) == 0 ? time.first_ms : -1;
	if (time_ms >= 0)
		take_event(w, v, time_ms);
	else if (matters)
		w->n_bad++;
	json_decref(v);
}

void who_read(struct who *w, FILE *f)
{
	char address[ADDR_TEXT_MAX], *line = NULL;
	size_t size = 0;
	bool first = true;

	addr_format(&w->about.host[0], address);
	while (getline(&line, &size, f) > 0) {
		take_line(w, line, address, first);
		first = false;
	}
	free(line);
}

static int by_time(const void *a, const void *b)
{
	const struct who_line *x = a, *y = b;

	if (x->time_ms != y->time_ms)
		return x->time_ms < y->time_ms ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
	return strcmp(text_of(a, key), text_of(b, key)) == 0;
}

/* A block or session that the other line begins or ends. Sessions of one mapping are counted one by
 * one: they differ in their far ends, which need not be in the log. */
static bool same_hold(const json_t *a, const json_t *b)
{
	return same(a, b, "gateway") && same(a, b, "protocol") && same(a, b, "inside") &&
	       number_of(a, "inside_port") == number_of(b, "inside_port") &&
	       number_of(a, "port_first") == number_of(b, "port_first") &&
	       number_of(a, "port_last") == number_of(b, "port_last");
}

static bool is_static(const json_t *v)
{
	return is_event(v, "static-port-assigned");
}

/* Sessions of a static entry come and go beside it. */
static bool same_kind(const json_t *a, const json_t *b)
{
	static const char kind[] = "static-";

	return (strncmp(text_of(a, "event"), kind, sizeof(kind) - 1) == 0) ==
	       (strncmp(text_of(b, "event"), kind, sizeof(kind) - 1) == 0);
}

struct holders {
	const json_t *record[WHO_HOLDERS_MAX];
	uint32_t times[WHO_HOLDERS_MAX];
	size_t n;
};

static void remove_at(struct holders *h, size_t i)
{
	h->n--;
	h->record[i] = h->record[h->n];
	h->times[i] = h->times[h->n];
}

static void break_gateway(struct holders *h, const json_t *v)
{
	for (size_t i = h->n; i-- > 0;)
		if (same(h->record[i], v, "gateway"))
			remove_at(h, i);
}

static size_t find_hold(const struct holders *h, const json_t *v)
{
	size_t i = 0;

	while (i < h->n && !(same_hold(h->record[i], v) && same_kind(h->record[i], v)))
		i++;
	return i;
}

/* Without a line that ended it (lost, or in a file that is not here) a block passes to who has it
 * next: nobody else can have it meanwhile. */
static void begin_hold(struct holders *h, const json_t *v)
{
	size_t i = find_hold(h, v);

	if (i < h->n) {
		h->record[i] = v;
		h->times[i]++;
		return;
	}
	for (i = h->n; i-- > 0;)
		if (same(h->record[i], v, "gateway") && same(h->record[i], v, "protocol") &&
		    same(h->record[i], v, "event"))
			remove_at(h, i);
	if (h->n == WHO_HOLDERS_MAX)
		return;
	h->record[h->n] = v;
	h->times[h->n++] = 1;
}

/* All lines here are about the port that was asked for. A release may name the subscriber by another
 * length, after a reload, or, when a pool address goes, nobody and all protocols. */
static bool frees(const json_t *released, const json_t *v)
{
	const char *protocol = json_string_value(json_object_get(released, "protocol"));

	return is_event(v, "port-block-allocated") && same(released, v, "gateway") &&
	       (same(released, v, "protocol") || (protocol && strcmp(protocol, "any") == 0));
}

static void end_hold(struct holders *h, const json_t *v)
{
	bool released = is_event(v, "port-block-released");
	size_t i = find_hold(h, v);

	if (i < h->n && (released || --h->times[i] == 0)) {
		remove_at(h, i);
		return;
	}
	for (i = released ? h->n : 0; i-- > 0;)
		if (frees(v, h->record[i]))
			remove_at(h, i);
}

static void follow(struct who *w, struct holders *h, const struct who_line *line)
{
	const json_t *v = line->record;

	if (is_break(v)) {
		break_gateway(h, v);
		w->unknown_ms = is_gap(v) ? line->time_ms : 0;
	} else if (is_event(v, "port-block-allocated") || is_event(v, "session-created") || is_static(v)) {
		begin_hold(h, v);
	} else if (is_event(v, "port-block-released") || is_event(v, "session-deleted") ||
		   is_event(v, "static-port-released")) {
		end_hold(h, v);
	}
}

/* A block without this port: a static entry has it. One of all protocols has it of the others. */
static bool is_pierced(const struct who *w, const struct holders *h, const json_t *block)
{
	if (!is_event(block, "port-block-allocated"))
		return false;
	for (size_t i = 0; i < h->n; i++)
		if (is_static(h->record[i]) && same(h->record[i], block, "gateway") &&
		    (w->about.protocol || same(h->record[i], block, "protocol")))
			return true;
	return false;
}

/* @h held something at a moment of the time that was asked for; @out: those who did so before. */
static size_t add_holders(const struct who *w, const struct holders *h,
			  const json_t *out[WHO_HOLDERS_MAX], size_t n)
{
	for (size_t i = 0; i < h->n; i++) {
		size_t at = 0;

		if (is_pierced(w, h, h->record[i]))
			continue;
		while (at < n && !same_hold(out[at], h->record[i]))
			at++;
		if (at == WHO_HOLDERS_MAX)
			break;
		out[at] = h->record[i];
		n += at == n;
	}
	return n;
}

size_t who_find(struct who *w, const json_t *out[WHO_HOLDERS_MAX])
{
	struct holders h = { .n = 0 };
	size_t i = 0, n;

	if (w->n)
		qsort(w->line, w->n, sizeof(*w->line), by_time);
	while (i < w->n && w->line[i].time_ms <= w->when.first_ms)
		follow(w, &h, &w->line[i++]);
	n = add_holders(w, &h, out, 0);
	while (i < w->n) {
		follow(w, &h, &w->line[i++]);
		n = add_holders(w, &h, out, n);
	}
	return n;
}

void who_fini(struct who *w)
{
	for (size_t i = 0; i < w->n; i++)
		json_decref(w->line[i].record);
	free(w->line);
}
