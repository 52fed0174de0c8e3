#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "encoding.h"
#include "pages.h"
#include "reply.h"
#include "request.h"

#define FILES_MAX 256
#define FILE_MAX  (8u << 20)

#define FOREVER "public, max-age=31536000, immutable"
#define ONE_DAY "public, max-age=86400" /* of names without a fingerprint */

struct file {
    char plain[128], name[128]; /* "site.css", "site.3f2a9c01.css" */
    char etag[140];
    const char *type;
    unsigned char *bytes, *gzip; /* gzip: NULL when it is no shorter */
    size_t n, gzip_n;
};

struct files {
    size_t n;
    struct file file[FILES_MAX];
};

static const struct {
    const char *ending, *type;
    bool compress;
} TYPES[] = {
    {".css", "text/css; charset=utf-8", true},
    {".js", "text/javascript; charset=utf-8", true},
    {".svg", "image/svg+xml", true},
    {".ico", "image/x-icon", true},
    {".png", "image/png", false},
    {".jpg", "image/jpeg", false},
    {".webp", "image/webp", false},
    {".avif", "image/avif", false},
    {".woff2", "font/woff2", false},
    {".txt", "text/plain; charset=utf-8", true},
    {".xml", "application/xml", true},
    {".json", "application/json", true},
    {"speculation.json", "application/speculationrules+json", true}, /* the later row counts */
    {".webmanifest", "application/manifest+json", true},
};

/* Compressed once, as well as zlib can. */
static void compress_file(struct file *file)
{
    z_stream z = {0};
    if (deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
        return;
    }
    size_t room = deflateBound(&z, file->n);
    unsigned char *out = malloc(room);
    z.next_in = file->bytes;
    z.avail_in = (uInt)file->n;
    z.next_out = out;
    z.avail_out = (uInt)room;
    if (out && deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < file->n) {
        file->gzip = out;
        file->gzip_n = z.total_out;
        out = NULL;
    }
    free(out);
    deflateEnd(&z);
}

static bool read_file(const char *directory, struct file *file, char *error, size_t error_size)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, file->name) >= sizeof(path)) {
        snprintf(error, error_size, "The path of the static file %s is too long.", file->name);
        return false;
    }
    FILE *in = fopen(path, "rb");
    if (!in) {
        snprintf(error, error_size, "%s, which manifest.txt names, cannot be read: %s.", path, strerror(errno));
        return false;
    }
    file->bytes = malloc(FILE_MAX + 1);
    file->n = file->bytes ? fread(file->bytes, 1, FILE_MAX + 1, in) : 0;
    bool good = file->bytes && !ferror(in) && file->n <= FILE_MAX;
    fclose(in);
    if (!good) {
        snprintf(error, error_size, "%s cannot be loaded: expected at most %u bytes.", path, FILE_MAX);
        return false;
    }
    unsigned char *fitting = realloc(file->bytes, file->n ? file->n : 1);
    if (fitting) {
        file->bytes = fitting;
    }
    return true;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n >= m && strcmp(text + n - m, ending) == 0;
}

static bool load_file(const char *directory, struct file *file, char *error, size_t error_size)
{
    bool compress = false;
    if (strchr(file->name, '/') || file->name[0] == '.') {
        snprintf(error, error_size, "%s/manifest.txt names \"%s\"; expected plain file names.", directory, file->name);
        return false;
    }
    if (!read_file(directory, file, error, error_size)) {
        return false;
    }
    file->type = "application/octet-stream";
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        if (ends_with(file->plain, TYPES[i].ending)) {
            file->type = TYPES[i].type;
            compress = TYPES[i].compress;
        }
    }
    stpcpy(stpcpy(stpcpy(file->etag, "W/\""), file->name), "\""); /* the name is shorter by more than these */
    if (compress) {
        compress_file(file);
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
        for (size_t i = 0; i < files->n; i++) {
            free(files->file[i].bytes);
            free(files->file[i].gzip);
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

static void send_file(h2o_req_t *req, const struct file *file, const char *cache_control)
{
    struct str known = request_header(req, H2O_TOKEN_IF_NONE_MATCH);
    bool gzip = file->gzip && encoding_accepts_gzip(request_header(req, H2O_TOKEN_ACCEPT_ENCODING));
    bool same = known.p && memmem(known.p, known.n, file->etag + 2, strlen(file->etag + 2));

    reply_header(req, H2O_TOKEN_CONTENT_TYPE, file->type);
    reply_header(req, H2O_TOKEN_CACHE_CONTROL, cache_control);
    reply_header(req, H2O_TOKEN_ETAG, file->etag);
    if (file->gzip) {
        reply_header(req, H2O_TOKEN_VARY, "accept-encoding");
    }
    if (gzip && !same) {
        reply_header(req, H2O_TOKEN_CONTENT_ENCODING, "gzip");
    }
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-content-type-options"), 0, NULL,
                          H2O_STRLIT("nosniff"));
    reply_bytes(req, same ? 304 : 200,
                gzip ? (struct str){(char *)file->gzip, (uint32_t)file->gzip_n}
                     : (struct str){(char *)file->bytes, (uint32_t)file->n});
}

bool files_answer(const struct files *files, h2o_req_t *req)
{
    static const struct str prefix = {"/static/", 8};
    struct str target = request_path(req);
    const struct file *file = NULL;
    const char *cache_control = FOREVER;

    if (str_starts(target, prefix)) {
        struct str name = {target.p + prefix.n, target.n - prefix.n};
        for (size_t i = 0; i < files->n && !file; i++) {
            file = str_eq(str_of(files->file[i].name), name) ? &files->file[i] : NULL;
        }
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
