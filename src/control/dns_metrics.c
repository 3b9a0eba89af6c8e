/* dns_metrics.c - DNS64's counters with labels, and how long its upstreams take, as Prometheus
 * reads them. */
#include "metrics_text.h"

static void view_label(unsigned view, char out[16])
{
	if (view)
		snprintf(out, 16, "%u", view);
	else
		snprintf(out, 16, "default");
}

static void write_rcodes(FILE *f, const struct control *c, const struct dns64_stats *s)
{
	metrics__head(
		f, "dns64_answers_total", "counter",
		"Answers by response code and view; views are numbered as they stand in the file");
	for (unsigned view = 0; view <= c->config->dns64.n_view && view <= DNS64_VIEWS_MAX; view++)
		for (unsigned rcode = 0; rcode < DNS64_RCODES; rcode++) {
			uint64_t n = counter_read(&s->rcode[view][rcode]);
			char name[16];

			view_label(view, name);
			if (n)
				fprintf(f,
					"sixgate_dns64_answers_total{view=\"%s\",rcode=\"%s\"} "
					"%llu\n",
					name, dns64_rcode_name(rcode), (unsigned long long)n);
		}
}

static void write_histogram(FILE *f, const char *labels, const struct dns64_histogram *h)
{
	static const char name[] = "sixgate_dns64_upstream_latency_seconds";
	uint64_t n = 0;

	for (unsigned i = 0; i < DNS64_LATENCIES - 1; i++) {
		n += counter_read(&h->bucket[i]);
		fprintf(f, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels,
			dns64_latency_ms[i] / 1000.0, (unsigned long long)n);
	}
	n += counter_read(&h->bucket[DNS64_LATENCIES - 1]);
	fprintf(f, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels,
		(unsigned long long)n);
	fprintf(f, "%s_sum{%s} %.3f\n", name, labels,
		(double)counter_read(&h->sum_ms) / 1000.0);
	fprintf(f, "%s_count{%s} %llu\n", name, labels, (unsigned long long)n);
}

enum { LABELS_MAX = ADDR_TEXT_MAX + 256 + 48 }; /* an address, a domain, and what is around them */

/* One address may be asked for the names of a domain and, besides, for others: the first domain tells the
 * two apart. */
static const char *upstream_labels(const struct dns64_upstream_conf *u, char labels[LABELS_MAX])
{
	char address[ADDR_TEXT_MAX];
	int n;

	addr_format(&u->address, address);
	n = snprintf(labels, LABELS_MAX,
		     addr_is_v4(&u->address) ? "upstream=\"%s:%u\"" : "upstream=\"[%s]:%u\"", address,
		     u->port);
	if (u->n_domain)
		snprintf(labels + n, (size_t)(LABELS_MAX - n), ",domain=\"%s\"", u->domain[0]);
	return labels;
}

/* Up as long as one thread hears of it. */
static void write_ups(FILE *f, const struct control *c, const struct dns64_stats *s)
{
	const struct dns64_conf *conf = &c->config->dns64;
	char labels[LABELS_MAX];

	metrics__head(f, "dns64_upstream_up", "gauge", "1 unless it has fallen silent");
	for (size_t i = 0; i < conf->n_upstream && i < DNS64_UPSTREAM_MAX; i++)
		fprintf(f, "sixgate_dns64_upstream_up{%s} %d\n",
			upstream_labels(&conf->upstream[i], labels), counter_read(&s->silent[i]) < c->dns.n);
}

static void write_latencies(FILE *f, const struct control *c, const struct dns64_stats *s)
{
	const struct dns64_conf *conf = &c->config->dns64;
	char labels[LABELS_MAX];

	metrics__head(f, "dns64_upstream_latency_seconds", "histogram",
		      "From a question to its answer, by upstream; measured in milliseconds");
	for (size_t i = 0; i < conf->n_upstream && i < DNS64_UPSTREAM_MAX; i++)
		write_histogram(f, upstream_labels(&conf->upstream[i], labels), &s->latency[i]);
}

void dns_metrics__write(FILE *f, const struct control *c, const struct dns64_stats *s)
{
	write_rcodes(f, c, s);
	write_ups(f, c, s);
	write_latencies(f, c, s);
}
