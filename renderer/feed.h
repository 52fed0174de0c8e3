/* The feed of the movies published last, in Atom (RFC 4287). */
#ifndef FILMYFLY_FEED_H
#define FILMYFLY_FEED_H

#include "router.h"

/*
 * Writes the feed from site and movies[]{id, slug, title, year, director, synopsis, published_at, updated_at,
 * categories[]}, newest first. An entry's id is a tag: address (RFC 4151) of the movie's number and the day on which it
 * was published: it stays when the movie's own address changes.
 */
route_write write_feed;

#endif
