/*
 * The answers that a certificate authority looks for: HTTP-01 of ACME (RFC 8555 section 8.3). A client such as certbot
 * puts a file named after a token below FILMYFLY_ACME_DIR, its --webroot-path.
 */
#ifndef FILMYFLY_GATEWAY_ACME_H
#define FILMYFLY_GATEWAY_ACME_H

#include <h2o.h>
#include <stdbool.h>

/*
 * Answers what is asked under /.well-known/acme-challenge/; false for everything else, and when directory is "". Only
 * tokens are names here, and only small, regular files of that folder itself are read, so nothing else can come out.
 */
bool acme_answer(const char *directory, h2o_req_t *req);

#endif
