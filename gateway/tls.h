/*
 * The certificates and what is offered with them: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. A context is counted:
 * each loop holds one reference and swaps it when the files changed; connections that were made with the old one keep
 * it.
 */
#ifndef FILMYFLY_GATEWAY_TLS_H
#define FILMYFLY_GATEWAY_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "settings.h"
#include "tickets.h"

#define TLS_PAIRS    2    /* certificates at once: one ECDSA, one RSA */
#define TLS_SENTENCE 1300 /* bytes that hold any sentence of this file: two paths and more */

/* The certificate that ends first. */
struct tls_term {
    time_t until;
    char path[512];
};

/*
 * Loads FILMYFLY_TLS_CERT and FILMYFLY_TLS_KEY: one file each, or two of each with a comma between, in the same order.
 * tickets may be NULL: no session outlives the context. NULL with one sentence that names the variable in error.
 */
SSL_CTX *tls_load(const struct settings *settings, struct tickets *tickets, struct tls_term *term, char *error,
                  size_t error_size);

/* Whether less than 14 days are left; then text says which certificate, and when it ends. */
bool tls_ends_soon(const struct tls_term *term, char *text, size_t size);

struct tls_stamp {
    struct timespec changed;
    dev_t device;
    ino_t inode;
};

/* What the files looked like: when they were loaded, and at the last look. */
struct tls_watch {
    struct tls_stamp loaded[2 * TLS_PAIRS], seen[2 * TLS_PAIRS];
};

/* Before they are loaded at start. */
void tls_watch_start(struct tls_watch *watch, const struct settings *settings);

/*
 * True once when the files are others than those loaded, and the same as at the last look: who renews a certificate
 * replaces one file after the other. While one is missing nothing has changed.
 */
bool tls_changed(struct tls_watch *watch, const struct settings *settings);

#endif
