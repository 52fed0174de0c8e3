#include "mustache_program.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void mustache_locate(const struct mustache *template, uint32_t at, unsigned *line, unsigned *column)
{
    *line = *column = 1;
    for (uint32_t i = 0; i < at && i < template->source.n; i++) {
        unsigned char c = (unsigned char)template->source.p[i];
        if (c == '\n') {
            ++*line;
            *column = 1;
        } else if ((c & 0xc0) != 0x80) { /* UTF-8: all but a character's first byte are 10xxxxxx */
            ++*column;
        }
    }
}

bool mustache_fail(const struct mustache *template, uint32_t at, struct mustache_error error, const char *format, ...)
{
    unsigned line, column;
    mustache_locate(template, at, &line, &column);
    int n = snprintf(error.text, error.size, "%s:%u:%u: ", template->title, line, column);
    if (n >= 0 && (size_t)n < error.size) {
        va_list args;
        va_start(args, format);
        vsnprintf(error.text + n, error.size - (size_t)n, format, args);
        va_end(args);
    }
    return false;
}

void mustache_free(struct mustache **template)
{
    struct mustache *m = *template;
    if (!m)
        return;
    free((char *)m->source.p);
    free(m->title);
    free(m->ops);
    free(m->names);
    free(m);
    *template = NULL;
}

void mustache_each_partial(const struct mustache *template, mustache_visit *visit, void *arg)
{
    for (uint32_t i = 0; i < template->ops_n; i++) {
        const struct op *op = &template->ops[i];
        if ((op->kind != OP_PARTIAL && op->kind != OP_PARENT) || op->flags & OP_DYNAMIC)
            continue;
        unsigned line, column;
        char place[300];
        mustache_locate(template, op->at, &line, &column);
        snprintf(place, sizeof place, "%s:%u:%u", template->title, line, column);
        visit(arg, place, template->names[op->name]);
    }
}
