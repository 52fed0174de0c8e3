#include "page.h"

#include <stdio.h>
#include <stdlib.h>

#include "answer.h"
#include "clock.h"
#include "counters.h"
#include "fault.h"
#include "json.h"
#include "log.h"
#include "rows.h"

#define PAGE_MEMORY (32 * 1024 * 1024) /* most that one page may take, beside its body */
#define MARGIN      (20 * MILLISECOND) /* we wait this much longer than we tell dbproxy, as PROTOCOL.md says */
#define RETRY_AFTER 2                  /* seconds, when dbproxy names no other time */
#define ROOT_ROOM   24                 /* names at the root of a view */

/* A request in flight. */
struct page {
    struct page *next_free, *next_made;
    struct pages *pages;
    struct arena *arena; /* target, variables, wishes, and in the end the tree */
    struct ticket *ticket;
    struct str target;
    struct wishes wishes;
    struct route_match match;
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

/* The last step of every life: the answer goes out, the page goes back. */
static void page_send(struct page *page, const struct answer *answer)
{
    struct pages *pages = page->pages;
    zmq_msg_t body;
    answer_write(pages->writer, answer, &page->wishes, &pages->message, &body);
    serve_answer(pages->serve, &page->ticket, &pages->message, &body);
    count(answer->status < 500 ? pages->answered : pages->failed, 1);
    arena_reset(page->arena);
    page->next_free = pages->free;
    pages->free = page;
}

/* A root for views of HTML: what every page may use. */
static struct value new_root(struct page *page)
{
    struct value root = value_map(page->arena, ROOT_ROOM);
    value_set(&root, STR("site"), value_str(str_of(page->pages->options.settings->site)));
    value_set(&root, STR("assets"), assets_map(page->pages->options.assets));
    value_set(&root, STR("path"), value_str(page->match.path));
    return root;
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
                STR_ARG(page->target), error);
    return false;
}

static const char *sentence_of(unsigned status)
{
    switch (status) {
    case 400:
        return "A number in the address is not one, or out of range.";
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

/* An error in the form that the route would have had; of HTML the view named like the status, or a plain sentence if
 * that fails too. */
static void page_fail(struct page *page, struct answer answer)
{
    struct pages *pages = page->pages;
    struct value root = new_root(page);
    char name[8];
    snprintf(name, sizeof name, "%u", answer.status);
    answer.form = page->match.route ? page->match.route->form : FORM_HTML;
    if (!page->match.route && str_starts(page->target, STR("/api/")))
        answer.form = FORM_JSON;
    if (answer.form == FORM_HTML && render_view(page, name, &root)) {
        answer.body = buffer_str(&pages->html);
    } else if (answer.form == FORM_JSON) {
        answer.body =
            arena_printf(page->arena, "{\"status\":%u,\"error\":\"%s\"}", answer.status, sentence_of(answer.status));
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

/* What a route wants of a result's rows; NIL when there is none. */
static struct value take_rows(const struct value *rows, enum route_rows wanted)
{
    const struct value *row = rows->n ? &rows->as.items[0] : NULL;
    if (wanted == ROWS_LIST)
        return *rows;
    if (wanted == ROWS_VALUE)
        return row && row->n ? row->as.map.values[0] : NIL;
    return row ? *row : NIL;
}

/* Where a row lives now, when that is not where it was asked for; else STR_NONE. */
static struct str moved_to(struct page *page, const struct value *row)
{
    const struct route_variable *asked = route_variable(&page->match, STR("slug"));
    const struct value *slug = value_get(row, STR("slug"));
    if (!asked || !slug || slug->type != VALUE_STR || str_eq(slug->as.str, asked->text))
        return STR_NONE;
    return route_path_of(page->arena, page->match.route, slug->as.str);
}

/*
 * Sets what the batch brought under the names that the route gives it. False: what the page needs is not there, or has
 * moved (then *moved says where to).
 */
static bool set_results(struct page *page, struct value *root, const struct value *results, struct str *moved)
{
    const struct route *route = page->match.route;
    for (size_t i = 0; i < ROUTE_STATEMENTS && route->statements[i].name; i++) {
        struct value value = take_rows(&results[i], route->statements[i].rows);
        if (route->statements[i].rows == ROWS_NEED) {
            if (value.type == VALUE_NIL)
                return false;
            *moved = moved_to(page, &value);
            if (moved->p)
                return false;
        }
        value_set(root, str_of(route->statements[i].as), value);
    }
    return true;
}

/* The root of a page's tree before its rows: what every view may use, or for JSON the numbers that were asked for. */
static struct value start_root(struct page *page)
{
    if (page->match.route->view)
        return new_root(page);
    struct value root = value_map(page->arena, ROOT_ROOM);
    for (uint32_t i = 0; i < page->match.n; i++)
        if (page->match.variable[i].is_number)
            value_set(&root, page->match.variable[i].name, value_int(page->match.variable[i].number));
    return root;
}

static bool render_root(struct page *page, const struct value *root)
{
    if (page->match.route->view)
        return render_view(page, page->match.route->view, root);
    buffer_reset(&page->pages->html);
    if (json_write(&page->pages->html, root))
        return true;
    log_limited(&page->pages->limit, LOG_LEVEL_ERROR,
                "the JSON of " STR_FMT " is longer than a body may be, answering 500", STR_ARG(page->target));
    return false;
}

static void page_render(struct page *page, const struct tags *tags, const void *body, size_t size)
{
    const struct route *route = page->match.route;
    struct answer answer = {.status = 200, .form = route->form, .fresh = route->fresh, .tags = tags};
    struct value root = start_root(page), results[ROUTE_STATEMENTS] = {0};
    uint32_t n = 0;
    while (n < ROUTE_STATEMENTS && route->statements[n].name)
        n++;
    const char *error = n ? rows_read(page->arena, body, size, route->form == FORM_HTML, n, results) : NULL;
    if (error) {
        log_limited(&page->pages->limit, LOG_LEVEL_ERROR, "rows for " STR_FMT " cannot be used, answering 500: %s",
                    STR_ARG(page->target), error);
        page_refuse(page, 500);
        return;
    }
    fault("render-rows", page->target);
    struct str moved = STR_NONE;
    if (!set_results(page, &root, results, &moved) ||
        (route->complete && !route->complete(page->arena, &page->match, &root))) {
        answer.status = moved.p ? 301 : 404;
        answer.location = moved;
        answer.fresh = moved.p ? route->fresh : FRESH_SHORT;
        if (moved.p)
            page_send(page, &answer);
        else
            page_fail(page, answer);
        return;
    }
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
                    "no rows for " STR_FMT ", answering %u: %s: " STR_FMT, STR_ARG(page->target), status,
                    message_name(answer->type), STR_ARG(answer->text));
    }
    page_fail(page,
              (struct answer){.status = status, .fresh = FRESH_NEVER, .retry_after = status == 503 ? retry_after : 0});
}

static void on_rows(void *user, const struct message *answer, zmq_msg_t *body)
{
    struct page *page = user;
    if (answer->type != MESSAGE_RESULT) {
        page_without_rows(page, answer);
        return;
    }
    uint64_t start = clock_now();
    struct pages *pages = page->pages;
    page_render(page, &answer->tags, zmq_msg_data(body), zmq_msg_size(body));
    histogram(pages->render_time, clock_now() - start);
}

/* Sends the route's statements as one batch. */
static void page_ask(struct page *page, struct str trace)
{
    const struct route *route = page->match.route;
    struct message *query = &page->pages->message;
    uint64_t deadline = ticket_deadline(page->ticket), key = 0;
    query->type = MESSAGE_QUERY;
    query->deadline = deadline > MARGIN ? deadline - MARGIN : 0;
    query->trace = trace.p ? trace : STR("");
    query->batch.n = 0;
    for (size_t s = 0; s < ROUTE_STATEMENTS && route->statements[s].name; s++) {
        struct statement_call *call = &query->batch.item[query->batch.n++];
        call->name = str_of(route->statements[s].name);
        call->n = 0;
        key = upstream_key(key, call->name);
        for (size_t p = 0; p < ROUTE_PARAMETERS && route->statements[s].parameters[p]; p++) {
            const struct route_variable *v = route_variable(&page->match, str_of(route->statements[s].parameters[p]));
            call->parameter[call->n] = v ? v->text : STR_NONE;
            key = upstream_key(key, call->parameter[call->n++]);
        }
    }
    upstream_send(page->pages->upstream, query, NULL, key, true, on_rows, page);
}

/* Takes what the request says out of the message, which lives only until pages_on_request returns. */
static enum route_verdict page_read(struct page *page, const struct message *request)
{
    page->target = arena_copy(page->arena, request->target);
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
    enum route_verdict verdict = page_read(page, message);
    fault("render-started", page->target);
    switch (verdict) {
    case ROUTE_FOUND:
        if (page->match.route->statements[0].name)
            page_ask(page, message->trace);
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
