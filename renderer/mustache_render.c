#include <stdio.h>

#include "mustache_program.h"

#define INDENT_MAX 1024

/* The arguments that a parent tag gives; they outlive the rendering of the parent. */
struct arguments {
    const struct arguments *outer; /* those given to the template in which the parent tag stands */
    const struct mustache *m;      /* that template */
    uint32_t parent;               /* the parent tag's instruction */
};

/* The template whose instructions are running, and on whose behalf. */
struct scope {
    const struct mustache *m;
    const struct arguments *arguments;
    uint32_t strip; /* blanks to take away at the head of each of its lines */
};

struct render {
    struct buffer *out;
    struct mustache_partials partials;
    const struct value *contexts[MUSTACHE_DEPTH + 1]; /* the data, then a value of each section under way */
    unsigned contexts_n;
    unsigned calls; /* partials, parents and arguments under way */
    uint32_t steps;
    /* What to put at the head of each line: indent[from .. to). An inline partial starts from nothing, at `to`. */
    char indent[INDENT_MAX];
    uint32_t indent_from, indent_to;
    bool mid_line; /* an argument continues a line: its first line needs no indentation */
    struct mustache_error error;
};

static bool run(struct render *r, const struct scope *s, uint32_t from, uint32_t to);

static void put_text(struct render *r, const struct scope *s, const struct op *op)
{
    const char *p = s->m->source.p + op->at;
    const char *end = p + op->n;
    bool head = op->flags & OP_LINE_HEAD;
    if (r->indent_from == r->indent_to && s->strip == 0) {
        buffer_append(r->out, p, op->n);
        if (head)
            r->mid_line = false;
        return;
    }
    while (head || p < end) {
        if (head) {
            for (uint32_t n = 0; n < s->strip && p < end && (*p == ' ' || *p == '\t'); n++)
                p++;
            if (!r->mid_line)
                buffer_append(r->out, r->indent + r->indent_from, r->indent_to - r->indent_from);
            r->mid_line = false;
        }
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline + 1 : end;
        buffer_append(r->out, p, (size_t)(stop - p));
        p = stop;
        head = p < end; /* then a newline was found; what follows the text's last newline is the next instruction's */
    }
}

static void put_escaped(struct buffer *out, struct str s)
{
    static const struct str entities[] = {{0}, STR("&amp;"), STR("&lt;"), STR("&gt;"), STR("&quot;"), STR("&#39;")};
    static const uint8_t which[256] = {['&'] = 1, ['<'] = 2, ['>'] = 3, ['"'] = 4, ['\''] = 5};
    const char *end = s.p + s.n;
    const char *done = s.p;
    for (const char *p = s.p; p < end; p++) {
        uint8_t entity = which[(unsigned char)*p];
        if (entity == 0)
            continue;
        buffer_append(out, done, (size_t)(p - done));
        buffer_append_str(out, entities[entity]);
        done = p + 1;
    }
    buffer_append(out, done, (size_t)(end - done));
}

static void put_value(struct buffer *out, const struct value *value, bool escaped)
{
    switch (value->type) {
    case VALUE_STR:
        if (escaped)
            put_escaped(out, value->as.str);
        else
            buffer_append_str(out, value->as.str);
        break;
    case VALUE_INT:
        buffer_append_int(out, value->as.integer);
        break;
    case VALUE_FLOAT:
        buffer_append_double(out, value->as.number);
        break;
    case VALUE_BOOL:
        buffer_append_str(out, value->as.boolean ? STR("true") : STR("false"));
        break;
    case VALUE_NIL:
    case VALUE_LIST:
    case VALUE_MAP:
        break;
    }
}

/* The value of a dotted name, or NULL. Only its first part is looked for in the whole stack: an a without b hides outer
 * ones. */
static const struct value *lookup(const struct render *r, const struct mustache *m, const struct op *op)
{
    unsigned i = r->contexts_n - 1;
    if (op->parts == 0)
        return r->contexts[i];
    const struct str *names = &m->names[op->name];
    const struct value *value;
    while (!(value = value_get(r->contexts[i], names[0])))
        if (i-- == 0)
            return NULL;
    for (unsigned part = 1; value && part < op->parts; part++)
        value = value_get(value, names[part]);
    return value;
}

static bool section(struct render *r, const struct scope *s, uint32_t at)
{
    const struct op *op = &s->m->ops[at];
    const struct value *value = lookup(r, s->m, op);
    if (!value || !value_truth(value))
        return true;
    if (r->contexts_n > MUSTACHE_DEPTH)
        return mustache_fail(s->m, op->at, r->error, "sections are nested more than %d deep", MUSTACHE_DEPTH);
    bool list = value->type == VALUE_LIST;
    uint32_t n = list ? value->n : 1;
    bool ok = true;
    r->contexts_n++;
    for (uint32_t i = 0; ok && i < n; i++) {
        r->contexts[r->contexts_n - 1] = list ? &value->as.items[i] : value;
        ok = run(r, s, at + 1, op->end);
    }
    r->contexts_n--;
    return ok;
}

/* Adds an instruction's indentation to what begins each line. */
static bool push_indent(struct render *r, const struct scope *s, const struct op *op)
{
    uint32_t cut = op->indent_n < s->strip ? op->indent_n : s->strip;
    uint32_t n = op->indent_n - cut;
    if (n > INDENT_MAX - r->indent_to)
        return mustache_fail(s->m, op->at, r->error, "it is indented by more than %d columns", INDENT_MAX);
    memcpy(r->indent + r->indent_to, s->m->source.p + op->indent + cut, n);
    r->indent_to += n;
    return true;
}

/* {{>name}}, {{<name}} */
static bool call(struct render *r, const struct scope *s, uint32_t at)
{
    const struct op *op = &s->m->ops[at];
    struct str name;
    char digits[32];
    struct buffer text = {.p = digits, .size = sizeof digits, .limit = sizeof digits};
    if (op->flags & OP_DYNAMIC) {
        const struct value *value = lookup(r, s->m, op);
        if (value && value->type == VALUE_STR) {
            name = value->as.str;
        } else {
            if (value)
                put_value(&text, value, false);
            name = buffer_str(&text);
        }
    } else {
        name = s->m->names[op->name];
    }
    const struct mustache *target = name.n > 0 ? r->partials.find(r->partials.owner, name) : NULL;
    if (!target)
        return true;
    if (r->calls == MUSTACHE_DEPTH)
        return mustache_fail(s->m, op->at, r->error, "partials are nested more than %d deep", MUSTACHE_DEPTH);
    uint32_t from = r->indent_from, to = r->indent_to;
    if (!(op->flags & OP_STANDALONE))
        r->indent_from = r->indent_to;
    else if (!push_indent(r, s, op))
        return false;
    struct arguments given = {s->arguments, s->m, at};
    struct scope inner = {.m = target, .arguments = op->kind == OP_PARENT ? &given : s->arguments};
    r->calls++;
    bool ok = run(r, &inner, 0, target->ops_n);
    r->calls--;
    r->indent_from = from;
    r->indent_to = to;
    return ok;
}

/* The argument for a block: the outermost that gives one, as the one nearest to the page has the last word. NULL
 * without one. */
static const struct op *find_argument(const struct scope *s, struct str name, const struct arguments **giver)
{
    const struct op *found = NULL;
    for (const struct arguments *a = s->arguments; a; a = a->outer) {
        const struct op *ops = a->m->ops;
        for (uint32_t i = a->parent + 1; i < ops[a->parent].end; i = ops[i].end) {
            if (ops[i].kind == OP_ARGUMENT && str_eq(a->m->names[ops[i].name], name)) {
                found = &ops[i];
                *giver = a;
                break;
            }
        }
    }
    return found;
}

/*
 * Renders an argument in the place of a block. A block inside it is a parameter of the argument's own template, so it
 * sees only what that was given; this also ends an argument that names itself.
 */
static bool substitute(struct render *r, const struct scope *s, const struct op *block, const struct op *argument,
                       const struct arguments *giver)
{
    if (r->calls == MUSTACHE_DEPTH)
        return mustache_fail(s->m, block->at, r->error, "partials are nested more than %d deep", MUSTACHE_DEPTH);
    uint32_t to = r->indent_to;
    if (!push_indent(r, s, block))
        return false;
    uint32_t first = (uint32_t)(argument - giver->m->ops) + 1;
    bool own_line = argument->flags & OP_STANDALONE;
    if (!(block->flags & OP_STANDALONE))
        r->mid_line = own_line;
    else if (!own_line && first < argument->end)
        buffer_append(r->out, r->indent + r->indent_from, r->indent_to - r->indent_from);
    struct scope inner = {.m = giver->m, .arguments = giver->outer, .strip = argument->indent_n};
    r->calls++;
    bool ok = run(r, &inner, first, argument->end);
    r->calls--;
    r->mid_line = false;
    r->indent_to = to;
    return ok;
}

static bool run(struct render *r, const struct scope *s, uint32_t from, uint32_t to)
{
    const struct op *ops = s->m->ops;
    const struct value *value;
    const struct arguments *giver = NULL;
    const struct op *argument;
    for (uint32_t i = from; i < to;) {
        const struct op *op = &ops[i];
        uint32_t next = op->end;
        bool ok = true;
        if (r->out->failed)
            return mustache_fail(s->m, op->at, r->error, "the page is longer than %zu bytes", r->out->limit);
        if (++r->steps > MUSTACHE_STEPS)
            return mustache_fail(s->m, op->at, r->error, "the page takes more than %d steps", MUSTACHE_STEPS);
        switch ((enum op_kind)op->kind) {
        case OP_TEXT:
            put_text(r, s, op);
            break;
        case OP_ESCAPED:
        case OP_RAW:
            value = lookup(r, s->m, op);
            if (value)
                put_value(r->out, value, op->kind == OP_ESCAPED);
            break;
        case OP_SECTION:
            ok = section(r, s, i);
            break;
        case OP_INVERTED:
            value = lookup(r, s->m, op);
            if (!value || !value_truth(value))
                next = i + 1;
            break;
        case OP_PARTIAL:
        case OP_PARENT:
            ok = call(r, s, i);
            break;
        case OP_BLOCK:
            argument = find_argument(s, s->m->names[op->name], &giver);
            if (argument)
                ok = substitute(r, s, op, argument, giver);
            else
                next = i + 1;
            break;
        case OP_ARGUMENT:
            break;
        }
        if (!ok)
            return false;
        i = next;
    }
    return true;
}

static const struct mustache *find_nothing(void *owner, struct str name)
{
    (void)owner;
    (void)name;
    return NULL;
}

bool mustache_render(const struct mustache *template, const struct value *data, struct mustache_partials partials,
                     struct buffer *out, char *error, size_t error_size)
{
    struct render r = {.out = out, .partials = partials, .error = {error, error_size}};
    if (!partials.find)
        r.partials.find = find_nothing;
    r.contexts[r.contexts_n++] = data;
    struct scope s = {.m = template};
    if (!run(&r, &s, 0, template->ops_n))
        return false;
    if (out->failed) {
        snprintf(error, error_size, "%s: the page is longer than %zu bytes", template->title, out->limit);
        return false;
    }
    return true;
}
