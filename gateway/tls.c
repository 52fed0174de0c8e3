#include "tls.h"

#include <h2o.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define SOON_DAYS 14
#define DAY       86400 /* seconds */

/* AES-256 first; all with forward secrecy and authenticated encryption, so nothing that a scanner could name is here.
 */
static const char TLS12_CIPHERS[] = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                                    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
static const char TLS13_CIPHERS[] = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
static const char GROUPS[] = "X25519:P-256:P-384";

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

/* Splits a list at its commas; the number of paths, or -1 when there are more than TLS_PAIRS or one is too long. */
static int split(const char *list, char paths[TLS_PAIRS][512])
{
    int n = 0;

    for (const char *p = list; *p; p += *p == ',') {
        size_t length = strcspn(p, ",");
        if (n == TLS_PAIRS || length >= sizeof(paths[0])) {
            return -1;
        }
        memcpy(paths[n], p, length);
        paths[n++][length] = '\0';
        p += length;
    }
    return n;
}

/* Both lists, of the same length. The number of pairs, or 0 with a sentence. */
static int split_pairs(const struct settings *settings, char certs[TLS_PAIRS][512], char keys[TLS_PAIRS][512],
                       char *error, size_t error_size)
{
    if (!*settings->tls_cert || !*settings->tls_key) {
        snprintf(error, error_size, "%s is empty; HTTPS needs it (or an empty FILMYFLY_HTTPS).",
                 *settings->tls_cert ? "FILMYFLY_TLS_KEY" : "FILMYFLY_TLS_CERT");
        return 0;
    }
    int n = split(settings->tls_cert, certs), m = split(settings->tls_key, keys);
    if (n < 1 || m != n) {
        snprintf(error, error_size,
                 "FILMYFLY_TLS_CERT and FILMYFLY_TLS_KEY: expected as many keys as certificates, at most %d of each "
                 "(one ECDSA, one RSA), with commas between.",
                 TLS_PAIRS);
        return 0;
    }
    return n;
}

static bool use_pair(SSL_CTX *ctx, const char *cert, const char *key, char *error, size_t error_size)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        snprintf(error, error_size, "FILMYFLY_TLS_CERT %s cannot be loaded: %s.", cert, reason());
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        snprintf(error, error_size, "FILMYFLY_TLS_KEY %s cannot be used with the certificate %s: %s.", key, cert,
                 reason());
        return false;
    }
    return true;
}

/* The end of the certificate that was loaded last. */
static time_t end_of(SSL_CTX *ctx)
{
    int days = 0, seconds = 0;
    ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)));
    return time(NULL) + (time_t)days * DAY + seconds;
}

static bool use_files(SSL_CTX *ctx, const struct settings *settings, struct tls_term *term, char *error,
                      size_t error_size)
{
    char certs[TLS_PAIRS][512], keys[TLS_PAIRS][512];
    int types[TLS_PAIRS];
    int n = split_pairs(settings, certs, keys, error, error_size);

    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    for (int i = 0; i < n; i++) {
        if (!use_pair(ctx, certs[i], keys[i], error, error_size)) {
            return false;
        }
        types[i] = EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(ctx));
        if (i > 0 && types[i] == types[0]) { /* OpenSSL would keep only the later one */
            snprintf(error, error_size,
                     "FILMYFLY_TLS_CERT: %s and %s have keys of the same kind; expected one ECDSA "
                     "and one RSA.",
                     certs[0], certs[i]);
            return false;
        }
        time_t until = end_of(ctx);
        if (i == 0 || until < term->until) {
            term->until = until;
            snprintf(term->path, sizeof(term->path), "%s", certs[i]);
        }
    }
    return n > 0;
}

SSL_CTX *tls_load(const struct settings *settings, struct tickets *tickets, struct tls_term *term, char *error,
                  size_t error_size)
{
    static const h2o_iovec_t protocols[] = {{H2O_STRLIT("h2")}, {H2O_STRLIT("http/1.1")}, {NULL, 0}};
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        snprintf(error, error_size, "OpenSSL gives no context: %s.", reason());
        return NULL;
    }
    SSL_CTX_set_security_level(ctx, 2); /* 112 bits at least, whatever the system's configuration says */
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* 34 KB that a connection needs only while it reads or writes */
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS);
    SSL_CTX_set_ciphersuites(ctx, TLS13_CIPHERS);
    SSL_CTX_set1_groups_list(ctx, GROUPS);
    SSL_CTX_set_num_tickets(ctx, 1); /* a second one costs as much again, and few clients use it */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (tickets) {
        tickets_use(tickets, ctx);
    }
    h2o_ssl_register_alpn_protocols(ctx, protocols);
    if (!use_files(ctx, settings, term, error, error_size)) {
        SSL_CTX_free(ctx);
        ERR_clear_error();
        return NULL;
    }
    return ctx;
}

bool tls_ends_soon(const struct tls_term *term, char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm day;
    char date[32];

    if (term->until - now >= (time_t)SOON_DAYS * DAY) {
        return false;
    }
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", gmtime_r(&term->until, &day));
    if (term->until <= now) {
        snprintf(text, size, "FILMYFLY_TLS_CERT %s has expired on %s; browsers refuse it until it is renewed",
                 term->path, date);
    } else {
        snprintf(text, size, "FILMYFLY_TLS_CERT %s expires on %s, in %lld days; renew it", term->path, date,
                 (long long)(term->until - now) / DAY);
    }
    return true;
}

/* False while a file is missing. */
static bool stamp(const struct settings *settings, struct tls_stamp stamps[2 * TLS_PAIRS])
{
    char certs[TLS_PAIRS][512], keys[TLS_PAIRS][512], error[512];
    int n = split_pairs(settings, certs, keys, error, sizeof(error));

    memset(stamps, 0, 2 * TLS_PAIRS * sizeof(stamps[0])); /* the padding too: stamps are compared as bytes */
    for (int i = 0; i < 2 * n; i++) {
        struct stat status;
        if (stat(i < n ? certs[i] : keys[i - n], &status) < 0) {
            return false;
        }
        stamps[i].changed = status.st_ctim; /* a file that may be read only now has changed too */
        stamps[i].device = status.st_dev;
        stamps[i].inode = status.st_ino;
    }
    return true;
}

void tls_watch_start(struct tls_watch *watch, const struct settings *settings)
{
    stamp(settings, watch->loaded);
    memcpy(watch->seen, watch->loaded, sizeof(watch->seen));
}

bool tls_changed(struct tls_watch *watch, const struct settings *settings)
{
    struct tls_stamp now[2 * TLS_PAIRS];

    if (!stamp(settings, now)) {
        return false;
    }
    bool rests = memcmp(now, watch->seen, sizeof(now)) == 0;
    memcpy(watch->seen, now, sizeof(now));
    if (!rests || memcmp(now, watch->loaded, sizeof(now)) == 0) {
        return false;
    }
    memcpy(watch->loaded, now, sizeof(now));
    return true;
}
