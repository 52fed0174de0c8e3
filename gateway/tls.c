#include "tls.h"

#include <h2o.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define TICKET_KEYS 80 /* bytes: name 16, HMAC secret 32, AES key 32 */

static const char TLS12_CIPHERS[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "not readable as PEM";
}

/* A key with a passphrase must not stop and ask on a terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user;
    return 0;
}

static bool use_files(SSL_CTX *ctx, const struct settings *settings, char *error, size_t error_size)
{
    if (!*settings->tls_cert || !*settings->tls_key) {
        snprintf(error, error_size, "%s is empty; HTTPS needs it (or an empty FILMYFLY_HTTPS).",
                 *settings->tls_cert ? "FILMYFLY_TLS_KEY" : "FILMYFLY_TLS_CERT");
        return false;
    }
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, settings->tls_cert) != 1) {
        snprintf(error, error_size, "FILMYFLY_TLS_CERT %s cannot be loaded: %s.", settings->tls_cert, reason());
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, settings->tls_key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        snprintf(error, error_size, "FILMYFLY_TLS_KEY %s cannot be used with the certificate %s: %s.",
                 settings->tls_key, settings->tls_cert, reason());
        return false;
    }
    return true;
}

SSL_CTX *tls_load(const struct settings *settings, SSL_CTX *previous, char *error, size_t error_size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        snprintf(error, error_size, "OpenSSL gives no context: %s.", reason());
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS);
    SSL_CTX_set_num_tickets(ctx, 1); /* a second one costs as much again, and few clients use it */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    h2o_ssl_register_alpn_protocols(ctx, h2o_alpn_protocols);
    if (!use_files(ctx, settings, error, error_size)) {
        SSL_CTX_free(ctx);
        ERR_clear_error();
        return NULL;
    }
    unsigned char keys[TICKET_KEYS];
    if (previous && SSL_CTX_get_tlsext_ticket_keys(previous, keys, sizeof(keys)) == 1) {
        SSL_CTX_set_tlsext_ticket_keys(ctx, keys, sizeof(keys));
        OPENSSL_cleanse(keys, sizeof(keys));
    }
    return ctx;
}

bool tls_changed(const struct settings *settings, struct tls_stamp *stamp)
{
    const char *paths[2] = {settings->tls_cert, settings->tls_key};
    struct tls_stamp now;

    memset(&now, 0, sizeof(now));
    for (int i = 0; i < 2; i++) {
        struct stat status;
        if (stat(paths[i], &status) < 0) {
            return false;
        }
        now.changed[i] = status.st_mtim;
        now.inode[i] = status.st_ino;
    }
    bool changed = memcmp(&now, stamp, sizeof(now)) != 0;
    *stamp = now;
    return changed;
}
