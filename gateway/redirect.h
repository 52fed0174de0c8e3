/*
 * Plain HTTP sends visitors to HTTPS, permanently: path and query stay, the port becomes that of FILMYFLY_SITE. A GET
 * or HEAD gets 301, which everything understands; another method 308, so that it stays the method it is (RFC 9110
 * sections 15.4.2, 15.4.9).
 */
#ifndef FILMYFLY_GATEWAY_REDIRECT_H
#define FILMYFLY_GATEWAY_REDIRECT_H

#include <h2o.h>
#include <stdbool.h>

#include "listener.h"
#include "settings.h"

struct redirect {
    bool on;
    char host[256], port[8]; /* of FILMYFLY_SITE: for who names no host; ":8443", or "" for 443 */
};

/*
 * Reads FILMYFLY_HTTP_MODE: "redirect", "serve", or "auto", which serves where there is no HTTPS to go to or only this
 * machine can come (every HTTP socket is bound to a loopback address). listeners: NULL to check the settings alone.
 * False with one sentence in error.
 */
bool redirect_open(struct redirect *redirect, const struct settings *settings, const struct listeners *listeners,
                   char *error, size_t error_size);

/* Answers a request that came in clear; false when it has to be answered here. */
bool redirect_answer(const struct redirect *redirect, h2o_req_t *req);

#endif
