/* tls_trust.c - who an upstream has to be (RFC 8310 5 and 8.1, RFC 7858 4.2).
 *
 * With a name: a chain to a trust anchor, in its time, and the name among the certificate's
 * alternative names. With pins besides: one of the chain's keys is pinned. With pins alone: the
 * server's own key is pinned; who signed its certificate does not matter, its dates do. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "tls.h"

void dns64_tls_init(void)
{
	SSL_CTX *ctx;
	SSL *ssl;

	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
				 OPENSSL_INIT_NO_LOAD_CONFIG,
			 NULL);
	/* what is made at first use is made now */
	ctx = SSL_CTX_new(TLS_client_method());
	ssl = ctx ? SSL_new(ctx) : NULL;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static int add_anchors(X509_STORE *store, const struct dns64_trust *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->pem, (int)pem->len);
	int n = 0;
	X509 *x;

	if (!bio)
		return -ENOMEM;
	while ((x = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(store, x);
		X509_free(x);
	}
	BIO_free(bio);
	ERR_clear_error();
	return n ? 0 : -EINVAL;
}

/* Errors about who signed do not count where only pins do. */
static bool is_about_signer(int error)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		return true;
	default:
		return false;
	}
}

static int verify_for_pins(int good, X509_STORE_CTX *store)
{
	return good || is_about_signer(X509_STORE_CTX_get_error(store));
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_conn *c = SSL_get_app_data(ssl);
	SSL_SESSION **to = c->is_open ? &c->up->session : &c->session;

	SSL_SESSION_free(*to);
	*to = session;
	return 1;
}

int tls__trust(struct tls_upstream *up, const struct dns64_trust *pem, struct err *e)
{
	bool named = up->conf.name;
	int rc;

	up->ctx = SSL_CTX_new(TLS_client_method());
	if (!up->ctx || !SSL_CTX_set_min_proto_version(up->ctx, TLS1_2_VERSION))
		return err_set(e, -ENOMEM, "dns64: TLS: out of memory");
	SSL_CTX_set_options(up->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(up->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(up->ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(up->ctx, on_session);
	SSL_CTX_set_verify(up->ctx, SSL_VERIFY_PEER, named ? NULL : verify_for_pins);
	if (!named)
		return 0;
	rc = pem && pem->len ? add_anchors(SSL_CTX_get_cert_store(up->ctx), pem) : -EINVAL;
	if (rc)
		err_set(e, rc, "dns64: no trust anchors for upstream %s: %s", up->conf.name,
			*up->conf.ca ? up->conf.ca : "the system's");
	return rc;
}

SSL *tls__new_ssl(struct tls_upstream *up)
{
	SSL *ssl = SSL_new(up->ctx);

	if (!ssl)
		return NULL;
	SSL_set_connect_state(ssl);
	if (up->session)
		SSL_set_session(ssl, up->session);
	if (!up->conf.name)
		return ssl;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (SSL_set1_host(ssl, up->conf.name) && SSL_set_tlsext_host_name(ssl, up->conf.name))
		return ssl;
	SSL_free(ssl);
	return NULL;
}

static bool is_pinned(const struct tls_upstream *up, X509 *x)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len;
	uint8_t *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	bool good = n > 0 && EVP_Digest(der, (size_t)n, digest, &len, EVP_sha256(), NULL) &&
		    len == DNS64_PIN_LEN;

	OPENSSL_free(der);
	for (size_t i = 0; good && i < up->conf.n_pin; i++)
		if (memcmp(up->conf.pin[i], digest, DNS64_PIN_LEN) == 0)
			return true;
	return false;
}

static bool chain_is_pinned(const struct tls_upstream *up, SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);

	for (int i = 0; i < sk_X509_num(chain); i++)
		if (is_pinned(up, sk_X509_value(chain, i)))
			return true;
	return false;
}

static bool is_in_its_time(const X509 *x)
{
	return X509_cmp_current_time(X509_get0_notBefore(x)) < 0 &&
	       X509_cmp_current_time(X509_get0_notAfter(x)) > 0;
}

/* A session that is resumed is one of a connection that has passed all this; its time may be over. */
const char *tls__authentic(const struct tls_upstream *up, SSL *ssl)
{
	X509 *x = SSL_get0_peer_certificate(ssl);

	if (!x)
		return "it showed no certificate";
	if (!is_in_its_time(x))
		return "its certificate is out of date";
	if (SSL_session_reused(ssl))
		return NULL;
	if (up->conf.name && SSL_get_verify_result(ssl) != X509_V_OK)
		return "its certificate was not verified";
	if (up->conf.n_pin && !(up->conf.name ? chain_is_pinned(up, ssl) : is_pinned(up, x)))
		return "its key is not pinned";
	return NULL;
}

const char *tls__why(SSL *ssl, char *out, size_t size)
{
	unsigned long code = ERR_peek_last_error();
	long verify = SSL_get_verify_result(ssl);

	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
		snprintf(out, size, "its certificate: %s", X509_verify_cert_error_string(verify));
	else if (code && ERR_reason_error_string(code))
		snprintf(out, size, "%s", ERR_reason_error_string(code));
	else
		snprintf(out, size, "the connection ended in the handshake");
	ERR_clear_error();
	return out;
}
