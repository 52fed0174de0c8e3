/* A folder of templates: loading, reloading while it is edited, checking, and the --render command. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "render_command.h"
#include "views.h"

static char dir[64], partials_dir[80];
static char messages[4096];

static const char *path_of(const char *folder, const char *file)
{
    static char path[16][256];
    static unsigned next;
    char *p = path[next++ % 16];
    snprintf(p, sizeof path[0], "%s/%s", folder, file);
    return p;
}

/* Writes a file whose time differs from that of any version before. */
static void put(const char *folder, const char *file, const char *text)
{
    static long second = 1000000000;
    FILE *f = fopen(path_of(folder, file), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    struct timespec times[2] = {{.tv_sec = second}, {.tv_sec = second}};
    second++;
    assert_int_equal(utimensat(AT_FDCWD, path_of(folder, file), times, 0), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/views_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(partials_dir, sizeof partials_dir, "%s/partials", dir);
    assert_int_equal(mkdir(partials_dir, 0700), 0);
    messages[0] = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *files[] = {"a.mustache", "b.mustache", "c.mustache", "notes.txt", "data.json", "out", "err"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        unlink(path_of(dir, files[i]));
        unlink(path_of(partials_dir, files[i]));
    }
    return rmdir(partials_dir) || rmdir(dir);
}

static void note(void *arg, const char *message)
{
    (void)arg;
    size_t n = strlen(messages);
    snprintf(messages + n, sizeof messages - n, "%s\n", message);
}

static struct views *load(void)
{
    char error[512] = "";
    struct views *views = views_load(dir, partials_dir, error, sizeof error);
    if (!views)
        fail_msg("%s", error);
    return views;
}

static void assert_renders(const struct views *views, const char *name, const char *expected)
{
    char error[512] = "";
    struct buffer out = {.limit = 1000};
    const struct mustache *view = views_find(views, str_of(name));
    struct value data = NIL;
    assert_non_null(view);
    assert_true(views_render(views, view, &data, &out, error, sizeof error));
    buffer_append_char(&out, 0);
    assert_string_equal(out.p, expected);
    buffer_release(&out);
}

static void loads_a_folder_and_its_partials(void **state)
{
    (void)state;
    put(dir, "a.mustache", "a{{>b}}{{>c}}");
    put(dir, "b.mustache", "b");
    put(dir, "notes.txt", "{{#not a template");
    put(partials_dir, "b.mustache", "another");
    put(partials_dir, "c.mustache", "c");
    struct views *views = load();
    assert_renders(views, "a", "abc");
    assert_null(views_find(views, STR("notes")));
    assert_null(views_find(views, STR("a.mustache")));
    views_free(&views);
    assert_null(views);
}

static void a_wrong_template_or_folder_is_refused(void **state)
{
    (void)state;
    char error[512], expected[256];
    put(dir, "a.mustache", "fine");
    put(dir, "b.mustache", "x\n{{#cast}}");
    assert_null(views_load(dir, NULL, error, sizeof error));
    assert_string_equal(error, "b.mustache:2:1: section {{#cast}} is never closed");
    put(dir, "b.mustache", "");
    assert_null(views_load(dir, path_of(dir, "none"), error, sizeof error));
    snprintf(expected, sizeof expected, "the folder of templates %s/none cannot be read: No such file or directory",
             dir);
    assert_string_equal(error, expected);
}

static void reloads_what_changed_and_keeps_the_last_good_version(void **state)
{
    (void)state;
    put(dir, "a.mustache", "1{{>b}}");
    put(dir, "b.mustache", "2");
    struct views *views = load();
    assert_int_equal(views_reload_changed(views, note, NULL), 0);
    put(dir, "b.mustache", "3");
    assert_int_equal(views_reload_changed(views, note, NULL), 1);
    assert_renders(views, "a", "13");
    put(dir, "b.mustache", "{{/x}}");
    assert_int_equal(views_reload_changed(views, note, NULL), 0);
    assert_int_equal(views_reload_changed(views, note, NULL), 0);
    assert_string_equal(messages, "b.mustache:1:1: {{/x}} closes nothing\n");
    assert_renders(views, "a", "13");
    unlink(path_of(dir, "b.mustache"));
    assert_int_equal(views_reload_changed(views, note, NULL), 0);
    assert_renders(views, "a", "13");
    put(dir, "b.mustache", "4{{>c}}");
    put(dir, "c.mustache", "new");
    assert_int_equal(views_reload_changed(views, note, NULL), 2);
    assert_renders(views, "a", "14new");
    views_free(&views);
}

static void reports_partials_that_do_not_exist(void **state)
{
    (void)state;
    put(dir, "a.mustache", "{{>b}}\n {{>cast}}{{>*any}}");
    put(dir, "b.mustache", "{{<layout}}{{/layout}}");
    struct views *views = load();
    assert_int_equal(views_check(views, note, NULL), 2);
    assert_string_equal(messages,
                        "a.mustache:2:2: there is no template cast.mustache; nothing is put in its place\n"
                        "b.mustache:1:1: there is no template layout.mustache; nothing is put in its place\n");
    assert_renders(views, "a", " ");
    views_free(&views);
}

/* What the command prints, its stdout and then its stderr, with a line for the exit status. */
static const char *run_command(const char *view, const char *data, const char *partials)
{
    static char text[4096];
    int saved[2] = {dup(1), dup(2)};
    fflush(stdout);
    assert_non_null(freopen(path_of(dir, "out"), "w", stdout));
    assert_non_null(freopen(path_of(dir, "err"), "w", stderr));
    int status = render_command(view, data, partials);
    fflush(stdout);
    fflush(stderr);
    dup2(saved[0], 1);
    dup2(saved[1], 2);
    close(saved[0]);
    close(saved[1]);
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(path_of(dir, i == 0 ? "out" : "err"), "r");
        assert_non_null(f);
        n += fread(text + n, 1, sizeof text - 16 - n, f);
        fclose(f);
    }
    snprintf(text + n, 16, "[%d]", status);
    return text;
}

static void the_command_renders_or_says_why_not(void **state)
{
    (void)state;
    char expected[512];
    put(dir, "a.mustache", "{{x}}{{>b}}");
    put(dir, "b.mustache", "own");
    put(partials_dir, "b.mustache", "other");
    put(dir, "data.json", "{\"x\": \"<\"}");
    const char *view = path_of(dir, "a.mustache");
    assert_string_equal(run_command(view, NULL, NULL), "own[0]");
    assert_string_equal(run_command(view, path_of(dir, "data.json"), partials_dir), "&lt;other[0]");
    put(dir, "data.json", "{\"x\": ");
    snprintf(expected, sizeof expected,
             "%s/data.json is no JSON that can be used: line 1, column 6: unexpected token near end of file\n[1]", dir);
    assert_string_equal(run_command(view, path_of(dir, "data.json"), NULL), expected);
    snprintf(expected, sizeof expected, "%s/none cannot be read: No such file or directory\n[1]", dir);
    assert_string_equal(run_command(path_of(dir, "none"), NULL, NULL), expected);
    /* One that is wrong is none of this view's business. */
    put(dir, "c.mustache", "{{#x}}");
    assert_string_equal(run_command(path_of(dir, "a.mustache"), NULL, NULL),
                        "ownc.mustache:1:1: section {{#x}} is never closed\n[0]");
    put(dir, "a.mustache", "1{{>c}}2");
    snprintf(expected, sizeof expected,
             "c.mustache:1:1: section {{#x}} is never closed\n%s/c.mustache is needed, and wrong\n[1]", dir);
    assert_string_equal(run_command(path_of(dir, "a.mustache"), NULL, NULL), expected);
    snprintf(expected, sizeof expected,
             "the folder of templates %s/none cannot be read: No such file or directory\n[1]", dir);
    char none[256];
    snprintf(none, sizeof none, "%s/none", dir);
    assert_string_equal(run_command(path_of(dir, "a.mustache"), NULL, none), expected);
    put(dir, "a.mustache", "{{#x}}");
    snprintf(expected, sizeof expected, "%s/a.mustache:1:1: section {{#x}} is never closed\n[1]", dir);
    assert_string_equal(run_command(path_of(dir, "a.mustache"), NULL, NULL), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loads_a_folder_and_its_partials, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_template_or_folder_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reloads_what_changed_and_keeps_the_last_good_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reports_partials_that_do_not_exist, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_command_renders_or_says_why_not, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
