#include "statement_file.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "sql_scan.h"

struct parse {
    struct statement *statement;
    int line;
    int param_tags_line;
    uint32_t seen; /* header words that were there: bits in the order of `headers` */
    char *error;
    size_t error_size;
};

static bool wrong(struct parse *parse, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(struct parse *parse, const char *format, ...)
{
    va_list arguments;
    int n = snprintf(parse->error, parse->error_size, "%s:%d: ", parse->statement->file, parse->line);
    if (n < 0 || (size_t)n >= parse->error_size)
        return false;
    va_start(arguments, format);
    vsnprintf(parse->error + n, parse->error_size - (size_t)n, format, arguments);
    va_end(arguments);
    return false;
}

static struct str trim(struct str s)
{
    while (s.n && isspace((unsigned char)*s.p))
        s = (struct str){s.p + 1, s.n - 1};
    while (s.n && isspace((unsigned char)s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Cuts off and returns what stands before the first byte of `marks`; the rest begins behind that byte. */
static struct str cut(struct str *rest, const char *marks)
{
    uint32_t n = 0;
    while (n < rest->n && !strchr(marks, rest->p[n]))
        n++;
    struct str piece = {rest->p, n};
    uint32_t skip = n < rest->n ? n + 1 : n;
    *rest = (struct str){rest->p + skip, rest->n - skip};
    return trim(piece);
}

/* Small letters, digits and `mark`, beginning with a letter. */
static bool is_name(struct str s, char mark)
{
    if (s.n == 0 || s.n > LIMIT_NAME || !islower((unsigned char)s.p[0]))
        return false;
    for (uint32_t i = 0; i < s.n; i++)
        if (!islower((unsigned char)s.p[i]) && !isdigit((unsigned char)s.p[i]) && s.p[i] != mark && s.p[i] != '_')
            return false;
    return true;
}

static bool read_name(struct parse *parse, struct str value)
{
    if (!is_name(value, '-'))
        return wrong(parse, "name \"" STR_FMT "\": small letters, digits, - and _ are allowed, at most %d",
                     STR_ARG(value), LIMIT_NAME);
    memcpy(parse->statement->name, value.p, value.n);
    parse->statement->name[value.n] = '\0';
    return true;
}

static bool read_params(struct parse *parse, struct str value)
{
    struct statement *s = parse->statement;
    while (value.n) {
        struct str type = cut(&value, ",");
        struct str name = cut(&type, " \t");
        type = trim(type);
        if (s->n == LIMIT_PARAMETERS)
            return wrong(parse, "more than %d parameters", LIMIT_PARAMETERS);
        if (!is_name(name, '_'))
            return wrong(parse,
                         "parameter \"" STR_FMT "\": expected \"name type\" with a name of small letters, digits and _",
                         STR_ARG(name));
        for (uint32_t i = 0; i < s->n; i++)
            if (str_eq(s->parameter[i].name, name))
                return wrong(parse, "parameter \"" STR_FMT "\" is there twice", STR_ARG(name));
        const struct parameter_kind *kind = parameter_kind_find(type);
        if (!kind)
            return wrong(parse, "parameter \"" STR_FMT "\" has the type \"" STR_FMT "\"; known are %s", STR_ARG(name),
                         STR_ARG(type), parameter_kind_names());
        s->parameter[s->n].name = name;
        s->parameter[s->n].kind = kind;
        s->oids[s->n++] = kind->oid;
    }
    return true;
}

static bool read_choice(struct parse *parse, struct str value, struct str no, struct str yes, bool *choice)
{
    *choice = str_eq(value, yes);
    return *choice || str_eq(value, no) ||
           wrong(parse, "\"" STR_FMT "\": expected " STR_FMT " or " STR_FMT, STR_ARG(value), STR_ARG(no), STR_ARG(yes));
}

static bool read_access(struct parse *parse, struct str value)
{
    return read_choice(parse, value, STR("read"), STR("write"), &parse->statement->writes);
}

static bool read_lane(struct parse *parse, struct str value)
{
    return read_choice(parse, value, STR("short"), STR("long"), &parse->statement->is_long);
}

static bool read_tags(struct parse *parse, struct str value, struct tag_patterns *tags, bool with_field)
{
    while ((value = trim(value)).n) {
        struct str tag = cut(&value, " \t");
        struct tag_pattern *pattern = &tags->item[tags->n];
        if (tags->n == STATEMENT_TAGS_MAX)
            return wrong(parse, "more than %d tags", STATEMENT_TAGS_MAX);
        if (tag.n > LIMIT_TAG)
            return wrong(parse, "a tag is longer than %d bytes", LIMIT_TAG);
        struct str rest = tag;
        *pattern = (struct tag_pattern){.before = cut(&rest, "{")};
        if (pattern->before.n < tag.n) {
            pattern->field = cut(&rest, "}");
            pattern->after = rest;
        }
        bool closed = !pattern->field.p || pattern->before.n + 2 + pattern->field.n + pattern->after.n == tag.n;
        if (!closed || memchr(pattern->after.p ? pattern->after.p : "", '{', pattern->after.n) ||
            (pattern->field.p != NULL) != with_field || (with_field && pattern->field.n == 0))
            return wrong(parse, "tag \"" STR_FMT "\": expected %s", STR_ARG(tag),
                         with_field ? "one {name} in it, as in movie:{id}" : "a plain word");
        tags->n++;
    }
    return true;
}

static bool read_row_tags(struct parse *parse, struct str value)
{
    return read_tags(parse, value, &parse->statement->row_tags, true);
}

static bool read_param_tags(struct parse *parse, struct str value)
{
    parse->param_tags_line = parse->line;
    return read_tags(parse, value, &parse->statement->param_tags, true);
}

static bool read_broad_tags(struct parse *parse, struct str value)
{
    return read_tags(parse, value, &parse->statement->tags, false);
}

static const struct {
    const char *word;
    bool (*read)(struct parse *, struct str value);
} headers[] = {
    {"name", read_name},         {"params", read_params},         {"access", read_access},   {"lane", read_lane},
    {"row-tags", read_row_tags}, {"param-tags", read_param_tags}, {"tags", read_broad_tags},
};
#define HEADERS (sizeof(headers) / sizeof(headers[0]))

/* "-- word: value"; a line that does not begin with one word and a colon is a comment. */
static bool read_header(struct parse *parse, struct str line)
{
    struct str value = trim((struct str){line.p + 2, line.n - 2});
    uint32_t n = 0;
    while (n < value.n && (islower((unsigned char)value.p[n]) || value.p[n] == '-'))
        n++;
    if (n == 0 || n == value.n || value.p[n] != ':')
        return true;
    struct str word = cut(&value, ":");
    for (size_t i = 0; i < HEADERS; i++) {
        if (!str_eq(word, str_of(headers[i].word)))
            continue;
        if (parse->seen & 1u << i)
            return wrong(parse, "\"" STR_FMT "\" is there twice", STR_ARG(word));
        parse->seen |= 1u << i;
        return headers[i].read(parse, trim(value));
    }
    return wrong(parse,
                 "unknown header \"" STR_FMT "\"; known are name, params, access, lane, row-tags, param-tags, tags",
                 STR_ARG(word));
}

static bool resolve_param_tags(struct parse *parse)
{
    struct statement *s = parse->statement;
    parse->line = parse->param_tags_line;
    for (uint32_t t = 0; t < s->param_tags.n; t++) {
        struct tag_pattern *pattern = &s->param_tags.item[t];
        uint32_t i = 0;
        while (i < s->n && !str_eq(s->parameter[i].name, pattern->field))
            i++;
        if (i == s->n)
            return wrong(parse, "param-tags name {" STR_FMT "}, which is no parameter", STR_ARG(pattern->field));
        pattern->parameter = i;
    }
    return true;
}

static int line_of(const char *text, const char *p)
{
    int line = 1;
    for (; text < p; text++)
        line += *text == '\n';
    return line;
}

static bool check_sql(struct parse *parse, char *sql)
{
    struct statement *s = parse->statement;
    struct sql_scan scan = sql_scan(sql);
    uint64_t declared = (UINT64_C(1) << s->n) - 1;
    parse->line = line_of(s->text, sql);
    if (scan.end == sql || sql[0] == '\0')
        return wrong(parse, "the header is not followed by a statement");
    if (scan.large)
        return wrong(parse, "$n is used with n below 1 or above %d", LIMIT_PARAMETERS);
    for (unsigned n = 1; n <= 64; n++) {
        uint64_t bit = UINT64_C(1) << (n - 1);
        if ((scan.used & bit) && !(declared & bit))
            return wrong(parse, "$%u is used, but \"params\" declares %u", n, s->n);
        if (!(scan.used & bit) && (declared & bit))
            return wrong(parse, "$%u (" STR_FMT ") is declared but not used", n, STR_ARG(s->parameter[n - 1].name));
    }
    if (scan.more) {
        parse->line = line_of(s->text, scan.more);
        return wrong(parse, "a second statement begins here; a file holds one");
    }
    sql[scan.end - sql] = '\0';
    s->sql = sql;
    return true;
}

bool statement_parse(struct statement *statement, const char *file, char *text, char *error, size_t error_size)
{
    struct parse parse = {.statement = statement, .error = error, .error_size = error_size};
    char *p = text;
    statement->file = file;
    statement->text = text;
    for (;;) {
        size_t n = strcspn(p, "\n");
        struct str line = trim((struct str){p, (uint32_t)n});
        parse.line++;
        if (line.n && !str_starts(line, STR("--")))
            break;
        if (line.n && !read_header(&parse, line))
            return false;
        if (p[n] == '\0')
            break;
        p += n + 1;
    }
    p += strspn(p, " \t\r\n");
    if (!statement->name[0]) {
        parse.line = 1;
        return wrong(&parse, "no \"-- name: …\" in the header");
    }
    if (strncmp(p, "--", 2) == 0)
        p += strlen(p);
    return resolve_param_tags(&parse) && check_sql(&parse, p);
}
