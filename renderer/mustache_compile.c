#include <stdio.h>
#include <stdlib.h>

#include "mustache_program.h"

#define NONE UINT32_MAX

/* A tag whose content is being compiled. */
struct open_tag {
    struct str name;
    uint32_t op;
    uint32_t content; /* where its content begins in the source */
    uint32_t
        lead; /* PARENT: the instruction with the whitespace before it, when nothing else is before it; else NONE */
};

struct compiler {
    struct mustache *m;
    const char *source;
    uint32_t n;
    uint32_t pos; /* everything before it is compiled */
    struct str open, close;
    uint32_t ops_room, names_room;
    struct open_tag stack[MUSTACHE_DEPTH];
    unsigned depth;
    struct mustache_error error;
};

/* A tag as it stands in the source. */
struct tag {
    char sigil; /* one of "#^/><$&!=", '{', or 0 for plain {{name}} */
    bool dynamic;
    struct str name;
    uint32_t start, end; /* in the source, delimiters included */
    uint32_t line;       /* where the whitespace before it starts */
    bool left_blank;     /* which is where its line starts */
    bool right_blank;    /* only whitespace after it on its line */
    uint32_t next_line;  /* where the next line starts, when right_blank */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
    return is_blank(c) || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static struct str trim(struct str s)
{
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool has_space(struct str s)
{
    for (uint32_t i = 0; i < s.n; i++)
        if (is_space(s.p[i]))
            return true;
    return false;
}

/* Room for one more item; false when memory is out. */
static bool grow(void **items, uint32_t n, uint32_t *room, size_t size)
{
    if (n < *room)
        return true;
    uint32_t more = *room ? *room * 2 : 16;
    void *p = realloc(*items, more * size);
    if (!p)
        return false;
    *items = p;
    *room = more;
    return true;
}

/* Appends an instruction and gives its number, NONE when memory is out. */
static uint32_t emit(struct compiler *c, enum op_kind kind, uint32_t at)
{
    struct mustache *m = c->m;
    if (!grow((void **)&m->ops, m->ops_n, &c->ops_room, sizeof *m->ops)) {
        mustache_fail(c->m, at, c->error, "memory is out");
        return NONE;
    }
    m->ops[m->ops_n] = (struct op){.kind = kind, .at = at, .end = m->ops_n + 1};
    return m->ops_n++;
}

static bool inside_parent(const struct compiler *c)
{
    return c->depth > 0 && c->m->ops[c->stack[c->depth - 1].op].kind == OP_PARENT;
}

static bool emit_text(struct compiler *c, uint32_t from, uint32_t to)
{
    uint32_t i = emit(c, OP_TEXT, from);
    if (i == NONE)
        return false;
    c->m->ops[i].n = to - from;
    c->m->ops[i].flags = from == 0 || c->source[from - 1] == '\n' ? OP_LINE_HEAD : 0;
    return true;
}

/*
 * The text between the last tag and this one, without the whitespace before a tag that stands alone. A line that begins
 * with a tag and stays begins with an empty text. Text directly in a parent means nothing.
 */
static bool text_before(struct compiler *c, const struct tag *tag, bool alone)
{
    uint32_t to = alone ? tag->line : tag->start;
    if (inside_parent(c))
        return true;
    if (to > c->pos && !emit_text(c, c->pos, to))
        return false;
    bool at_head = tag->left_blank && tag->line == tag->start;
    return alone || !at_head || emit_text(c, tag->start, tag->start);
}

static bool add_name(struct compiler *c, struct op *op, uint32_t at, struct str name)
{
    struct mustache *m = c->m;
    if (!grow((void **)&m->names, m->names_n, &c->names_room, sizeof *m->names))
        return mustache_fail(c->m, at, c->error, "memory is out");
    if (op->parts == 0)
        op->name = m->names_n;
    m->names[m->names_n++] = name;
    op->parts++;
    return true;
}

/* Splits a.b.c at its dots; "." alone is the current item and has no parts. */
static bool add_dotted(struct compiler *c, struct op *op, const struct tag *tag)
{
    if (str_eq(tag->name, STR(".")))
        return true;
    const struct str name = tag->name;
    uint32_t from = 0;
    for (uint32_t i = 0; i <= name.n; i++) {
        if (i < name.n && name.p[i] != '.')
            continue;
        if (i == from)
            return mustache_fail(c->m, tag->start, c->error, "the name " STR_FMT " has nothing before or after a dot",
                                 STR_ARG(name));
        if (!add_name(c, op, tag->start, (struct str){name.p + from, i - from}))
            return false;
        from = i + 1;
    }
    return true;
}

static bool add_static_or_dotted(struct compiler *c, struct op *op, const struct tag *tag)
{
    if (!tag->dynamic)
        return add_name(c, op, tag->start, tag->name);
    op->flags |= OP_DYNAMIC;
    return add_dotted(c, op, tag);
}

/* How many blanks begin the line at `at`. */
static uint32_t count_blanks(const struct compiler *c, uint32_t at, uint32_t to)
{
    uint32_t n = 0;
    while (at + n < to && is_blank(c->source[at + n]))
        n++;
    return n;
}

/* The first line of [from, to) that holds more than whitespace: where it starts, or NONE. */
static uint32_t first_full_line(const struct compiler *c, uint32_t from, uint32_t to)
{
    uint32_t line = from;
    for (uint32_t i = from; i < to; i++) {
        if (!is_space(c->source[i]))
            return line;
        if (c->source[i] == '\n')
            line = i + 1;
    }
    return NONE;
}

/* Fills in what surrounds the tag on its line. */
static void look_around(const struct compiler *c, struct tag *tag)
{
    tag->line = tag->start;
    while (tag->line > 0 && is_blank(c->source[tag->line - 1]))
        tag->line--;
    tag->left_blank = tag->line == 0 || c->source[tag->line - 1] == '\n';
    uint32_t i = tag->end + count_blanks(c, tag->end, c->n);
    if (i + 1 < c->n && c->source[i] == '\r' && c->source[i + 1] == '\n')
        i++;
    tag->right_blank = i == c->n || c->source[i] == '\n';
    tag->next_line = i < c->n ? i + 1 : i;
}

/* The place of the closing delimiter after a content that begins at `start` and ends with `before` (0: anything); NONE
 * without one. */
static uint32_t find_close(const struct compiler *c, uint32_t start, char before)
{
    uint32_t from = start;
    while (true) {
        const char *p = memmem(c->source + from, c->n - from, c->close.p, c->close.n);
        if (!p)
            return NONE;
        uint32_t at = (uint32_t)(p - c->source);
        if (!before || (at > start && c->source[at - 1] == before))
            return at;
        from = at + 1;
    }
}

/* Reads the tag whose opening delimiter is at `start`. */
static bool read_tag(struct compiler *c, uint32_t start, struct tag *tag)
{
    *tag = (struct tag){.start = start};
    uint32_t p = start + c->open.n;
    while (p < c->n && is_space(c->source[p]))
        p++;
    if (p < c->n && c->source[p] && strchr("#^/><$&!={", c->source[p]))
        tag->sigil = c->source[p++];
    const char *before = tag->sigil == '{' ? "}" : tag->sigil == '=' ? "=" : "";
    uint32_t close = find_close(c, p, before[0]);
    if (close == NONE)
        return mustache_fail(c->m, start, c->error, "the tag is never closed with %s" STR_FMT, before,
                             STR_ARG(c->close));
    tag->end = close + c->close.n;
    look_around(c, tag);
    tag->name = trim((struct str){c->source + p, close - (uint32_t)strlen(before) - p});
    if (tag->sigil == '!' || tag->sigil == '=')
        return true;
    if (tag->sigil && strchr("><$/", tag->sigil) && tag->name.n > 0 && tag->name.p[0] == '*') {
        tag->dynamic = tag->sigil != '$';
        if (tag->dynamic)
            tag->name = trim((struct str){tag->name.p + 1, tag->name.n - 1});
    }
    if (tag->name.n == 0)
        return mustache_fail(c->m, start, c->error, "the tag has no name");
    if (tag->name.n > MUSTACHE_NAME_MAX)
        return mustache_fail(c->m, start, c->error, "the name is longer than %d bytes", MUSTACHE_NAME_MAX);
    if (has_space(tag->name))
        return mustache_fail(c->m, start, c->error, "the name " STR_FMT " has a space in it", STR_ARG(tag->name));
    return true;
}

/* {{=<% %>=}} */
static bool set_delimiters(struct compiler *c, const struct tag *tag)
{
    struct str open = tag->name;
    open.n = 0;
    while (open.n < tag->name.n && !is_space(open.p[open.n]))
        open.n++;
    struct str close = trim((struct str){open.p + open.n, tag->name.n - open.n});
    if (open.n == 0 || close.n == 0 || has_space(close) || memchr(tag->name.p, '=', tag->name.n))
        return mustache_fail(c->m, tag->start, c->error, "new delimiters are two words without =, as in {{=<%% %%>=}}");
    c->open = open;
    c->close = close;
    return true;
}

static bool push(struct compiler *c, struct open_tag open, const struct tag *tag)
{
    if (c->depth == MUSTACHE_DEPTH)
        return mustache_fail(c->m, tag->start, c->error, "tags are nested more than %d deep", MUSTACHE_DEPTH);
    open.name = tag->name;
    c->stack[c->depth++] = open;
    return true;
}

static const char *kind_name(enum op_kind kind)
{
    return kind == OP_SECTION    ? "section {{#"
           : kind == OP_INVERTED ? "inverted section {{^"
           : kind == OP_PARENT   ? "parent {{<"
                                 : "block {{$";
}

/* {{#name}}, {{^name}}, {{$name}}, {{<name}} */
static bool open_content(struct compiler *c, const struct tag *tag)
{
    bool argument = tag->sigil == '$' && inside_parent(c);
    bool alone = tag->left_blank && tag->right_blank;
    struct open_tag open = {.lead = NONE};
    enum op_kind kind = tag->sigil == '#'   ? OP_SECTION
                        : tag->sigil == '^' ? OP_INVERTED
                        : tag->sigil == '<' ? OP_PARENT
                        : argument          ? OP_ARGUMENT
                                            : OP_BLOCK;
    bool maybe_alone = kind == OP_PARENT && tag->left_blank && !inside_parent(c);
    if (!text_before(c, tag, maybe_alone || (alone && kind != OP_PARENT)))
        return false;
    if (maybe_alone) {
        /* Only its end tells whether a parent stands alone: until then the whitespace before it is an instruction of
         * its own. */
        if (!emit_text(c, tag->line, tag->start))
            return false;
        open.lead = c->m->ops_n - 1;
    }
    if ((open.op = emit(c, kind, tag->start)) == NONE)
        return false;
    struct op *op = &c->m->ops[open.op];
    if (kind == OP_ARGUMENT)
        alone = tag->right_blank; /* what stands before it is ignored, so that it may follow {{<parent}} on its line */
    if (kind == OP_PARENT)
        alone = false; /* what follows it is ignored */
    if (alone && (kind == OP_BLOCK || kind == OP_ARGUMENT))
        op->flags |= OP_STANDALONE;
    op->indent = tag->line;
    op->indent_n = tag->left_blank && kind != OP_ARGUMENT ? tag->start - tag->line : 0;
    if (!(kind == OP_SECTION || kind == OP_INVERTED ? add_dotted(c, op, tag) : add_static_or_dotted(c, op, tag)))
        return false;
    c->pos = open.content = alone ? tag->next_line : tag->end;
    return push(c, open, tag);
}

/* The indentation of a block's own text: what its default stands for, and what an argument loses where it is used. */
static void measure_content(struct compiler *c, struct op *op, const struct open_tag *open, uint32_t to)
{
    if (!(op->flags & OP_STANDALONE))
        return;
    uint32_t line = first_full_line(c, open->content, to);
    if (line == NONE)
        return; /* a block without a default keeps the indentation of its tag */
    op->indent = line;
    op->indent_n = count_blanks(c, line, to);
}

/* {{/name}} */
static bool close_content(struct compiler *c, const struct tag *tag)
{
    const char *star = tag->dynamic ? "*" : "";
    if (c->depth == 0)
        return mustache_fail(c->m, tag->start, c->error, "{{/%s" STR_FMT "}} closes nothing", star, STR_ARG(tag->name));
    const struct open_tag *open = &c->stack[c->depth - 1];
    enum op_kind kind = c->m->ops[open->op].kind;
    bool dynamic = c->m->ops[open->op].flags & OP_DYNAMIC;
    if (dynamic != tag->dynamic || !str_eq(open->name, tag->name)) {
        unsigned line, column;
        mustache_locate(c->m, c->m->ops[open->op].at, &line, &column);
        return mustache_fail(c->m, tag->start, c->error,
                             "{{/%s" STR_FMT "}} comes where the %s%s" STR_FMT "}} of line %u is to be closed", star,
                             STR_ARG(tag->name), kind_name(kind), dynamic ? "*" : "", STR_ARG(open->name), line);
    }
    bool alone = tag->left_blank && tag->right_blank;
    /* What follows an argument is ignored, so the end of one needs nothing but its line's beginning. */
    if (!text_before(c, tag, kind == OP_ARGUMENT ? tag->left_blank : alone))
        return false;
    struct op *op = &c->m->ops[open->op];
    op->end = c->m->ops_n;
    c->pos = tag->end;
    if (kind == OP_BLOCK || kind == OP_ARGUMENT)
        measure_content(c, op, open, tag->start);
    if (kind == OP_PARENT && open->lead != NONE && tag->right_blank) {
        struct op *whitespace = &c->m->ops[open->lead];
        whitespace->n = 0;
        whitespace->flags = 0;
        op->flags |= OP_STANDALONE;
        c->pos = tag->next_line;
    } else if (alone && (kind == OP_SECTION || kind == OP_INVERTED || kind == OP_BLOCK)) {
        c->pos = tag->next_line;
    }
    c->depth--;
    return true;
}

/* {{name}}, {{&name}}, {{{name}}}, {{>name}} */
static bool insertion(struct compiler *c, const struct tag *tag)
{
    bool partial = tag->sigil == '>';
    bool alone = partial && tag->left_blank && tag->right_blank;
    if (inside_parent(c)) {
        c->pos = tag->end;
        return true;
    }
    uint32_t i;
    if (!text_before(c, tag, alone) || (i = emit(c,
                                                 partial      ? OP_PARTIAL
                                                 : tag->sigil ? OP_RAW
                                                              : OP_ESCAPED,
                                                 tag->start)) == NONE)
        return false;
    struct op *op = &c->m->ops[i];
    if (alone) {
        op->flags |= OP_STANDALONE;
        op->indent = tag->line;
        op->indent_n = tag->start - tag->line;
    }
    c->pos = alone ? tag->next_line : tag->end;
    return partial ? add_static_or_dotted(c, op, tag) : add_dotted(c, op, tag);
}

/* Comments and new delimiters leave nothing behind. */
static bool invisible(struct compiler *c, const struct tag *tag)
{
    bool alone = tag->left_blank && tag->right_blank;
    if (!text_before(c, tag, alone))
        return false;
    c->pos = alone ? tag->next_line : tag->end;
    return tag->sigil == '!' || set_delimiters(c, tag);
}

static bool compile(struct compiler *c)
{
    while (true) {
        const char *p = memmem(c->source + c->pos, c->n - c->pos, c->open.p, c->open.n);
        if (!p)
            break;
        struct tag tag;
        if (!read_tag(c, (uint32_t)(p - c->source), &tag))
            return false;
        bool ok;
        switch (tag.sigil) {
        case '!':
        case '=':
            ok = invisible(c, &tag);
            break;
        case '#':
        case '^':
        case '$':
        case '<':
            ok = open_content(c, &tag);
            break;
        case '/':
            ok = close_content(c, &tag);
            break;
        default:
            ok = insertion(c, &tag);
        }
        if (!ok)
            return false;
    }
    if (c->depth > 0) {
        const struct open_tag *open = &c->stack[c->depth - 1];
        const struct op *op = &c->m->ops[open->op];
        return mustache_fail(c->m, op->at, c->error, "%s%s" STR_FMT "}} is never closed", kind_name(op->kind),
                             op->flags & OP_DYNAMIC ? "*" : "", STR_ARG(open->name));
    }
    return c->pos == c->n || emit_text(c, c->pos, c->n);
}

struct mustache *mustache_compile(struct str name, struct str source, char *error, size_t error_size)
{
    if (source.n > MUSTACHE_SOURCE_MAX) {
        snprintf(error, error_size, STR_FMT ":1:1: the template is longer than %d bytes", STR_ARG(name),
                 MUSTACHE_SOURCE_MAX);
        return NULL;
    }
    struct mustache *m = calloc(1, sizeof *m);
    char *text = calloc((size_t)source.n + 1, 1);
    if (m)
        m->title = strndup(name.n > 0 ? name.p : "", name.n);
    if (!m || !text || !m->title) {
        snprintf(error, error_size, STR_FMT ":1:1: memory is out", STR_ARG(name));
        free(text);
        mustache_free(&m);
        return NULL;
    }
    if (source.n > 0)
        memcpy(text, source.p, source.n);
    m->source = (struct str){text, source.n};
    struct compiler c = {.m = m, .source = text, .n = source.n, .open = STR("{{"), .close = STR("}}")};
    c.error = (struct mustache_error){error, error_size};
    if (!compile(&c))
        mustache_free(&m);
    return m;
}
