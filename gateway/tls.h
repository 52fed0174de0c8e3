/*
 * The certificate and what is offered with it: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. A context is counted: each
 * loop holds one reference and swaps it when the files changed; connections that were made with the old one keep it.
 */
#ifndef FILMYFLY_GATEWAY_TLS_H
#define FILMYFLY_GATEWAY_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "settings.h"

/*
 * Loads FILMYFLY_TLS_CERT and FILMYFLY_TLS_KEY. previous (may be NULL) gives its ticket keys, so that sessions outlive
 * a reload. NULL with one sentence that names the variable in error.
 */
SSL_CTX *tls_load(const struct settings *settings, SSL_CTX *previous, char *error, size_t error_size);

/* The state of the two files, to see that one was replaced. */
struct tls_stamp {
    struct timespec changed[2];
    ino_t inode[2];
};

/* Looks at the files; true when they differ from the stamp, which is brought up to date. A missing file is no change:
 * it is being replaced. */
bool tls_changed(const struct settings *settings, struct tls_stamp *stamp);

#endif
