#include "answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "etag.h"
#include "http_date.h"

#define GZIP_LEAST 200 /* bytes; what is shorter gains nothing */

struct answer_writer {
    struct gzip *gzip;            /* NULL: pages are not compressed here */
    char shared[FRESH_NEVER][80]; /* CDN-Cache-Control by freshness */
    char etag[ETAG_SIZE], last_modified[HTTP_DATE_SIZE];
    char retry_after[24];
    char speculation[200];
};

struct answer_writer *answer_writer_new(const struct settings *settings)
{
    struct answer_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        abort();
    if (settings->gzip_level > 0)
        writer->gzip = gzip_new((int)settings->gzip_level, settings->body_max);
    const uint64_t seconds[] = {
        [FRESH_PAGE] = settings->page_ttl / SECOND, [FRESH_API] = settings->api_ttl / SECOND, [FRESH_SHORT] = 60};
    /* The cache hears of changes by itself. What is only old it may show for a day while it asks, and for as long as it
     * keeps it when nobody answers. */
    for (size_t i = 0; i < FRESH_NEVER; i++)
        snprintf(writer->shared[i], sizeof writer->shared[i],
                 "max-age=%llu, stale-while-revalidate=86400, stale-if-error=5184000", (unsigned long long)seconds[i]);
    return writer;
}

void answer_writer_free(struct answer_writer **writer)
{
    if (!*writer)
        return;
    gzip_free(&(*writer)->gzip);
    free(*writer);
    *writer = NULL;
}

/* An error of an API is a problem (RFC 9457); of what is no page, a plain sentence. */
static struct str content_type(const struct answer *answer)
{
    switch (answer->form) {
    case FORM_HTML:
        return STR("text/html; charset=utf-8");
    case FORM_JSON:
        return answer->status < 400 ? STR("application/json") : STR("application/problem+json");
    case FORM_XML:
        return STR("application/xml");
    case FORM_ATOM:
        return STR("application/atom+xml");
    case FORM_SVG:
        return STR("image/svg+xml");
    case FORM_TEXT:
        break;
    }
    return STR("text/plain; charset=utf-8");
}

/* What browsers may do: keep a page for 30 days, but ask each time; show the kept one while or if that fails. Of
 * posters, dozens on a page, which change when a title does, they ask in the background, and not twice a minute. */
static struct str browser_policy(const struct answer *answer)
{
    if (answer->fresh == FRESH_NEVER)
        return STR("no-store");
    if (answer->status != 200)
        return STR("max-age=0");
    return answer->form == FORM_SVG ? STR("max-age=60, stale-while-revalidate=86400, stale-if-error=2592000")
                                    : STR("max-age=0, stale-while-revalidate=60, stale-if-error=2592000");
}

static void write_body(struct answer_writer *writer, const struct answer *answer, const struct wishes *wishes,
                       struct message *message, zmq_msg_t *body)
{
    struct headers *headers = &message->headers;
    if (answer->status == 204) {
        zmq_msg_init(body);
        return;
    }
    headers_add(headers, STR("content-type"), content_type(answer));
    if (wishes->gzip && writer->gzip && answer->body.n >= GZIP_LEAST && gzip_pack(writer->gzip, answer->body, body)) {
        headers_add(headers, STR("content-encoding"), STR("gzip"));
        return;
    }
    if (zmq_msg_init_size(body, answer->body.n) != 0) { /* no memory: nobody may keep an empty page */
        zmq_msg_init(body);
        message->status = 503;
        message->tags.n = headers->n = 0;
        headers_add(headers, STR("cache-control"), STR("no-store"));
        return;
    }
    if (answer->body.n)
        memcpy(zmq_msg_data(body), answer->body.p, answer->body.n);
}

/* What a page says of itself beside its type: who may find it, what to load ahead. */
static void write_description(struct answer_writer *writer, const struct answer *answer, struct headers *headers)
{
    if (answer->noindex)
        headers_add(headers, STR("x-robots-tag"), STR("noindex"));
    if (answer->status != 200)
        return;
    /* The same for Save-Data, which would split every cache in two: a browser that saves data loads nothing ahead. */
    if (answer->speculation.p) {
        int n =
            snprintf(writer->speculation, sizeof writer->speculation, "\"" STR_FMT "\"", STR_ARG(answer->speculation));
        if (n > 0 && (size_t)n < sizeof writer->speculation)
            headers_add(headers, STR("speculation-rules"), (struct str){writer->speculation, (uint32_t)n});
    }
}

void answer_write(struct answer_writer *writer, const struct answer *answer, const struct wishes *wishes,
                  struct message *message, zmq_msg_t *body)
{
    message->type = MESSAGE_RESPONSE;
    message->status = answer->status;
    message->tags.n = 0;
    if (answer->tags) {
        message->tags.n = answer->tags->n;
        memcpy(message->tags.item, answer->tags->item, answer->tags->n * sizeof *answer->tags->item);
    }
    struct headers *headers = &message->headers;
    headers->n = 0;
    headers_add(headers, STR("cache-control"), browser_policy(answer));
    if (answer->fresh != FRESH_NEVER) {
        headers_add(headers, STR("cdn-cache-control"), str_of(writer->shared[answer->fresh]));
        headers_add(headers, STR("vary"), STR("accept-encoding"));
    }
    if (answer->location.p)
        headers_add(headers, STR("location"), answer->location);
    if (answer->allow.p)
        headers_add(headers, STR("allow"), answer->allow);
    if (answer->retry_after) {
        int n =
            snprintf(writer->retry_after, sizeof writer->retry_after, "%llu", (unsigned long long)answer->retry_after);
        headers_add(headers, STR("retry-after"), (struct str){writer->retry_after, (uint32_t)n});
    }
    write_description(writer, answer, headers);
    if (answer->status == 200 && answer->fresh != FRESH_NEVER) {
        struct str etag = etag_of(answer->body, writer->etag);
        headers_add(headers, STR("etag"), etag);
        if (wishes->if_none_match.p && etag_listed(wishes->if_none_match, etag)) {
            message->status = 304;
            zmq_msg_init(body);
            return;
        }
        /* A page is made of many rows, views and files, and when the youngest of them changed nobody knows: what is
         * known is when these bytes were made. The 304 above says none, so whoever has the page keeps its own, which
         * thereby tells when these bytes were first seen. */
        struct str now = http_date(time(NULL), writer->last_modified);
        if (now.p)
            headers_add(headers, STR("last-modified"), now);
    }
    write_body(writer, answer, wishes, message, body);
}
