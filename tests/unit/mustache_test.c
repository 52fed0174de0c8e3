/* The template engine, section by section of the Mustache specification, and what it says when a template is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mustache.h"

#define PARTIALS 3

struct example {
    const char *about;
    const char *template;
    const char *data; /* JSON; NULL for {} */
    const char *expected;
    struct {
        const char *name, *text;
    } partials[PARTIALS];
};

struct set {
    const char *names[PARTIALS];
    struct mustache *templates[PARTIALS];
};

static const struct mustache *find(void *owner, struct str name)
{
    const struct set *set = owner;
    for (int i = 0; i < PARTIALS; i++)
        if (set->names[i] && str_eq(str_of(set->names[i]), name))
            return set->templates[i];
    return NULL;
}

/* The rendered text, or the error after "error: ", in a static buffer. */
static const char *render(const struct example *e)
{
    static char text[65536];
    char error[512] = "";
    struct arena *arena = arena_new(1024 * 1024);
    struct buffer out = {.limit = 32768};
    struct set set = {0};
    struct value data = NIL;
    const char *json = e->data ? e->data : "{}";
    assert_true(value_from_json(arena, json, strlen(json), &data, error, sizeof error));
    struct mustache *m = mustache_compile(STR("test.mustache"), str_of(e->template), error, sizeof error);
    bool ok = m;
    for (int i = 0; ok && i < PARTIALS && e->partials[i].name; i++) {
        set.names[i] = e->partials[i].name;
        set.templates[i] = mustache_compile(str_of(set.names[i]), str_of(e->partials[i].text), error, sizeof error);
        ok = set.templates[i];
    }
    ok = ok && mustache_render(m, &data, (struct mustache_partials){find, &set}, &out, error, sizeof error);
    if (ok)
        snprintf(text, sizeof text, STR_FMT, STR_ARG(buffer_str(&out)));
    else
        snprintf(text, sizeof text, "error: %s", error);
    for (int i = 0; i < PARTIALS; i++)
        mustache_free(&set.templates[i]);
    mustache_free(&m);
    buffer_release(&out);
    arena_free(&arena);
    return text;
}

static void check(const struct example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = render(&examples[i]);
        if (strcmp(got, examples[i].expected) != 0)
            fail_msg("%s: expected \"%s\", got \"%s\"", examples[i].about, examples[i].expected, got);
    }
}

#define CHECK(examples) check(examples, sizeof(examples) / sizeof *(examples))

static void interpolation(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"plain text", "a {b} } c", NULL, "a {b} } c", {{0}}},
        {"the empty template", "", NULL, "", {{0}}},
        {"a value", "Hi {{name}}.", "{\"name\":\"Ana\"}", "Hi Ana.", {{0}}},
        {"five characters escaped",
         "{{x}}",
         "{\"x\":\"<a href='b'>&\\\"\"}",
         "&lt;a href=&#39;b&#39;&gt;&amp;&quot;",
         {{0}}},
        {"raw in both ways", "{{{x}}}{{&x}}{{& x }}", "{\"x\":\"<&>\"}", "<&><&><&>", {{0}}},
        {"other bytes untouched", "{{x}}", "{\"x\":\"Amélie 東京\"}", "Amélie 東京", {{0}}},
        {"integers",
         "{{a}} {{b}} {{c}}",
         "{\"a\":0,\"b\":-9223372036854775808,\"c\":9223372036854775807}",
         "0 -9223372036854775808 9223372036854775807",
         {{0}}},
        {"shortest floats",
         "{{a}} {{b}} {{c}} {{d}}",
         "{\"a\":7.50,\"b\":0.1,\"c\":3.0,\"d\":0.30000000000000004}",
         "7.5 0.1 3 0.30000000000000004",
         {{0}}},
        {"booleans", "{{a}} {{b}}", "{\"a\":true,\"b\":false}", "true false", {{0}}},
        {"nothing for null, missing, list, map",
         "[{{a}}{{b}}{{c}}{{d}}]",
         "{\"a\":null,\"c\":[1],\"d\":{\"e\":1}}",
         "[]",
         {{0}}},
        {"values are not templates", "{{x}}", "{\"x\":\"{{y}}\",\"y\":1}", "{{y}}", {{0}}},
        {"whitespace in tags and around", "| {{  x  }} |\n  {{{ x }}}\n", "{\"x\":1}", "| 1 |\n  1\n", {{0}}},
        {"a value may be the document", "{{.}}", "\"<\"", "&lt;", {{0}}},
        {"dots", "{{a.b.c}}", "{\"a\":{\"b\":{\"c\":1}}}", "1", {{0}}},
        {"broken chains are nothing", "[{{a.x.c}}{{a.b.c.d}}{{x.y}}]", "{\"a\":{\"b\":{\"c\":1}}}", "[]", {{0}}},
        {"a first part that is found hides outer ones",
         "{{#in}}[{{a.b}}]{{/in}}",
         "{\"a\":{\"b\":1},\"in\":{\"a\":{}}}",
         "[]",
         {{0}}},
        {"null hides outer values", "{{#in}}[{{a}}]{{/in}}", "{\"a\":1,\"in\":{\"a\":null}}", "[]", {{0}}},
        {"a dot does not split the data's keys", "[{{a.b}}]", "{\"a.b\":1}", "[]", {{0}}},
    };
    CHECK(examples);
}

static void sections(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"true and false", "{{#t}}a{{/t}}{{#f}}b{{/f}}{{#x}}c{{/x}}", "{\"t\":true,\"f\":false}", "a", {{0}}},
        {"what is true",
         "{{#a}}a{{/a}}{{#b}}b{{/b}}{{#c}}c{{/c}}{{#d}}d{{/d}}{{#e}}e{{/e}}{{#f}}f{{/f}}",
         "{\"a\":0,\"b\":\"\",\"c\":[],\"d\":{},\"e\":null,\"f\":\"x\"}",
         "adf",
         {{0}}},
        {"a map is entered", "{{#m}}{{a}}{{b}}{{/m}}", "{\"a\":1,\"b\":2,\"m\":{\"a\":3}}", "32", {{0}}},
        {"a list repeats",
         "{{#l}}{{n}}{{o}},{{/l}}",
         "{\"o\":\"!\",\"l\":[{\"n\":1},{\"n\":2,\"o\":\"?\"}]}",
         "1!,2?,",
         {{0}}},
        {"the current item",
         "{{#l}}<{{.}}>{{/l}}{{#l}}{{{.}}}{{/l}}",
         "{\"l\":[1,\"&\",2.5]}",
         "<1><&amp;><2.5>1&2.5",
         {{0}}},
        {"lists in lists", "{{#l}}({{#.}}{{.}}{{/.}}){{/l}}", "{\"l\":[[1,2],[],[3]]}", "(12)()(3)", {{0}}},
        {"dotted", "{{#a.b}}{{c}}{{/a.b}}{{#a.x}}no{{/a.x}}", "{\"a\":{\"b\":{\"c\":1}}}", "1", {{0}}},
        {"nested and repeated",
         "{{#a}}1{{#b}}2{{#a}}3{{/a}}{{/b}}{{/a}}{{#a}}4{{/a}}",
         "{\"a\":true,\"b\":[0]}",
         "1234",
         {{0}}},
        {"inside a line", " | {{#t}}\t{{! x }}|{{/t}} | \n", "{\"t\":true}", " | \t| | \n", {{0}}},
        {"lines of their own vanish", "a\n  {{#t}}  \nb\n\t{{/t}}\nc", "{\"t\":true}", "a\nb\nc", {{0}}},
        {"also with CRLF and at both ends", "{{#t}}\r\na\r\n{{/t}}", "{\"t\":true}", "a\r\n", {{0}}},
        {"two tags on a line are not alone", "{{#t}}{{/t}}\nx", "{\"t\":true}", "\nx", {{0}}},
        {"inverted",
         "{{^t}}a{{/t}}{{^f}}b{{/f}}{{^x}}c{{/x}}{{^l}}d{{/l}}{{^a.b}}e{{/a.b}}",
         "{\"t\":1,\"f\":false,\"l\":[]}",
         "bcde",
         {{0}}},
        {"inverted alone", "a\n{{^f}}\nb\n{{/f}}\n{{^t}}\nc\n{{/t}}\nd", "{\"t\":true}", "a\nb\nd", {{0}}},
        {"inverted enters nothing", "{{^x}}{{a}}{{/x}}", "{\"a\":1}", "1", {{0}}},
    };
    CHECK(examples);
}

static void comments_and_delimiters(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"comment in a line", "a{{! {no} # > }}b {{!}}c", NULL, "ab c", {{0}}},
        {"comment alone", "a\n  {{! one\n two }}\nb\n", NULL, "a\nb\n", {{0}}},
        {"comment last", "a\r\n{{! x }}", NULL, "a\r\n", {{0}}},
        {"delimiters", "{{=<% %>=}}<%x%>{{x}}<%={{ }}=%>{{x}}<%x%>", "{\"x\":1}", "1{{x}}1<%x%>", {{0}}},
        {"special characters", "({{=[ ]=}}[x])([#x]y[/x])[=|  | =]|&x|", "{\"x\":\"&\"}", "(&amp;)(y)&", {{0}}},
        {"raw in other delimiters", "{{=<% %>=}}<%{x}%>", "{\"x\":\"&\"}", "&", {{0}}},
        {"delimiters alone", "a\n  {{=| |=}}  \nb|x|\n", "{\"x\":1}", "a\nb1\n", {{0}}},
        {"partials keep their own", "{{=| |=}}|>p|", "{\"x\":1}", "1|x|", {{"p", "{{x}}|x|"}}},
        {"nor do they change ours", "{{>p}}{{x}}", "{\"x\":1}", "11", {{"p", "{{=| |=}}|x|"}}},
    };
    CHECK(examples);
}

static void partials(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a partial sees the context",
         "{{#m}}{{>p}}{{/m}}{{> p }}",
         "{\"a\":1,\"m\":{\"a\":2}}",
         "<2><1>",
         {{"p", "<{{a}}>"}}},
        {"a missing one is nothing", "[{{>p}}]", NULL, "[]", {{0}}},
        {"a name with a dot is one name", "{{>a.b}}", "{\"a\":{\"b\":1}}", "yes", {{"a.b", "yes"}}},
        {"recursion ends with the data",
         "{{>p}}",
         "{\"n\":1,\"l\":[{\"n\":2,\"l\":[]},{\"n\":3,\"l\":[]}]}",
         "1(2()3())",
         {{"p", "{{n}}({{#l}}{{>p}}{{/l}})"}}},
        {"alone it indents every line",
         "a\n  {{>p}}\nb",
         "{\"x\":\"<\\n>\"}",
         "a\n  1\n  <\n>\n  2\nb",
         {{"p", "1\n{{{x}}}\n2\n"}}},
        {"alone with CRLF and at the end", "a\r\n\t{{>p}}", NULL, "a\r\n\t1\r\n\t2", {{"p", "1\r\n2"}}},
        {"in a line it does not", " x {{>p}}\n", NULL, " x 1\n2\n", {{"p", "1\n2"}}},
        {"indentations add up", " {{>p}}\n", NULL, " a\n   1\n   2\n", {{"p", "a\n  {{>q}}\n"}, {"q", "1\n2\n"}}},
        {"but not through a line", " {{>p}}\n", NULL, " x 1\n2\n", {{"p", "x {{>q}}\n"}, {"q", "1\n2"}}},
        {"lines that begin with tags",
         "  {{>p}}\n",
         "{\"l\":[1,2],\"t\":true}",
         "  1,2,\n  \n  1\n  2\n  end",
         {{"p", "{{#l}}{{.}},{{/l}}\n{{!}}{{#t}}{{/t}}\n{{#l}}\n{{.}}\n{{/l}}\n{{t2}}end"}}},
        {"names from the data",
         "{{>*a}}{{> * m.n }}",
         "{\"a\":\"p\",\"m\":{\"n\":\"q\"}}",
         "12",
         {{"p", "1"}, {"q", "2"}}},
        {"numbers can be names", "{{>*a}}", "{\"a\":7}", "seven", {{"7", "seven"}}},
        {"names that lead nowhere",
         "[{{>*x}}{{>*y}}{{>**a}}{{>*l}}]",
         "{\"x\":\"z\",\"a\":\"b\",\"b\":\"p\",\"l\":[\"p\"]}",
         "[]",
         {{"p", "1"}}},
        {"dynamic and indented", " {{>*a}}\n", "{\"a\":\"p\"}", " 1\n 2\n", {{"p", "1\n2\n"}}},
    };
    CHECK(examples);
}

static void inheritance(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"a block has a default", "{{$b}}x{{y}}{{/b}}", "{\"y\":1}", "x1", {{0}}},
        {"an argument replaces it",
         "{{<p}}ignored{{$b}}new{{/b}}{{x}}{{/p}}",
         "{\"x\":1}",
         "[new]",
         {{"p", "[{{$b}}old{{/b}}]"}}},
        {"only where it is named",
         "{{<p}}{{$b}}2{{/b}}{{/p}}{{<p}}{{/p}}{{>p}}",
         NULL,
         "121111",
         {{"p", "{{$a}}1{{/a}}{{$b}}1{{/b}}"}}},
        {"data is not an argument", "{{<p}}{{/p}}", "{\"b\":\"data\"}", "old", {{"p", "{{$b}}old{{/b}}"}}},
        {"a missing parent is nothing", "[{{<p}}{{$b}}x{{/b}}{{/p}}]", NULL, "[]", {{0}}},
        {"rendered where the block stands",
         "{{<p}}{{$b}}{{n}}{{/b}}{{/p}}",
         "{\"n\":0,\"l\":[{\"n\":1},{\"n\":2}]}",
         "12",
         {{"p", "{{#l}}{{$b}}{{/b}}{{/l}}"}}},
        {"the outermost wins",
         "{{<p}}{{$b}}1{{/b}}{{/p}}",
         NULL,
         "1",
         {{"p", "{{<q}}{{$b}}2{{/b}}{{/q}}"}, {"q", "{{$b}}3{{/b}}"}}},
        {"through a partial too", "{{<p}}{{$b}}1{{/b}}{{/p}}", NULL, "1", {{"p", "{{>q}}"}, {"q", "{{$b}}3{{/b}}"}}},
        {"an argument that names itself ends",
         "{{<p}}{{$b}}1{{$b}}2{{/b}}{{/b}}{{/p}}",
         NULL,
         "12",
         {{"p", "{{$b}}{{/b}}"}}},
        {"a block in an argument is a parameter",
         "{{<p}}{{$in}}new{{/in}}{{/p}}",
         NULL,
         "<new>",
         {{"p", "{{<q}}{{$b}}<{{$in}}old{{/in}}>{{/b}}{{/q}}"}, {"q", "{{$b}}{{/b}}"}}},
        {"parents from the data", "{{<*n}}{{$b}}new{{/b}}{{/*n}}", "{\"n\":\"p\"}", "[new]", {{"p", "[{{$b}}{{/b}}]"}}},
        {"a parent alone is indented", "a\n  {{<p}}\n{{/p}}\nb", NULL, "a\n  1\n  2\nb", {{"p", "1\n2\n"}}},
        {"a parent in a line is not", "a {{<p}}{{/p}}\nb", NULL, "a 1\n2\nb", {{"p", "1\n2"}}},
        {"a layout",
         "{{<p}}\n{{$title}}T{{/title}}\n{{$main}}\n<p>\n  {{x}}\n</p>\n{{/main}}\n{{/p}}\n",
         "{\"x\":1}",
         "<title>T</title>\n<main>\n  <p>\n    1\n  </p>\n</main>\n",
         {{"p", "<title>{{$title}}{{/title}}</title>\n<main>\n  {{$main}}\n  {{/main}}\n</main>\n"}}},
        {"arguments lose their own indentation",
         "{{<p}}\n    {{$b}}\n      one\n        two\n    {{/b}}\n{{/p}}",
         NULL,
         "\tone\n\t  two\n",
         {{"p", "{{$b}}\n\tx\n{{/b}}\n"}}},
        {"an argument in the middle of a line",
         "{{<p}}{{$b}}\n  1\n  2{{/b}}{{/p}}",
         NULL,
         "x: 1\n2\n",
         {{"p", "x: {{$b}}{{/b}}\n"}}},
        {"a short argument for a tall block",
         "{{<p}}{{$b}}1{{/b}}{{/p}}",
         NULL,
         "a\n  1",
         {{"p", "a\n{{$b}}\n  x\n{{/b}}\n"}}},
        {"an empty one leaves no line",
         "{{<p}}{{$b}}{{/b}}{{/p}}",
         NULL,
         "a\nb",
         {{"p", "a\n  {{$b}}\n  x\n  {{/b}}\nb"}}},
        {"a partial in an argument",
         "{{<p}}{{$b}}\n  <\n    {{>q}}\n  >\n{{/b}}{{/p}}",
         NULL,
         " <\n   1\n   2\n >\n",
         {{"p", " {{$b}}\n {{/b}}\n"}, {"q", "1\n2\n"}}},
        {"a default keeps its look", "{{$b}}\n    a\n  b\n{{/b}}\n", NULL, "    a\n  b\n", {{0}}},
    };
    CHECK(examples);
}

static void errors(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"unclosed section",
         "a\n  {{#cast}}\n",
         NULL,
         "error: test.mustache:2:3: section {{#cast}} is never closed",
         {{0}}},
        {"columns count characters",
         "é {{^x}}",
         NULL,
         "error: test.mustache:1:3: inverted section {{^x}} is never closed",
         {{0}}},
        {"unclosed block", "{{$x}}", NULL, "error: test.mustache:1:1: block {{$x}} is never closed", {{0}}},
        {"unclosed parent", "{{<*x}}", NULL, "error: test.mustache:1:1: parent {{<*x}} is never closed", {{0}}},
        {"unclosed tag", "{{=| |=}}\n|x", NULL, "error: test.mustache:2:1: the tag is never closed with |", {{0}}},
        {"unclosed raw tag", "{{{x}} }", NULL, "error: test.mustache:1:1: the tag is never closed with }}}", {{0}}},
        {"wrong end",
         "{{#a}}\n{{/b}}",
         NULL,
         "error: test.mustache:2:1: {{/b}} comes where the section {{#a}} of line 1 is to be closed",
         {{0}}},
        {"end of a dynamic parent",
         "{{<*a}}{{/a}}",
         NULL,
         "error: test.mustache:1:8: {{/a}} comes where the parent {{<*a}} of line 1 is to be closed",
         {{0}}},
        {"end of nothing", "x{{/a}}", NULL, "error: test.mustache:1:2: {{/a}} closes nothing", {{0}}},
        {"no name", "{{ }}", NULL, "error: test.mustache:1:1: the tag has no name", {{0}}},
        {"no dynamic name", "{{>*}}", NULL, "error: test.mustache:1:1: the tag has no name", {{0}}},
        {"two words", "{{a b}}", NULL, "error: test.mustache:1:1: the name a b has a space in it", {{0}}},
        {"a dot too many",
         "{{a..b}}",
         NULL,
         "error: test.mustache:1:1: the name a..b has nothing before or after a dot",
         {{0}}},
        {"one delimiter",
         "{{=|=}}",
         NULL,
         "error: test.mustache:1:1: new delimiters are two words without =, as in {{=<% %>=}}",
         {{0}}},
        {"an error in a partial names it",
         "{{>p}}",
         NULL,
         "error: p:1:1: section {{#a}} is never closed",
         {{"p", "{{#a}}"}}},
        {"partials without end",
         "{{>p}}",
         NULL,
         "error: p:2:1: partials are nested more than 64 deep",
         {{"p", "\n{{>p}}"}}},
        {"sections without end",
         "{{>p}}",
         "{\"a\":1}",
         "error: p:1:1: sections are nested more than 64 deep",
         {{"p", "{{#a}}{{#a}}{{>p}}{{/a}}{{/a}}"}}},
        {"indentation without end",
         "{{>p}}",
         NULL,
         "error: p:1:65: it is indented by more than 1024 columns",
         {{"p", "                                                                {{>p}}"}}},
    };
    CHECK(examples);
}

static void refuses_deep_and_long_templates(void **state)
{
    (void)state;
    char error[512], source[65 * 6 + 1] = "";
    for (int i = 0; i < 65; i++)
        snprintf(source + (size_t)i * 6, sizeof source - (size_t)i * 6, "{{#a}}");
    assert_null(mustache_compile(STR("t"), str_of(source), error, sizeof error));
    assert_string_equal(error, "t:1:385: tags are nested more than 64 deep");
    char *text = calloc(1, MUSTACHE_SOURCE_MAX + 1);
    assert_null(mustache_compile(STR("t"), (struct str){text, MUSTACHE_SOURCE_MAX + 1}, error, sizeof error));
    assert_string_equal(error, "t:1:1: the template is longer than 1048576 bytes");
    free(text);
}

static void ends_a_page_that_grows_too_long_or_takes_too_long(void **state)
{
    (void)state;
    const struct example long_page = {.template = "{{#l}}{{#l}}{{#l}}{{#l}}0123456789{{/l}}{{/l}}{{/l}}{{/l}}",
                                      .data = "{\"l\":[1,1,1,1,1,1,1,1,1,1]}"};
    assert_string_equal(render(&long_page), "error: test.mustache:1:25: the page is longer than 32768 bytes");
    const struct example busy = {
        .template = "{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{#l}}{{x}}{{/l}}{{/l}}{{/l}}{{/l}}{{/l}}{{/l}}{{/l}}",
        .data = "{\"l\":[1,1,1,1,1,1,1,1,1,1]}"};
    assert_string_equal(render(&busy), "error: test.mustache:1:43: the page takes more than 5000000 steps");
}

static void collect(void *arg, const char *place, struct str name)
{
    char *text = arg;
    snprintf(text + strlen(text), 128, "%s " STR_FMT "\n", place, STR_ARG(name));
}

static void lists_the_partials_it_names(void **state)
{
    (void)state;
    char error[512], text[1024] = "";
    struct mustache *m = mustache_compile(STR("t"), STR("{{>a}}\n {{<b}}{{/b}}{{>*c}}"), error, sizeof error);
    assert_non_null(m);
    mustache_each_partial(m, collect, text);
    assert_string_equal(text, "t:1:1 a\nt:2:2 b\n");
    mustache_free(&m);
    assert_null(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interpolation),
        cmocka_unit_test(sections),
        cmocka_unit_test(comments_and_delimiters),
        cmocka_unit_test(partials),
        cmocka_unit_test(inheritance),
        cmocka_unit_test(errors),
        cmocka_unit_test(refuses_deep_and_long_templates),
        cmocka_unit_test(ends_a_page_that_grows_too_long_or_takes_too_long),
        cmocka_unit_test(lists_the_partials_it_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
