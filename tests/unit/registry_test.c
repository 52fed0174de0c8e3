/* The registry: names are unique, appear whole, go away, and are never taken from a successor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "registry.h"

static char run_dir[] = "/tmp/registry-test-XXXXXX";
static char error[512];
static struct registry_entry entries[8];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(run_dir + strlen(run_dir) - 6, "XXXXXX");
    return mkdtemp(run_dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(run_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct claim *claim(const char *instance)
{
    error[0] = '\0';
    return claim_new(run_dir, "renderer", instance, error, sizeof(error));
}

/* Binds a Unix socket as libzmq would, and closes it: the file stays. */
static void bind_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

static int listed(void)
{
    return registry_list(run_dir, "renderer", entries, 8);
}

static void lowest_free_number_is_the_name(void **state)
{
    (void)state;
    struct claim *one = claim(""), *two = claim(NULL);
    assert_string_equal(claim_instance(one), "1");
    assert_string_equal(claim_instance(two), "2");
    claim_free(&one);
    one = claim("");
    assert_string_equal(claim_instance(one), "1");
    claim_free(&one);
    claim_free(&two);
}

static void a_taken_name_is_refused_with_its_owner(void **state)
{
    (void)state;
    char expected[64];
    struct claim *canary = claim("canary");
    snprintf(expected, sizeof(expected), "renderer/canary is already running as process %ld", (long)getpid());
    assert_null(claim("canary"));
    assert_string_equal(error, expected);
    claim_free(&canary);
    canary = claim("canary");
    assert_non_null(canary);
    claim_free(&canary);
}

static void names_and_paths_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"a/b", "..", "a b", "a.b", "\n", "a23456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_null(claim(names[i]));
        assert_non_null(strstr(error, "FILMYFLY_INSTANCE"));
    }
    char path[120];
    memset(path, 'x', sizeof(path));
    memcpy(path, run_dir, strlen(run_dir));
    path[strlen(run_dir)] = '/';
    path[95] = '\0'; /* with /renderer/1.sock it is too long */
    assert_null(claim_new(path, "renderer", "1", error, sizeof(error)));
    assert_non_null(strstr(error, "FILMYFLY_RUN_DIR is too long"));
}

static void all_numbers_taken_is_said_so(void **state)
{
    (void)state;
    struct claim *all[64];
    for (int i = 0; i < 64; i++)
        assert_non_null(all[i] = claim(""));
    assert_null(claim(""));
    assert_non_null(strstr(error, "all names from 1 to 64 are taken"));
    for (int i = 0; i < 64; i++)
        claim_free(&all[i]);
}

static void an_instance_is_listed_from_publishing_to_withdrawal(void **state)
{
    (void)state;
    struct claim *one = claim("1");
    bind_at(claim_bind_path(one));
    assert_int_equal(listed(), 0);
    assert_true(claim_publish(one));
    assert_int_equal(listed(), 1);
    assert_string_equal(entries[0].instance, "1");
    claim_withdraw(one);
    assert_int_equal(listed(), 0);
    claim_free(&one);
}

static void only_published_sockets_are_listed(void **state)
{
    (void)state;
    char path[128];
    assert_int_equal(listed(), -1);
    assert_int_equal(errno, ENOENT);
    struct claim *one = claim("1"); /* a lock */
    bind_at(claim_bind_path(one));
    snprintf(path, sizeof(path), "%s/renderer/file.sock", run_dir);
    fclose(fopen(path, "w"));
    snprintf(path, sizeof(path), "%s/renderer/link.sock", run_dir);
    assert_int_equal(symlink(claim_bind_path(one), path), 0);
    snprintf(path, sizeof(path), "%s/renderer/.sock", run_dir);
    bind_at(path);
    assert_int_equal(listed(), 0);
    claim_free(&one);
}

static void a_successor_keeps_its_socket(void **state)
{
    (void)state;
    struct claim *old = claim("1");
    bind_at(claim_bind_path(old));
    assert_true(claim_publish(old));
    listed();
    uint64_t life = entries[0].life;
    claim_withdraw(old);

    struct claim *new = claim("1");
    assert_non_null(new);
    bind_at(claim_bind_path(new));
    assert_true(claim_publish(new));
    claim_free(&old); /* it finished what it held only now */
    assert_int_equal(listed(), 1);
    assert_true(entries[0].life != life);
    claim_free(&new);
}

static void a_withdrawn_name_cannot_be_published(void **state)
{
    (void)state;
    struct claim *old = claim("1");
    bind_at(claim_bind_path(old));
    claim_withdraw(old);
    assert_false(claim_publish(old));
    assert_int_equal(listed(), 0);
    claim_free(&old);
}

static void what_a_dead_instance_left_is_swept(void **state)
{
    (void)state;
    char own[128], others[128];
    struct claim *one = claim("1");
    claim_free(&one);
    snprintf(own, sizeof(own), "%s/renderer/.1.99", run_dir);
    snprintf(others, sizeof(others), "%s/renderer/.11.99", run_dir);
    bind_at(own);
    bind_at(others);
    one = claim("1");
    assert_int_equal(access(own, F_OK), -1);
    assert_int_equal(access(others, F_OK), 0);
    claim_free(&one);
}

static void the_group_may_connect_whatever_the_umask_is(void **state)
{
    (void)state;
    struct stat st;
    mode_t before = umask(077);
    struct claim *one = claim("1");
    bind_at(claim_bind_path(one));
    assert_true(claim_publish(one));
    umask(before);
    listed();
    assert_int_equal(stat(entries[0].path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0770);
    *strrchr(entries[0].path, '/') = '\0';
    assert_int_equal(stat(entries[0].path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 02750);
    claim_free(&one);
}

/* Children that start at the same moment, claim, say what they got with their exit status and hold it until all have
 * tried. */
static void race(const char *instance, int *status, int n)
{
    int start[2], tried[2], end[2];
    char byte;
    assert_int_equal(pipe(start) | pipe(tried) | pipe(end), 0);
    pid_t child[16];
    for (int i = 0; i < n; i++)
        if ((child[i] = fork()) == 0) {
            close(start[1]);
            close(end[1]);
            if (read(start[0], &byte, 1) != 0)
                _exit(99);
            struct claim *mine = claim(instance);
            if (write(tried[1], "x", 1) != 1 || read(end[0], &byte, 1) != 0)
                _exit(99);
            _exit(mine ? atoi(claim_instance(mine)) : 0);
        }
    close(start[1]);
    for (int i = 0; i < n; i++)
        assert_int_equal(read(tried[0], &byte, 1), 1);
    close(end[1]);
    for (int i = 0; i < n; i++) {
        int code;
        waitpid(child[i], &code, 0);
        status[i] = WEXITSTATUS(code);
    }
    close(start[0]), close(tried[0]), close(tried[1]), close(end[0]);
}

static void processes_that_start_together_get_a_name_each(void **state)
{
    (void)state;
    int got[16], seen = 0;
    race("", got, 16);
    for (int i = 0; i < 16; i++)
        seen |= 1 << got[i];
    assert_int_equal(seen, 0x1fffe); /* 1 to 16 */
}

static void of_processes_that_want_one_name_one_gets_it(void **state)
{
    (void)state;
    int got[16], winners = 0;
    race("1", got, 16);
    for (int i = 0; i < 16; i++)
        winners += got[i];
    assert_int_equal(winners, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lowest_free_number_is_the_name),
        TEST(a_taken_name_is_refused_with_its_owner),
        TEST(names_and_paths_that_cannot_be_are_refused),
        TEST(all_numbers_taken_is_said_so),
        TEST(an_instance_is_listed_from_publishing_to_withdrawal),
        TEST(only_published_sockets_are_listed),
        TEST(a_successor_keeps_its_socket),
        TEST(a_withdrawn_name_cannot_be_published),
        TEST(what_a_dead_instance_left_is_swept),
        TEST(the_group_may_connect_whatever_the_umask_is),
        TEST(processes_that_start_together_get_a_name_each),
        TEST(of_processes_that_want_one_name_one_gets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
