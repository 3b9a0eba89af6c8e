/* nft.c - run nft commands through libnftables, and put such commands together. */
#include "netlink_internal.h"
#include <errno.h>
#include <nftables/libnftables.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void text__add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	for (int again = 0; again < 2 && !t->failed; again++) {
		va_start(ap, fmt);
		n = vsnprintf(t->at ? t->at + t->len : NULL, t->at ? t->room - t->len : 0, fmt, ap);
		va_end(ap);
		if (n < 0)
			t->failed = true;
		if (t->at && t->len + (size_t)n < t->room) {
			t->len += (size_t)n;
			return;
		}
		size_t room = 2 * (t->len + (size_t)n + 64);
		char *more = realloc(t->at, room);

		t->failed |= !more;
		if (more) {
			t->at = more;
			t->room = room;
		}
	}
}

char *text__take(struct text *t)
{
	char *at = t->at;

	if (t->failed) {
		free(at);
		at = NULL;
	}
	*t = (struct text){ 0 };
	return at;
}

/* nft's own words end with a line that repeats the command: the first line says it. */
static int explain(struct nft_ctx *ctx, struct err *e)
{
	const char *said = nft_ctx_get_error_buffer(ctx);
	int rc = -EIO;

	if (strstr(said, "Operation not permitted"))
		rc = -EPERM;
	else if (strstr(said, "Protocol not supported") || strstr(said, "not supported"))
		rc = -EOPNOTSUPP;
	return err_set(e, rc, "nftables: %.*s", (int)strcspn(said, "\n"), said);
}

static int run(const char *commands, unsigned flags, char **output, struct err *e)
{
	struct nft_ctx *ctx;
	int rc = 0;

	if (!commands)
		return err_set(e, -ENOMEM, "out of memory");
	ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!ctx)
		return err_set(e, -ENOMEM, "nftables: cannot open it");
	nft_ctx_buffer_output(ctx);
	nft_ctx_buffer_error(ctx);
	nft_ctx_output_set_flags(ctx, flags);
	if (nft_run_cmd_from_buffer(ctx, commands) != 0)
		rc = explain(ctx, e);
	else if (output && !(*output = strdup(nft_ctx_get_output_buffer(ctx))))
		rc = err_set(e, -ENOMEM, "out of memory");
	nft_ctx_free(ctx);
	return rc;
}

int nft__run(const char *commands, struct err *e)
{
	return run(commands, 0, NULL, e);
}

int nft__list(const char *command, unsigned flags, char **output, struct err *e)
{
	return run(command, flags | NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_ALL, output,
		   e);
}

static int run_after(const char *clear, const char *text, struct err *e)
{
	struct text t = { 0 };
	char *both;
	int rc;

	text__add(&t, "%s%s", clear, text);
	both = text__take(&t);
	rc = nft__run(both, e);
	free(both);
	return rc;
}

int nft__replace(const struct nft_wanted *w, struct err *e)
{
	if (!w->text || !w->sets)
		return err_set(e, -ENOMEM, "out of memory");
	nft__run(w->sets, NULL);
	return nft__run(w->text, NULL) == 0 ? 0 : run_after(w->clear, w->text, e);
}

void nft__wanted_free(struct nft_wanted *w)
{
	free(w->text);
	free(w->sets);
	w->text = w->sets = NULL;
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static bool stands(const struct nft_memory *m, const struct nft_wanted *w)
{
	char *listing = NULL;
	bool yes = same(w->text, m->text) && nft__list(w->list, w->list_flags, &listing, NULL) == 0 &&
		   same(listing, m->listing);

	free(listing);
	return yes;
}

static int make(const struct nft_memory *m, const struct nft_wanted *w, struct err *e)
{
	if (!w->clear)
		return nft__run(w->text, e);
	return w->text && same(w->text, m->text) ? run_after(w->clear, w->text, e) : nft__replace(w, e);
}

int nft__ensure(struct nft_memory *m, struct nft_wanted *w, bool *written, struct err *e)
{
	char *listing = NULL;
	int rc = 0;

	if (w->text && stands(m, w)) {
		nft__wanted_free(w);
		return 0;
	}
	rc = make(m, w, e);
	if (rc == 0 && w->finish)
		rc = w->finish(w->arg, e);
	if (rc == 0)
		rc = nft__list(w->list, w->list_flags, &listing, e);
	nft__forget(m);
	if (rc == 0) {
		*written = true;
		*m = (struct nft_memory){ .text = w->text, .listing = listing };
		w->text = NULL;
	}
	nft__wanted_free(w);
	return rc;
}

void nft__forget(struct nft_memory *m)
{
	free(m->text);
	free(m->listing);
	*m = (struct nft_memory){ 0 };
}
