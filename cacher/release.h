/*
 * What pages are made with beside the data: the views and the static files of the release. After an upgrade, pages in
 * the store name files and show a look of the past.
 */
#ifndef FILMYFLY_RELEASE_H
#define FILMYFLY_RELEASE_H

#include "cache.h"
#include "settings.h"

/*
 * Reads the names and texts of views/ and the static files' manifest in the share directory, and marks everything stale
 * when they are others than those the store remembers. What cannot be read is left out. For start-up: it reads the
 * disk.
 */
void release_compare(struct cache *cache, const struct settings *settings);

#endif
