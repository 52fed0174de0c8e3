#include "page.h"

#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "answer.h"
#include "clock.h"
#include "counters.h"
#include "fault.h"
#include "json.h"
#include "log.h"
#include "page_tree.h"
#include "redact.h"
#include "rows.h"

#define PAGE_MEMORY  (32 * 1024 * 1024) /* most that one page may take, beside its body */
#define MARGIN       (20 * MILLISECOND) /* we wait this much longer than we tell dbproxy, as PROTOCOL.md says */
#define TIMING_BYTES 80
#define RETRY_AFTER  2 /* seconds, when dbproxy names no other time */

/* A request in flight. */
struct page {
    struct page *next_free, *next_made;
    struct pages *pages;
    struct arena *arena; /* target, variables, wishes, and in the end the tree */
    struct ticket *ticket;
    struct str target, trace;
    struct wishes wishes;
    struct route_match match;
    struct tags *missing; /* what the first batch depended on, while a second one looks for suggestions; else NULL */
    struct value suggestions; /* of that second batch; else NIL */
    uint64_t started, asked;  /* CLOCK_MONOTONIC, ns; asked: when the batch that is waited for was sent */
    uint64_t waited;          /* ns, for dbproxy */
    char timing[TIMING_BYTES];
};

struct pages {
    struct pages_options options;
    struct serve *serve;
    struct upstream *upstream;
    struct answer_writer *writer;
    struct message message; /* the one being sent; large, so there is only this one */
    struct buffer html;
    struct page *free, *made;
    struct counter *answered, *failed, *render_time;
    struct log_limit limit;
};

struct pages *pages_new(const struct pages_options *options)
{
    struct pages *pages = calloc(1, sizeof *pages);
    if (!pages)
        abort();
    pages->options = *options;
    pages->writer = answer_writer_new(options->settings);
    pages->html.limit = options->settings->body_max;
    pages->answered = counter("pages", COUNTER_SUM);
    pages->failed = counter("pages_failed", COUNTER_SUM);
    pages->render_time = counter("render", COUNTER_HISTOGRAM);
    return pages;
}

void pages_free(struct pages **pages_)
{
    struct pages *pages = *pages_;
    if (!pages)
        return;
    while (pages->made) {
        struct page *page = pages->made;
        pages->made = page->next_made;
        arena_free(&page->arena);
        free(page);
    }
    answer_writer_free(&pages->writer);
    buffer_release(&pages->html);
    free(pages);
    *pages_ = NULL;
}

void pages_connect(struct pages *pages, struct serve *serve, struct upstream *upstream)
{
    pages->serve = serve;
    pages->upstream = upstream;
}

void pages_use_assets(struct pages *pages, const struct assets *assets)
{
    pages->options.assets = assets;
}

/* A page from the free list, or a new one: there are never more than the credit allows requests. */
static struct page *page_take(struct pages *pages)
{
    struct page *page = pages->free;
    if (page) {
        pages->free = page->next_free;
        return page;
    }
    page = calloc(1, sizeof *page);
    if (!page)
        abort();
    page->pages = pages;
    page->arena = arena_new(PAGE_MEMORY);
    page->next_made = pages->made;
    pages->made = page;
    return page;
}

/* What it took, in milliseconds (W3C Server Timing). The gateway writes it into its access log. */
static struct str timing_of(struct page *page)
{
    double database = (double)page->waited / 1e6, all = (double)(clock_now() - page->started) / 1e6;
    snprintf(page->timing, sizeof page->timing, "renderer;dur=%.3f, dbproxy;dur=%.3f", all - database, database);
    return str_of(page->timing);
}

/* The last step of every life: the answer goes out, the page goes back. */
static void page_send(struct page *page, const struct answer *answer)
{
    struct pages *pages = page->pages;
    zmq_msg_t body;
    answer_write(pages->writer, answer, &page->wishes, &pages->message, &body);
    headers_add(&pages->message.headers, STR("server-timing"), timing_of(page));
    serve_answer(pages->serve, &page->ticket, &pages->message, &body);
    count(answer->status < 500 ? pages->answered : pages->failed, 1);
    arena_reset(page->arena);
    page->next_free = pages->free;
    pages->free = page;
}

/* The target as a log may have it. */
static struct str shown(const struct page *page)
{
    return redact_address(page->arena, page->target, REDACT_TARGET);
}

static bool render_view(struct page *page, const char *name, const struct value *root)
{
    struct pages *pages = page->pages;
    char error[300] = "there is no such view";
    const struct mustache *view = views_find(pages->options.views, str_of(name));
    buffer_reset(&pages->html);
    if (view && views_render(pages->options.views, view, root, &pages->html, error, sizeof error))
        return true;
    log_limited(&pages->limit, LOG_LEVEL_ERROR, "view %s for " STR_FMT " failed, answering 500: %s", name,
                STR_ARG(shown(page)), error);
    return false;
}

static const char *sentence_of(unsigned status)
{
    switch (status) {
    case 400:
        return "Something in the address is not what it may be, or out of range.";
    case 404:
        return "There is nothing at this address.";
    case 405:
        return "This address does not take that method.";
    case 503:
        return "The catalogue cannot be reached right now. Please try again in a moment.";
    default:
        return "Something went wrong while this page was made.";
    }
}

static const char *title_of(unsigned status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

/* The page of an error: the view that is named like its status. */
static bool render_error(struct page *page, unsigned status)
{
    const struct pages_options *options = &page->pages->options;
    struct value root = tree_of_error(page->arena, &page->match, options->settings->site, options->assets);
    value_set(&root, STR("suggestions"), page->suggestions);
    value_set(&root, STR("has_suggestions"), value_bool(value_truth(&page->suggestions)));
    char name[8];
    snprintf(name, sizeof name, "%u", status);
    return render_view(page, name, &root);
}

/* What went wrong, for programs (RFC 9457). The texts have nothing that JSON would escape. */
static struct str problem_of(struct page *page, unsigned status)
{
    struct str detail = str_of(sentence_of(status));
    if (page->match.bad)
        detail = parameter_sentence(page->arena, page->match.bad);
    return arena_printf(page->arena,
                        "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"" STR_FMT "\"}",
                        title_of(status), status, STR_ARG(detail));
}

/* An error in the form that the route would have had; for people a page, or a plain sentence if that fails too; for
 * programs that read JSON a problem (RFC 9457). */
static void page_fail(struct page *page, struct answer answer)
{
    answer.form = page->match.route ? page->match.route->form : FORM_HTML;
    if (!page->match.route && str_starts(page->target, STR("/api/")))
        answer.form = FORM_JSON;
    if (answer.form == FORM_HTML && render_error(page, answer.status)) {
        answer.body = buffer_str(&page->pages->html);
    } else if (answer.form == FORM_JSON) {
        answer.body = problem_of(page, answer.status);
    } else {
        answer.form = FORM_TEXT;
        answer.body = arena_printf(page->arena, "%s\n", sentence_of(answer.status));
    }
    page_send(page, &answer);
}

static void page_refuse(struct page *page, unsigned status)
{
    page_fail(page, (struct answer){.status = status, .fresh = status >= 500 ? FRESH_NEVER : FRESH_SHORT});
}

static bool render_root(struct page *page, const struct value *root)
{
    const struct route *route = page->match.route;
    struct buffer *out = &page->pages->html;
    if (route->view)
        return render_view(page, route->view, root);
    buffer_reset(out);
    bool written = route->write ? route->write(page->arena, &page->match, root, out) : json_write(out, root);
    if (written && !out->failed)
        return true;
    log_limited(&page->pages->limit, LOG_LEVEL_ERROR, "the body of " STR_FMT " %s, answering 500", STR_ARG(shown(page)),
                out->failed ? "is longer than a body may be" : "cannot be written");
    return false;
}

/* Sends statements as one batch. A parameter without a value is null. */
static void page_ask(struct page *page, const struct route_statement *statements, uint32_t n, upstream_done *done)
{
    struct message *query = &page->pages->message;
    uint64_t deadline = ticket_deadline(page->ticket), key = 0;
    query->type = MESSAGE_QUERY;
    query->deadline = deadline > MARGIN ? deadline - MARGIN : 0;
    query->trace = page->trace;
    query->batch.n = 0;
    for (uint32_t s = 0; s < n; s++) {
        struct statement_call *call = &query->batch.item[query->batch.n++];
        call->name = str_of(statements[s].name);
        call->n = 0;
        key = upstream_key(key, call->name);
        for (size_t p = 0; p < ROUTE_PARAMETERS && statements[s].parameters[p]; p++) {
            const struct route_variable *v = route_variable(&page->match, str_of(statements[s].parameters[p]));
            struct str text = v ? v->text : STR_NONE;
            call->parameter[call->n++] = text;
            /* What is in no text ends each, so that a decade is not the same as a year. */
            key = upstream_key(upstream_key(key, text), text.p ? STR("\1") : STR("\2"));
        }
    }
    page->asked = clock_now();
    upstream_send(page->pages->upstream, query, NULL, key, true, done, page);
}

static void on_suggestions(void *user, const struct message *answer, zmq_msg_t *body);

/* A 404. When the route knows something like what is missing, a second batch asks for that first. */
static void page_miss(struct page *page, const struct tags *tags)
{
    const struct route_statement *wanted = &page->match.route->missing;
    page->missing = wanted->name && tags ? arena_alloc(page->arena, sizeof *page->missing) : NULL;
    if (!page->missing) {
        page_fail(page, (struct answer){.status = 404, .fresh = FRESH_SHORT, .tags = tags});
        return;
    }
    for (uint32_t i = 0; i < tags->n; i++)
        page->missing->item[page->missing->n++] = arena_copy(page->arena, tags->item[i]);
    page_ask(page, wanted, 1, on_suggestions);
}

static void on_suggestions(void *user, const struct message *answer, zmq_msg_t *body)
{
    struct page *page = user;
    struct tags *tags = page->missing;
    struct value rows;
    page->waited += clock_now() - page->asked;
    if (answer->type == MESSAGE_RESULT) {
        if (!rows_read(page->arena, zmq_msg_data(body), zmq_msg_size(body), true, 1, &rows))
            page->suggestions = rows;
        for (uint32_t i = 0; i < answer->tags.n && tags->n < LIMIT_TAGS; i++)
            tags->item[tags->n++] = answer->tags.item[i];
    }
    /* Without them it is nothing to keep. */
    enum route_freshness fresh = answer->type == MESSAGE_RESULT ? FRESH_SHORT : FRESH_NEVER;
    page_fail(page, (struct answer){.status = 404, .fresh = fresh, .tags = tags});
}

/* Where browsers find what they may load ahead: pages link to pages. */
static struct str speculation_of(const struct page *page)
{
    struct value assets = assets_map(page->pages->options.assets);
    const struct value *rules = value_get(&assets, STR("speculation_json"));
    return page->match.route->form == FORM_HTML && rules ? rules->as.str : STR_NONE;
}

static void page_render(struct page *page, const struct tags *tags, const void *body, size_t size)
{
    const struct route *route = page->match.route;
    const struct pages_options *options = &page->pages->options;
    struct value root, results[ROUTE_STATEMENTS] = {0};
    uint32_t n = tree_results(route);
    const char *error = n ? rows_read(page->arena, body, size, route->form == FORM_HTML, n, results) : NULL;
    if (error) {
        log_limited(&page->pages->limit, LOG_LEVEL_ERROR, "rows for " STR_FMT " cannot be used, answering 500: %s",
                    STR_ARG(shown(page)), error);
        page_refuse(page, 500);
        return;
    }
    fault("render-rows", page->target);
    struct answer answer = {.status = 200, .form = route->form, .fresh = route->fresh, .tags = tags};
    switch (tree_of_page(page->arena, &page->match, options->settings->site, options->assets, results, &root,
                         &answer.location)) {
    case TREE_MOVED:
        answer.status = 301;
        page_send(page, &answer);
        return;
    case TREE_MISSING:
        page_miss(page, tags);
        return;
    case TREE_WHOLE:
        break;
    }
    const struct value *noindex = value_get(&root, STR("noindex"));
    answer.noindex = route->noindex || (noindex && value_truth(noindex));
    answer.speculation = speculation_of(page);
    if (!render_root(page, &root)) {
        page_refuse(page, 500);
        return;
    }
    answer.body = buffer_str(&page->pages->html);
    page_send(page, &answer);
}

/* dbproxy could not answer. What would be wrong again is a 500; what may be right in a moment is a 503. */
static void page_without_rows(struct page *page, const struct message *answer)
{
    unsigned status = 503;
    uint64_t retry_after = RETRY_AFTER;
    if (answer->type == MESSAGE_BUSY) {
        retry_after = answer->retry_after ? answer->retry_after : RETRY_AFTER;
    } else {
        enum cause cause = answer->type == MESSAGE_FAILED ? cause_of(answer->cause) : CAUSE_INTERNAL;
        if (cause == CAUSE_INTERNAL || cause == CAUSE_POISON)
            status = 500;
        log_limited(&page->pages->limit, status == 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
                    "no rows for " STR_FMT ", answering %u: %s: " STR_FMT, STR_ARG(shown(page)), status,
                    message_name(answer->type), STR_ARG(answer->text));
    }
    page_fail(page,
              (struct answer){.status = status, .fresh = FRESH_NEVER, .retry_after = status == 503 ? retry_after : 0});
}

static void on_rows(void *user, const struct message *answer, zmq_msg_t *body)
{
    struct page *page = user;
    uint64_t start = clock_now();
    page->waited += start - page->asked;
    if (answer->type != MESSAGE_RESULT) {
        page_without_rows(page, answer);
        return;
    }
    struct pages *pages = page->pages;
    page_render(page, &answer->tags, zmq_msg_data(body), zmq_msg_size(body));
    histogram(pages->render_time, clock_now() - start);
}

/* To the address without what a form sent empty: that is the one to share. */
static void page_tidy(struct page *page)
{
    struct answer answer = {.status = 301, .form = FORM_HTML, .fresh = page->match.route->fresh};
    answer.location = address_of(page->arena, &page->match);
    page_send(page, &answer);
}

/* Takes what the request says out of the message, which lives only until pages_on_request returns. */
static enum route_verdict page_read(struct page *page, const struct message *request)
{
    page->target = arena_copy(page->arena, request->target);
    page->trace = arena_copy(page->arena, request->trace.p ? request->trace : STR(""));
    page->missing = NULL;
    page->suggestions = NIL;
    page->wishes =
        (struct wishes){.gzip = gzip_accepted(&request->headers),
                        .if_none_match = arena_copy(page->arena, headers_get(&request->headers, STR("if-none-match")))};
    return route_match(page->pages->options.routes, request->method, page->target, page->arena, &page->match);
}

void pages_on_request(void *user, struct ticket *ticket, const struct message *message, zmq_msg_t *body)
{
    (void)body;
    struct page *page = page_take(user);
    page->ticket = ticket;
    page->started = clock_now();
    page->waited = 0;
    enum route_verdict verdict = page_read(page, message);
    fault("render-started", page->target);
    switch (verdict) {
    case ROUTE_FOUND:
        if (page->match.has_empty && page->match.route->form == FORM_HTML)
            page_tidy(page);
        else if (page->match.route->statements[0].name)
            page_ask(page, page->match.route->statements, tree_results(page->match.route), on_rows);
        else
            page_render(page, NULL, NULL, 0);
        return;
    case ROUTE_UNKNOWN:
        page_refuse(page, 404);
        return;
    case ROUTE_NOT_METHOD:
        page_fail(page,
                  (struct answer){.status = 405, .fresh = FRESH_NEVER, .allow = str_of(page->match.route->methods)});
        return;
    case ROUTE_BAD:
        page_refuse(page, 400);
        return;
    case ROUTE_OPTIONS:
        page_send(page, &(struct answer){.status = 204,
                                         .form = page->match.route->form,
                                         .fresh = FRESH_NEVER,
                                         .allow = str_of(page->match.route->methods)});
        return;
    }
}

bool pages_check(const struct route_table *routes, const struct views *views, char *error, size_t error_size)
{
    static const char *const errors[] = {"400", "404", "405", "500", "503"};
    for (size_t i = 0; i < routes->n; i++) {
        const char *view = routes->routes[i].view;
        if (view && !views_find(views, str_of(view))) {
            snprintf(error, error_size, "route %s names the view %s, and there is no %s.mustache",
                     routes->routes[i].pattern, view, view);
            return false;
        }
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (!views_find(views, str_of(errors[i]))) {
            snprintf(error, error_size, "the view of errors %s.mustache is missing", errors[i]);
            return false;
        }
    }
    return true;
}
