/*
 * The addresses of static files: their names carry a fingerprint of their content, and static/manifest.txt in the share
 * directory says which
 * ("site.css site.3f2a9c01.css"). Views name them {{assets.site_css}}.
 */
#ifndef FILMYFLY_ASSETS_H
#define FILMYFLY_ASSETS_H

#include "value.h"

struct assets;

/* Reads a manifest. NULL with one sentence in error. */
struct assets *assets_load(const char *path, char *error, size_t error_size);
void assets_free(struct assets **assets);

/* The map for views; lives as long as the assets. */
struct value assets_map(const struct assets *assets);

#endif
