#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "buffer.h"
#include "http_condition.h"
#include "pages.h"
#include "reply.h"
#include "request.h"

#define FILES_MAX 256
#define FILE_MAX  (8u << 20)

#define FOREVER "public, max-age=31536000, immutable"
#define ONE_DAY "public, max-age=86400" /* of names without a fingerprint */
#define ASK     "no-cache"              /* of a name from before: what it is now may change again */
#define DIGITS  8                       /* of a fingerprint */

enum coding { CODING_NONE, CODING_GZIP, CODING_BROTLI, CODING_COUNT };

struct body {
    char *bytes; /* NULL: there is none */
    size_t n;
};

/* One coding of a file. */
struct form_of_file {
    struct body body;
    char etag[136]; /* strong: the name of the coding's own file, at most 127 + 3 bytes, and its quotes */
    char modified[H2O_TIMESTR_RFC1123_LEN + 1];
    struct buffer headers; /* what meta says */
    struct meta meta;
};

struct file {
    char plain[128], name[128]; /* "site.css", "site.3f2a9c01.css" */
    const char *type;
    struct form_of_file form[CODING_COUNT];
};

struct files {
    size_t n;
    struct file file[FILES_MAX];
};

static const struct {
    const char *ending, *type;
} TYPES[] = {
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".ico", "image/x-icon"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".webp", "image/webp"},
    {".avif", "image/avif"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".xml", "application/xml"},
    {".json", "application/json"},
    {"speculation.json", "application/speculationrules+json"}, /* the later row counts */
    {".webmanifest", "application/manifest+json"},
};

static const struct {
    const char *ending; /* of the file that the build put beside the plain one */
    const char *word;   /* for Content-Encoding */
} CODINGS[] = {
    [CODING_NONE] = {"", NULL},
    [CODING_GZIP] = {".gz", "gzip"},
    [CODING_BROTLI] = {".br", "br"},
};

/* False when it is longer than FILE_MAX, or cannot be read: errno says why (ENOENT: there is none). */
static bool read_body(const char *path, struct body *body, time_t *modified)
{
    struct stat stat;
    FILE *in = fopen(path, "rb");
    if (!in) {
        return false;
    }
    bool good = fstat(fileno(in), &stat) == 0;
    if (good && (!S_ISREG(stat.st_mode) || stat.st_size > FILE_MAX)) {
        errno = EFBIG;
        good = false;
    }
    if (good) {
        body->n = (size_t)stat.st_size;
        body->bytes = malloc(body->n + 1);
        good = body->bytes && fread(body->bytes, 1, body->n, in) == body->n;
        errno = EIO;
    }
    *modified = good ? stat.st_mtime : 0;
    int reason = errno;
    fclose(in);
    errno = reason;
    return good;
}

static void write_date(char *text, time_t seconds)
{
    struct tm tm;
    h2o_time2str_rfc1123(text, gmtime_r(&seconds, &tm));
}

/* What a cache would keep of the file, for condition_form. */
static void describe(struct form_of_file *form, const char *name, enum coding coding, time_t modified)
{
    char now[H2O_TIMESTR_RFC1123_LEN + 1];
    stpcpy(stpcpy(stpcpy(stpcpy(form->etag, "\""), name), CODINGS[coding].ending), "\"");
    write_date(form->modified, modified);
    write_date(now, time(NULL));
    form->headers = (struct buffer){.limit = 1024};
    pairs_add(&form->headers, STR("etag"), str_of(form->etag));
    pairs_add(&form->headers, STR("last-modified"), str_of(form->modified));
    pairs_add(&form->headers, STR("date"), str_of(now));
    form->meta = (struct meta){.status = 200, .plain = (uint32_t)form->body.n};
    form->meta.headers = buffer_str(&form->headers);
}

static bool load_form(const char *directory, struct file *file, enum coding coding, char *error, size_t error_size)
{
    char path[4096];
    struct form_of_file *form = &file->form[coding];
    time_t modified;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s%s", directory, file->name, CODINGS[coding].ending) >=
        sizeof(path)) {
        snprintf(error, error_size, "The path of the static file %s is too long.", file->name);
        return false;
    }
    if (read_body(path, &form->body, &modified)) {
        describe(form, file->name, coding, modified);
        return true;
    }
    if (coding != CODING_NONE && errno == ENOENT) {
        return true;
    }
    snprintf(error, error_size, "The static file %s cannot be loaded: %s; expected at most %u bytes.", path,
             strerror(errno), FILE_MAX);
    return false;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n >= m && strcmp(text + n - m, ending) == 0;
}

static bool load_file(const char *directory, struct file *file, char *error, size_t error_size)
{
    if (strchr(file->name, '/') || file->name[0] == '.') {
        snprintf(error, error_size, "%s/manifest.txt names \"%s\"; expected plain file names.", directory, file->name);
        return false;
    }
    file->type = "application/octet-stream";
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        if (ends_with(file->plain, TYPES[i].ending)) {
            file->type = TYPES[i].type;
        }
    }
    for (int coding = 0; coding < CODING_COUNT; coding++) {
        if (!load_form(directory, file, coding, error, error_size)) {
            return false;
        }
    }
    return true;
}

struct files *files_load(const char *directory, char *error, size_t error_size)
{
    char path[4096], line[512];
    snprintf(path, sizeof(path), "%s/manifest.txt", directory);
    FILE *manifest = fopen(path, "r");
    if (!manifest) {
        snprintf(error, error_size, "%s, the list of static files, cannot be read: %s; set FILMYFLY_SHARE_DIR.", path,
                 strerror(errno));
        return NULL;
    }
    struct files *files = calloc(1, sizeof(*files));
    if (!files) {
        abort();
    }
    bool good = true;
    while (good && fgets(line, sizeof(line), manifest)) {
        struct file *file = &files->file[files->n];
        if (files->n == FILES_MAX || sscanf(line, "%127s %127s", file->plain, file->name) != 2) {
            snprintf(error, error_size, "%s: expected at most %d lines of two names; found \"%.60s\".", path, FILES_MAX,
                     line);
            good = false;
            break;
        }
        files->n++;
        good = load_file(directory, file, error, error_size);
    }
    fclose(manifest);
    if (!good) {
        files_free(&files);
    }
    return files;
}

void files_free(struct files **slot)
{
    struct files *files = *slot;
    if (files) {
        for (size_t i = 0; i < files->n * CODING_COUNT; i++) {
            struct form_of_file *form = &files->file[i / CODING_COUNT].form[i % CODING_COUNT];
            free(form->body.bytes);
            buffer_release(&form->headers);
        }
        free(files);
        *slot = NULL;
    }
}

static const struct file *find_plain(const struct files *files, const char *plain)
{
    for (size_t i = 0; i < files->n; i++) {
        if (strcmp(files->file[i].plain, plain) == 0) {
            return &files->file[i];
        }
    }
    return NULL;
}

const char *files_name(const struct files *files, const char *plain_name)
{
    const struct file *file = find_plain(files, plain_name);
    return file ? file->name : "";
}

/* Parts are of the plain bytes. */
static enum coding choose_coding(const struct file *file, const struct request_facts *facts)
{
    if (facts->range.p) {
        return CODING_NONE;
    }
    if (facts->flags & FACT_BROTLI && file->form[CODING_BROTLI].body.bytes) {
        return CODING_BROTLI;
    }
    return facts->flags & FACT_GZIP && file->form[CODING_GZIP].body.bytes ? CODING_GZIP : CODING_NONE;
}

static void read_facts(h2o_req_t *req, struct request_facts *facts)
{
    facts_begin(facts, (struct str){req->method.base, (uint32_t)req->method.len});
    for (size_t i = 0; i < req->headers.size; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        facts_add(facts, (struct str){header->name->base, (uint32_t)header->name->len},
                  (struct str){header->value.base, (uint32_t)header->value.len});
    }
    facts_end(facts);
}

static void send_file(h2o_req_t *req, const struct file *file, const char *cache_control)
{
    static const int statuses[] = {
        [FORM_WHOLE] = 200, [FORM_NOT_MODIFIED] = 304, [FORM_PART] = 206, [FORM_UNSATISFIABLE] = 416};
    struct request_facts facts;
    struct part part;
    read_facts(req, &facts);
    enum coding coding = choose_coding(file, &facts);
    const struct form_of_file *chosen = &file->form[coding];
    enum form form = condition_form(&facts, &chosen->meta, &part);
    struct str body = {chosen->body.bytes, (uint32_t)chosen->body.n};

    reply_header(req, H2O_TOKEN_CACHE_CONTROL, cache_control);
    reply_header(req, H2O_TOKEN_ETAG, chosen->etag);
    reply_header(req, H2O_TOKEN_LAST_MODIFIED, chosen->modified);
    if (file->form[CODING_GZIP].body.bytes || file->form[CODING_BROTLI].body.bytes) {
        reply_line(req, NULL, STR("vary"), STR("accept-encoding"));
    }
    if (form != FORM_NOT_MODIFIED) {
        reply_header(req, H2O_TOKEN_ACCEPT_RANGES, "bytes");
        reply_header(req, H2O_TOKEN_CONTENT_TYPE, file->type);
    }
    if (form == FORM_WHOLE && coding != CODING_NONE) {
        reply_header(req, H2O_TOKEN_CONTENT_ENCODING, CODINGS[coding].word);
    }
    if (form == FORM_PART || form == FORM_UNSATISFIABLE) {
        reply_range(req, &part, form == FORM_PART);
        body = form == FORM_PART ? (struct str){body.p + part.first, part.n} : STR("");
    }
    reply_bytes(req, statuses[form], body);
}

/* Is it this file's name of another release? */
static bool is_same_but_digits(const struct file *file, struct str name)
{
    size_t stem = strcspn(file->plain, ".") + 1, end = stem + DIGITS;

    if (name.n != strlen(file->name) || name.n < end || memcmp(name.p, file->name, stem) != 0 ||
        memcmp(name.p + end, file->name + end, name.n - end) != 0) {
        return false;
    }
    for (size_t i = stem; i < end; i++) {
        if (!(name.p[i] >= '0' && name.p[i] <= '9') && !(name.p[i] >= 'a' && name.p[i] <= 'f')) {
            return false;
        }
    }
    return true;
}

/* A page that a browser kept over an upgrade names the files of before; it is shown with those of now. */
static const struct file *find_named(const struct files *files, struct str name, const char **cache_control)
{
    for (size_t i = 0; i < files->n; i++) {
        if (str_eq(str_of(files->file[i].name), name)) {
            *cache_control = FOREVER;
            return &files->file[i];
        }
    }
    for (size_t i = 0; i < files->n; i++) {
        if (is_same_but_digits(&files->file[i], name)) {
            *cache_control = ASK;
            return &files->file[i];
        }
    }
    return NULL;
}

bool files_answer(const struct files *files, h2o_req_t *req)
{
    static const struct str prefix = {"/static/", 8};
    struct str target = request_path(req);
    const struct file *file = NULL;
    const char *cache_control = NULL;

    if (str_starts(target, prefix)) {
        file = find_named(files, (struct str){target.p + prefix.n, target.n - prefix.n}, &cache_control);
    } else if (str_eq(target, STR("/favicon.ico")) || str_eq(target, STR("/favicon.svg"))) {
        /* Browsers that ask for the .ico without being told to also read SVG. */
        const struct file *ico = target.p[target.n - 1] == 'o' ? find_plain(files, "favicon.ico") : NULL;
        file = ico ? ico : find_plain(files, "favicon.svg");
        cache_control = ONE_DAY;
    } else {
        return false;
    }
    if (!request_is(req, "GET") && !request_is(req, "HEAD")) {
        reply_header(req, H2O_TOKEN_ALLOW, "GET, HEAD");
        page_send(req, PAGE_METHOD_NOT_ALLOWED, 0);
    } else if (!file) {
        page_send(req, PAGE_NOT_FOUND, 0);
    } else {
        send_file(req, file, cache_control);
    }
    return true;
}
