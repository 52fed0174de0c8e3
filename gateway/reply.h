/*
 * From the protocol's answers to HTTP: RESPONSE becomes the response it is, everything else a page of ours. A body is
 * sent out of the message it arrived in, without a copy; the message is closed when the request ends, however that
 * comes.
 */
#ifndef FILMYFLY_GATEWAY_REPLY_H
#define FILMYFLY_GATEWAY_REPLY_H

#include <h2o.h>
#include <zmq.h>

#include "encoding.h"
#include "http_condition.h"
#include "messages.h"

/*
 * Sends the answer. body may be taken. gunzip: the loop's; inflated_max: bytes that a gzip body may have when it must
 * be sent plain. trace: the request's name, for the log.
 */
void reply_answer(h2o_req_t *req, const struct message *answer, zmq_msg_t *body, struct gunzip *gunzip,
                  size_t inflated_max, const char *trace);

/*
 * Adds an end-to-end line. token: what h2o_lookup_token knows the name as, or NULL; the name, in small letters, counts
 * only without one. The texts must live as long as the request.
 */
void reply_line(h2o_req_t *req, const h2o_token_t *token, struct str name, struct str value);

/* Adds a response header; the value must live as long as the request. */
void reply_header(h2o_req_t *req, const h2o_token_t *name, const char *value);

/* Adds Content-Range: of the part that is sent, or, when the wish cannot be met, of the whole that there is. */
void reply_range(h2o_req_t *req, const struct part *part, bool satisfiable);

/*
 * Sends status and body, with the headers that were added. The bytes must live as long as the request. HEAD sends the
 * length only, so the body's bytes may be NULL; 204, 304 neither (RFC 9110 section 6.4.1).
 */
void reply_bytes(h2o_req_t *req, int status, struct str body);

#endif
