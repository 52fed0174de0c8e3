/*
 * Pages from the store: the gateway looks into what the cacher has stored and answers from there, without a word to
 * anybody. docs/life-of-a-key.md says when it may. What it serves stale it asks the cacher to refresh, behind the
 * visitor's back; what is read it reports, now and then, so that the store knows what is used.
 */
#ifndef FILMYFLY_GATEWAY_HIT_H
#define FILMYFLY_GATEWAY_HIT_H

#include "loop.h"

struct hits;

/* source is shared by all loops and outlives them. Aborts when memory is out. */
struct hits *hits_new(struct store_source *source);
void hits_free(struct hits **hits);

/* Answers the request if the store has what it wants. False: the cacher must be asked. */
bool hit_answer(struct loop *loop, h2o_req_t *req);

/* The cacher could not answer: is there a page that may be given all the same? True: it was sent. */
bool hit_rescue(struct loop *loop, h2o_req_t *req);

/* After each turn of the loop: what was looked at may change again. */
void hits_turn_ends(struct hits *hits);

/* Every tick: reports what was read. */
void hits_report(struct loop *loop);

#endif
