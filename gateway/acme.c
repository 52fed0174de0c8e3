#include "acme.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pages.h"
#include "reply.h"
#include "request.h"

#define TOKEN_MAX  128
#define ANSWER_MAX 1024 /* a token, a dot and a thumbprint have less than 200 bytes */

static const struct str PREFIX = {"/.well-known/acme-challenge/", 28};

/* Letters of base64url (RFC 8555 section 8.3), so no dot and no slash. */
static bool is_token(struct str token)
{
    for (uint32_t i = 0; i < token.n; i++) {
        char c = token.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
            return false;
        }
    }
    return token.n > 0 && token.n <= TOKEN_MAX;
}

/* The file's bytes, in the request's memory; STR_NONE when there is no such file. */
static struct str read_answer(const char *directory, struct str token, h2o_req_t *req)
{
    char path[1200];
    struct stat status;
    struct str answer = STR_NONE;

    int n = snprintf(path, sizeof(path), "%s%.*s%.*s", directory, (int)PREFIX.n, PREFIX.p, (int)token.n, token.p);
    int fd = n < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    if (fd < 0) {
        return answer;
    }
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= ANSWER_MAX) {
        char *bytes = h2o_mem_alloc_pool(&req->pool, ANSWER_MAX);
        ssize_t got = read(fd, bytes, ANSWER_MAX);
        if (got >= 0) {
            answer = (struct str){bytes, (uint32_t)got};
        }
    }
    close(fd);
    return answer;
}

bool acme_answer(const char *directory, h2o_req_t *req)
{
    struct str path = request_path(req);

    if (!*directory || !str_starts(path, PREFIX)) {
        return false;
    }
    struct str token = {path.p + PREFIX.n, path.n - PREFIX.n};
    struct str answer = is_token(token) ? read_answer(directory, token, req) : STR_NONE;
    if (!request_is(req, "GET") && !request_is(req, "HEAD")) {
        reply_header(req, H2O_TOKEN_ALLOW, "GET, HEAD");
        page_send(req, PAGE_METHOD_NOT_ALLOWED, 0);
    } else if (!answer.p) {
        page_send(req, PAGE_NOT_FOUND, 0);
    } else {
        reply_header(req, H2O_TOKEN_CONTENT_TYPE, "application/octet-stream");
        reply_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
        reply_bytes(req, 200, answer);
    }
    return true;
}
