#include "pages.h"

#include <stdio.h>
#include <stdlib.h>

#include "files.h"
#include "reply.h"
#include "request.h"

#define RELOAD_AFTER "5" /* seconds */

/* renderer/views/logo.mustache: in the site's header, where on a phone it stands for the name. */
#define LOGO                                                                                                           \
    "<svg viewBox=\"0 0 32 32\" width=\"28\" height=\"28\" aria-hidden=\"true\">"                                      \
    "<path d=\"M3 4c12-1 24 4 26.5 12H10C5.5 16 3 11 3 4z\"/>"                                                         \
    "<path d=\"M3 28c12 1 24-4 26.5-12H10C5.5 16 3 21 3 28z\" opacity=\".55\"/></svg>"

static const struct {
    int status;
    const char *title, *sentence;
} TEXTS[PAGE_COUNT] = {
#define X(name, status, title, sentence) [PAGE_##name] = {status, title, sentence},
    PAGES(X)
#undef X
};

/* Each page three times: as it is, reloading itself, and as programs that read the API have it. */
enum page_form { PLAIN, RELOADING, PROBLEM, PAGE_FORMS };
static char *pages[PAGE_COUNT][PAGE_FORMS];

/* In the markup of the site's other pages, so that its stylesheet fits. */
static char *make_page(int status, const char *title, const char *sentence, const char *stylesheet, bool reload)
{
    char *page = NULL;
    int n = asprintf(
        &page,
        "<!doctype html>\n"
        "<html lang=\"en\">\n"
        "<head>\n"
        "<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<meta name=\"robots\" content=\"noindex\">\n"
        "<title>%s – FilmyFly</title>\n"
        "%s%s%s"
        "</head>\n"
        "<body>\n"
        "<header class=\"top\"><div class=\"wide\"><a class=\"brand\" href=\"/\">" LOGO "FilmyFly</a></div></header>\n"
        "<main id=\"content\" class=\"wide\">\n"
        "<section class=\"notice\">\n"
        "<p class=\"code\">%d</p>\n"
        "<h1>%s</h1>\n"
        "<p class=\"lead\">%s%s</p>\n"
        "<p><a class=\"button\" href=\"/\">To the front page</a> <a href=\"/movies\">All movies</a></p>\n"
        "</section>\n"
        "</main>\n"
        "</body>\n"
        "</html>\n",
        title, *stylesheet ? "<link rel=\"stylesheet\" href=\"/static/" : "", stylesheet, *stylesheet ? "\">\n" : "",
        status, title, sentence, reload ? " This page tries again by itself every few seconds." : "");
    if (n < 0) {
        abort();
    }
    return page;
}

/* A problem of RFC 9457. The texts have nothing that JSON would escape. */
static char *make_problem(int status, const char *title, const char *sentence)
{
    char *problem = NULL;
    int n = asprintf(&problem, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}", title,
                     status, sentence);
    if (n < 0) {
        abort();
    }
    return problem;
}

void pages_make(const struct files *files)
{
    const char *stylesheet = files ? files_name(files, "site.css") : "";
    pages_free();
    for (int page = PAGE_NONE + 1; page < PAGE_COUNT; page++) {
        for (int reload = PLAIN; reload <= RELOADING; reload++) {
            pages[page][reload] =
                make_page(TEXTS[page].status, TEXTS[page].title, TEXTS[page].sentence, stylesheet, reload);
        }
        pages[page][PROBLEM] = make_problem(TEXTS[page].status, TEXTS[page].title, TEXTS[page].sentence);
    }
}

void pages_free(void)
{
    for (int page = 0; page < PAGE_COUNT; page++) {
        for (int form = 0; form < PAGE_FORMS; form++) {
            free(pages[page][form]);
            pages[page][form] = NULL;
        }
    }
}

enum page page_of_status(int status)
{
    for (int page = PAGE_NONE + 1; page < PAGE_COUNT; page++) {
        if (TEXTS[page].status == status) {
            return (enum page)page;
        }
    }
    return status >= 400 && status < 500 ? PAGE_BAD_REQUEST : PAGE_BROKEN;
}

void page_send(h2o_req_t *req, enum page page, unsigned retry_after)
{
    /* Reloading by itself is right only for what may be asked again without a question. */
    enum page_form form = (page == PAGE_UNAVAILABLE || page == PAGE_BUSY) && request_is(req, "GET") ? RELOADING : PLAIN;
    if (retry_after > 0) {
        char *text = h2o_mem_alloc_pool(&req->pool, 12);
        snprintf(text, 12, "%u", retry_after);
        reply_header(req, H2O_TOKEN_RETRY_AFTER, text);
    }
    if (str_starts(request_path(req), STR("/api/"))) {
        form = PROBLEM;
    }
    reply_header(req, H2O_TOKEN_CONTENT_TYPE,
                 form == PROBLEM ? "application/problem+json" : "text/html; charset=utf-8");
    reply_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
    if (form == RELOADING)
        h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("refresh"), 0, NULL, H2O_STRLIT(RELOAD_AFTER));
    reply_bytes(req, TEXTS[page].status, str_of(pages[page][form]));
}
