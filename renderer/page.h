/*
 * The life of a request: ticket → route → one batch of statements → rows → tree → template → answer. Many are in flight
 * at once, each in a page object of its own from a free list; nothing of a request is kept outside of it.
 */
#ifndef FILMYFLY_PAGE_H
#define FILMYFLY_PAGE_H

#include "assets.h"
#include "router.h"
#include "serve.h"
#include "upstream.h"
#include "views.h"

struct pages;

struct pages_options {
    const struct settings *settings;
    const struct route_table *routes;
    struct views *views;         /* kept by the caller, as are all of these */
    const struct assets *assets; /* may be replaced by pages_use_assets */
};

struct pages *pages_new(const struct pages_options *options);
/* Pages in flight are dropped. Call it after the upstream and the serve are gone. */
void pages_free(struct pages **pages);

/* Where answers go and rows come from; before the first request. */
void pages_connect(struct pages *pages, struct serve *serve, struct upstream *upstream);
void pages_use_assets(struct pages *pages, const struct assets *assets);

/* For serve_options.on_request; user is the struct pages. */
serve_request pages_on_request;

/* Whether each route has its view, and each error its page; else a sentence. */
bool pages_check(const struct route_table *routes, const struct views *views, char *error, size_t error_size);

#endif
