/* tls_server.c - see tls_server.h. A handshake that was spoilt leaves errors in OpenSSL's queue:
 * they are thrown away before each call, for they would be taken for the next one's. */
#include "tls_server.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include "sixgate/base/must.h"

static struct {
	SSL_CTX *ctx;
	SSL *ssl;
	struct dns64_pin pin;
} server;

static void name_pin(EVP_PKEY *key)
{
	uint8_t digest[EVP_MAX_MD_SIZE], text[48], *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	unsigned len;

	must(n > 0 && EVP_Digest(der, (size_t)n, digest, &len, EVP_sha256(), NULL));
	must(EVP_EncodeBlock(text, digest, (int)len) > 0);
	snprintf(server.pin.text, sizeof(server.pin.text), "sha256/%s", (const char *)text);
	OPENSSL_free(der);
}

static void make_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	must(key && x);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 1 << 30);
	must(X509_set_pubkey(x, key) && X509_sign(x, key, EVP_sha256()));
	server.ctx = SSL_CTX_new(TLS_server_method());
	must(server.ctx && SSL_CTX_use_certificate(server.ctx, x) == 1 &&
	     SSL_CTX_use_PrivateKey(server.ctx, key) == 1);
	name_pin(key);
	X509_free(x);
	EVP_PKEY_free(key);
}

void tls_server_pin(struct dns64_pin *out)
{
	if (!server.ctx)
		make_key();
	*out = server.pin;
}

void tls_server_take(int fd)
{
	SSL_free(server.ssl);
	server.ssl = NULL;
	if (fd < 0)
		return;
	server.ssl = SSL_new(server.ctx);
	must(server.ssl && SSL_set_fd(server.ssl, fd));
	SSL_set_accept_state(server.ssl);
}

bool tls_server_shake(void)
{
	ERR_clear_error();
	return !server.ssl || SSL_do_handshake(server.ssl) == 1;
}

static bool is_open(void)
{
	ERR_clear_error();
	return server.ssl && SSL_is_init_finished(server.ssl);
}

void tls_server_write(const uint8_t *data, size_t len)
{
	if (is_open() && len)
		SSL_write(server.ssl, data, (int)len);
}

size_t tls_server_read(uint8_t *out, size_t size)
{
	int n = is_open() ? SSL_read(server.ssl, out, (int)size) : 0;

	return n > 0 ? (size_t)n : 0;
}

void tls_server_bye(void)
{
	if (is_open())
		SSL_shutdown(server.ssl);
}
