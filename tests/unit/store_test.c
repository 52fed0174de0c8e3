/* The store: what is put is found, by readers too; a crash, a full disk, a foreign file lose entries, never the truth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "store_reader.h"
#include "store_writer.h"

#define HOUR  500000u
#define LIMIT (64u << 20)

static char directory[64];
static char error[400];

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/store-XXXXXX");
    error[0] = '\0';
    return mkdtemp(directory) ? chmod(directory, 0755) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

static struct store *open_store(void)
{
    struct store *store = store_open(directory, LIMIT, error, sizeof(error));
    if (!store)
        fail_msg("%s", error);
    return store;
}

static struct hash key_of(unsigned n)
{
    return (struct hash){n * 0x9e3779b97f4a7c15ull, n};
}

enum { NO_TAG, MOVIE, MOVIES, ODD, EVEN };

static bool put(struct store *store, unsigned n, const char *body, uint64_t tag_a, uint64_t tag_b)
{
    uint64_t tags[] = {tag_a, tag_b};
    struct store_entry entry = {
        .key = key_of(n),
        .meta = STR("meta"),
        .body = {[STORE_GZIP] = str_of(body)},
        .tags = tags,
        .n_tags = tag_b   ? 2
                  : tag_a ? 1
                          : 0,
    };
    return store_put(store, &entry, HOUR);
}

static bool has(struct store *store, unsigned n)
{
    struct hash key = key_of(n);
    struct store_view view;
    return store_find(store, &key, &view);
}

static size_t tagged(struct store *store, uint64_t tag)
{
    struct hash keys[100];
    assert_true(store_index(store));
    return store_tagged(store, tag, NULL, keys, 100);
}

/* Every database says the same: each entry has its bodies, tags and use, nothing else has any, and the sums are right.
 */
static void assert_consistent(struct store *store)
{
    MDB_txn *txn = store_txn(store);
    MDB_val key, value;
    MDB_cursor *cursor;
    size_t count[STORE_DATABASES] = {0}, tags = 0, bodies = 0, recent = 0;
    struct store_stats stats = store_stats(store);
    assert_non_null(txn);
    for (int db = ENTRIES; db <= USES; db++) {
        assert_int_equal(mdb_cursor_open(txn, store->db[db], &cursor), 0);
        for (int rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); rc == 0;
             rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
            struct entry_head head;
            struct store_view view;
            struct hash of;
            count[db]++;
            const unsigned char *p = db == TAGS || db == RECENT ? value.mv_data : key.mv_data;
            memcpy(&of, db == USES ? p + 4 : p, STORE_KEY_BYTES);
            assert_true(store_find(store, &of, &view));
            if (db == ENTRIES) {
                assert_true(store_parse_entry(&value, &head, &view));
                bodies += (size_t)__builtin_popcount(head.bodies);
                recent += head.put > stats.indexed;
                for (uint32_t i = 0; i < view.n_tags && head.put <= stats.indexed; i++) {
                    tags++;
                    uint64_t tag = store_tag(&view, i);
                    MDB_val t = {sizeof(tag), &tag}, k = {STORE_KEY_BYTES, &of};
                    MDB_cursor *at;
                    assert_int_equal(mdb_cursor_open(txn, store->db[TAGS], &at), 0);
                    assert_int_equal(mdb_cursor_get(at, &t, &k, MDB_GET_BOTH), 0);
                    mdb_cursor_close(at);
                }
            } else if (db == RECENT) {
                uint64_t number = 0;
                for (size_t i = 0; i < key.mv_size; i++)
                    number = number << 8 | ((const unsigned char *)key.mv_data)[i];
                MDB_val k = {STORE_KEY_BYTES, &of}, v;
                assert_int_equal(mdb_get(txn, store->db[ENTRIES], &k, &v), 0);
                assert_true(store_parse_entry(&v, &head, &view));
                assert_int_equal(head.put, number);
                assert_true(number > stats.indexed);
            } else if (db == BODIES) {
                unsigned encoding = p[STORE_KEY_BYTES];
                assert_true(view.bodies >> encoding & 1);
                assert_int_equal(view.body_bytes[encoding], value.mv_size);
            } else if (db == USES) {
                assert_int_equal(view.used, (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
            }
        }
        mdb_cursor_close(cursor);
    }
    assert_int_equal(count[RECENT], recent);
    assert_int_equal(stats.entries, count[ENTRIES]);
    assert_int_equal(count[USES], count[ENTRIES]);
    assert_int_equal(count[TAGS], tags);
    assert_int_equal(count[BODIES], bodies);
    if (count[ENTRIES] == 0)
        assert_int_equal(stats.bytes, 0);
}

static void what_is_put_is_found_and_replaced_whole(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct hash key = key_of(1);
    struct store_view view;
    assert_true(put(store, 1, "one", MOVIE, MOVIES));
    assert_true(put(store, 2, "", MOVIES, MOVIES)); /* an empty body is one; a tag twice is one */
    assert_true(store_find(store, &key, &view));
    assert_true(str_eq(view.meta, STR("meta")));
    assert_int_equal(view.bodies, 1u << STORE_GZIP);
    assert_true(str_eq(store_body(store, &key, STORE_GZIP), STR("one")));
    assert_null(store_body(store, &key, STORE_BROTLI).p);
    assert_int_equal(tagged(store, MOVIES), 2);
    assert_true(store_commit(store, HOUR));
    assert_consistent(store);

    assert_true(put(store, 1, "other", MOVIE, NO_TAG));
    assert_int_equal(tagged(store, MOVIES), 1);
    assert_true(store_put_body(store, &key, STORE_BROTLI, STR("br")));
    assert_true(store_put_meta(store, &key, STR("longer metadata than before")));
    assert_true(store_use(store, &key, HOUR + 5));
    assert_true(store_commit(store, HOUR));
    assert_consistent(store);
    assert_true(store_find(store, &key, &view));
    assert_int_equal(view.used, HOUR + 5);
    assert_true(str_eq(view.meta, STR("longer metadata than before")));
    assert_true(str_eq(store_body(store, &key, STORE_BROTLI), STR("br")));
    assert_true(str_eq(store_body(store, &key, STORE_GZIP), STR("other")));

    assert_true(store_remove(store, &key));
    assert_false(store_remove(store, &key));
    assert_int_equal(tagged(store, MOVIE), 0);
    assert_true(store_commit(store, HOUR));
    assert_consistent(store);
    store_close(&store);
}

static void what_is_beyond_the_limits_is_refused(void **state)
{
    (void)state;
    struct store *store = open_store();
    static char big[STORE_META_MAX + 1];
    struct store_entry entry = {.key = key_of(1), .meta = {big, sizeof(big)}};
    assert_false(store_put(store, &entry, HOUR));
    uint64_t tags[STORE_TAGS_MAX + 1];
    for (uint32_t i = 0; i <= STORE_TAGS_MAX; i++)
        tags[i] = i;
    entry = (struct store_entry){.key = key_of(1), .tags = tags, .n_tags = STORE_TAGS_MAX + 1};
    assert_false(store_put(store, &entry, HOUR));
    assert_null(store_trouble(store));
    assert_consistent(store);
    store_close(&store);
}

static void keys_and_tags_are_walked_in_parts(void **state)
{
    (void)state;
    struct store *store = open_store();
    for (unsigned i = 0; i < 250; i++)
        assert_true(put(store, i, "x", i % 2 ? ODD : EVEN, NO_TAG));
    struct hash keys[40], last;
    size_t n, odd = 0, all = 0;
    assert_true(store_index(store));
    for (const struct hash *after = NULL; (n = store_tagged(store, ODD, after, keys, 40)) > 0; after = &last) {
        odd += n;
        last = keys[n - 1];
    }
    for (const struct hash *after = NULL; (n = store_keys(store, after, keys, 40)) > 0; after = &last) {
        all += n;
        last = keys[n - 1];
    }
    assert_int_equal(odd, 125);
    assert_int_equal(all, 250);
    assert_int_equal(tagged(store, 99), 0);
    store_close(&store);
}

static void a_restart_keeps_it_and_a_second_writer_is_refused(void **state)
{
    (void)state;
    struct store *store = open_store();
    assert_true(put(store, 1, "one", NO_TAG, NO_TAG));
    assert_true(store_put_state(store, "cursor", STR("42")));
    assert_true(store_commit(store, HOUR));
    assert_null(store_open(directory, LIMIT, error, sizeof(error)));
    char pid[20];
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    assert_non_null(strstr(error, pid));
    store_close(&store);
    store = open_store();
    assert_true(has(store, 1));
    assert_true(str_eq(store_state(store, "cursor"), STR("42")));
    assert_null(store_state(store, "other").p);
    store_close(&store);
}

static void write_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/" STORE_FOLDER "/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void after_a_power_loss_it_is_empty(void **state)
{
    (void)state;
    struct store *store = open_store();
    assert_true(put(store, 1, "one", NO_TAG, NO_TAG));
    store_close(&store);
    write_file("marker", STORE_MARKER "\nanother-life\n");
    store = open_store();
    assert_false(has(store, 1));
    assert_true(put(store, 2, "two", NO_TAG, NO_TAG));
    store_close(&store);
    /* A format that nobody knows. */
    write_file("marker", "filmyfly-store 99\n\n");
    store = open_store();
    assert_false(has(store, 2));
    store_close(&store);
}

static void a_foreign_file_is_replaced(void **state)
{
    (void)state;
    struct store *store = open_store();
    store_close(&store);
    char garbage[9000];
    memset(garbage, 'g', sizeof(garbage) - 1);
    garbage[sizeof(garbage) - 1] = '\0';
    write_file("data.mdb", garbage);
    store = open_store();
    assert_true(put(store, 1, "one", NO_TAG, NO_TAG));
    assert_true(store_commit(store, HOUR));
    assert_consistent(store);
    store_close(&store);
}

static void a_store_of_another_format_is_removed(void **state)
{
    (void)state;
    char old[PATH_MAX], file[PATH_MAX + 20];
    snprintf(old, sizeof(old), "%s/store.v0", directory);
    assert_int_equal(mkdir(old, 0750), 0);
    for (int i = 0; i < 3; i++) {
        snprintf(file, sizeof(file), "%s/%s", old, (const char *[]){"marker", "data.mdb", "lock.mdb"}[i]);
        fclose(fopen(file, "w"));
    }
    struct store *store = open_store();
    assert_int_equal(access(old, F_OK), -1);
    assert_true(put(store, 1, "one", NO_TAG, NO_TAG));
    store_close(&store);
}

static void readers_see_commits_and_hold_their_snapshot(void **state)
{
    (void)state;
    struct store_source *source = store_source_new(directory);
    struct store_reader *reader = store_reader_new(source);
    struct hash key = key_of(1);
    struct store_view view;
    uint64_t now = 10 * SECOND;
    assert_false(store_reader_look(reader, now)); /* there is none yet */

    struct store *store = open_store();
    assert_true(put(store, 1, "one", ODD, NO_TAG));
    assert_true(store_reader_look(reader, now += 2 * SECOND));
    assert_false(store_reader_find(reader, &key, &view));
    assert_true(store_put_state(store, "epochs", STR("7")));
    assert_true(store_commit(store, HOUR));
    assert_false(store_reader_find(reader, &key, &view));
    store_reader_done(reader);
    assert_true(store_reader_look(reader, now));
    assert_true(store_reader_find(reader, &key, &view));
    assert_true(str_eq(store_reader_body(reader, &key, STORE_GZIP), STR("one")));
    assert_true(str_eq(store_reader_state(reader, "epochs"), STR("7")));
    assert_null(store_reader_body(reader, &key, STORE_IDENTITY).p);
    store_reader_done(reader);

    /* The folder is removed under both: the writer makes a new one, the reader moves over. */
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s/" STORE_FOLDER, directory);
    assert_int_equal(system(command), 0);
    assert_false(store_reader_look(reader, now += 2 * SECOND));
    assert_true(store_look_after(store));
    assert_false(store_look_after(store));
    assert_true(put(store, 2, "two", NO_TAG, NO_TAG));
    assert_true(store_commit(store, HOUR));
    key = key_of(2);
    assert_true(store_reader_look(reader, now += 2 * SECOND));
    assert_true(store_reader_find(reader, &key, &view));
    store_reader_done(reader);
    assert_consistent(store);

    store_reader_free(&reader);
    store_source_free(&source);
    store_close(&store);
}

static void readers_open_nothing_from_another_life(void **state)
{
    (void)state;
    struct store *store = open_store();
    store_close(&store);
    struct store_source *source = store_source_new(directory);
    struct store_reader *reader = store_reader_new(source);
    write_file("marker", STORE_MARKER "\nanother-life\n");
    assert_false(store_reader_look(reader, 3 * SECOND));
    store = open_store();
    assert_true(store_reader_look(reader, 5 * SECOND));
    store_reader_done(reader);
    store_reader_free(&reader);
    store_source_free(&source);
    store_close(&store);
}

static void readers_do_not_look_while_it_is_hidden(void **state)
{
    (void)state;
    struct store *store = open_store();
    struct store_source *source = store_source_new(directory);
    struct store_reader *reader = store_reader_new(source), *other = store_reader_new(source);
    assert_true(put(store, 1, "one", NO_TAG, NO_TAG));
    assert_true(store_commit(store, HOUR));
    assert_true(store_reader_look(reader, 10 * SECOND));
    store_reader_done(reader);
    store_hide(store);
    store_hide(store);
    assert_false(store_reader_look(reader, 12 * SECOND));
    assert_false(store_reader_look(other, 12 * SECOND));
    store_show(store);
    store_show(store);
    assert_true(store_reader_look(reader, 14 * SECOND));
    assert_true(store_reader_look(other, 14 * SECOND));
    store_reader_done(reader);
    store_reader_done(other);

    store_hide(store); /* whoever comes after a writer that died so starts empty */
    store_close(&store);
    store = open_store();
    assert_int_equal(store_stats(store).entries, 0);
    assert_true(store_reader_look(reader, 16 * SECOND));
    store_reader_done(reader);
    store_reader_free(&reader);
    store_reader_free(&other);
    store_source_free(&source);
    store_close(&store);
}

static void without_locks_readers_do_not_look(void **state)
{
    (void)state;
    struct store *store = open_store();
    char path[200];
    snprintf(path, sizeof(path), "%s/" STORE_FOLDER, directory);
    chmod(path, 0755);
    strcat(path, "/data.mdb");
    chmod(path, 0644);
    snprintf(path, sizeof(path), "%s/" STORE_FOLDER "/marker", directory);
    chmod(path, 0644);
    snprintf(path, sizeof(path), "%s/" STORE_FOLDER "/lock.mdb", directory);
    chmod(path, 0444);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
            _exit(9);
        struct store_source *source = store_source_new(directory);
        struct store_reader *reader = store_reader_new(source);
        _exit(store_reader_look(reader, SECOND) ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store_close(&store);
}

static char page[40000];

static bool put_page(struct store *store, unsigned n, uint32_t bytes, uint32_t hour)
{
    struct store_entry entry = {.key = key_of(n), .meta = STR("m"), .body = {{page, bytes}}};
    return store_put(store, &entry, hour);
}

/* What a reader looks at is kept for it; one that was killed looks no more. */
static void a_reader_that_died_keeps_nothing(void **state)
{
    (void)state;
    struct store *store = store_open(directory, 8u << 20, error, sizeof(error));
    assert_true(put_page(store, 0, 20000, HOUR));
    assert_true(store_commit(store, HOUR));
    pid_t child = fork();
    if (child == 0) {
        struct store_source *source = store_source_new(directory);
        struct store_reader *reader = store_reader_new(source);
        if (store_reader_look(reader, 10 * SECOND))
            raise(SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    store_look_after(store);
    for (unsigned n = 1; n <= 2000; n++) { /* 40 MB through 8 */
        assert_true(put_page(store, n, 20000, HOUR));
        assert_true(store_commit(store, HOUR));
    }
    store_close(&store);
}

static void the_limit_holds_and_the_least_used_go(void **state)
{
    (void)state;
    struct store *store = store_open(directory, 8u << 20, error, sizeof(error));
    assert_non_null(store);
    srandom(7);
    unsigned lost = 0; /* the limit is so small that pages are scattered now and then */
    for (unsigned i = 0; i < 3000; i++) {
        lost += !put_page(store, i, (uint32_t)(2000 + random() % 38000), HOUR + i / 100);
        if (i % 3 == 0)
            store_commit(store, HOUR + i / 100);
    }
    assert_in_range(lost, 0, 30);
    assert_null(store_trouble(store));
    assert_true(put_page(store, 2999, 3000, HOUR + 30));
    assert_true(store_commit(store, HOUR + 30));
    assert_consistent(store);
    char path[200];
    struct stat st;
    snprintf(path, sizeof(path), "%s/" STORE_FOLDER "/data.mdb", directory);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= 8 << 20);
    assert_true(has(store, 2999));
    assert_false(has(store, 0));
    assert_true(store_stats(store).entries > 150);
    /* What nobody used for 60 days goes. */
    assert_true(put_page(store, 5000, 10, HOUR + 40 + STORE_IDLE_DAYS * 24));
    for (int i = 0; i < 20; i++) {
        assert_true(store_put_state(store, "x", STR("y")));
        assert_true(store_commit(store, HOUR + 40 + STORE_IDLE_DAYS * 24));
    }
    assert_int_equal(store_stats(store).entries, 1);
    assert_consistent(store);
    store_close(&store);
}

static void a_larger_limit_is_taken_up_by_readers(void **state)
{
    (void)state;
    struct store *store = store_open(directory, 4u << 20, error, sizeof(error));
    struct store_source *source = store_source_new(directory);
    struct store_reader *reader = store_reader_new(source);
    assert_true(store_reader_look(reader, SECOND));
    store_reader_done(reader);
    store_close(&store);
    store = store_open(directory, 32u << 20, error, sizeof(error));
    for (unsigned i = 0; i < 500; i++)
        assert_true(put_page(store, i, 39000, HOUR));
    assert_true(store_commit(store, HOUR));
    struct hash key = key_of(499);
    struct store_view view;
    assert_true(store_reader_look(reader, SECOND));
    assert_true(store_reader_find(reader, &key, &view));
    assert_int_equal(store_reader_body(reader, &key, STORE_IDENTITY).n, 39000);
    store_reader_done(reader);
    store_reader_free(&reader);
    store_source_free(&source);
    store_close(&store);
}

static void on_a_full_disk_it_stores_nothing_and_says_so(void **state)
{
    (void)state;
    struct store *store = open_store();
    assert_true(put(store, 1, "one", NO_TAG, NO_TAG));
    assert_true(store_commit(store, HOUR));
    struct rlimit was, small;
    getrlimit(RLIMIT_FSIZE, &was);
    small = was;
    small.rlim_cur = 1 << 20;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    bool stored = true;
    for (unsigned i = 2; i < 200 && stored; i++)
        stored = put_page(store, i, 39000, HOUR) && store_commit(store, HOUR);
    assert_false(stored);
    assert_non_null(store_trouble(store));
    assert_false(put(store, 1000, "not now", NO_TAG, NO_TAG));
    assert_true(has(store, 1));
    assert_consistent(store);
    setrlimit(RLIMIT_FSIZE, &was);
    store->rest_until = clock_now();
    store_look_after(store);
    assert_true(put(store, 1000, "again", NO_TAG, NO_TAG));
    assert_true(store_commit(store, HOUR));
    assert_null(store_trouble(store));
    assert_true(has(store, 1) && has(store, 1000));
    assert_consistent(store);
    store_close(&store);
}

/* A hundred random lives of a writer, each killed somewhere or ended in order: what it committed last is there whole.
 */
static void do_anything(struct store *store, unsigned seed, int told)
{
    srandom(seed);
    for (uint32_t turn = 1;; turn++) {
        for (long i = random() % 20; i >= 0; i--) {
            unsigned n = (unsigned)(random() % 300);
            struct hash key = key_of(n);
            switch (random() % 7) {
            case 0:
            case 1: {
                uint64_t tag[] = {(uint64_t)random() % 5, (uint64_t)random() % 5};
                struct store_entry entry = {.key = key,
                                            .meta = {page, (uint32_t)(random() % 600)},
                                            .tags = tag,
                                            .n_tags = (uint32_t)(random() % 3)};
                entry.body[random() % 3] = (struct str){page, (uint32_t)(random() % sizeof(page))};
                store_put(store, &entry, HOUR + (uint32_t)(random() % 10));
                break;
            }
            case 2:
                store_remove(store, &key);
                break;
            case 3:
                store_put_body(store, &key, (enum store_encoding)(random() % 3),
                               (struct str){page, (uint32_t)(random() % 5000)});
                break;
            case 4:
                store_put_meta(store, &key, (struct str){page, (uint32_t)(random() % 900)});
                break;
            case 5:
                if (n < 20)
                    store_index(store);
                break;
            default:
                store_use(store, &key, HOUR + (uint32_t)(random() % 10)); /* also back in time */
            }
        }
        char number[16];
        snprintf(number, sizeof(number), "%u", turn);
        if (!store_put_state(store, "turn", str_of(number)) || !store_commit(store, HOUR))
            _exit(1);
        if (write(told, &turn, sizeof(turn)) != sizeof(turn))
            _exit(1);
    }
}

static void killed_writers_leave_it_whole(void **state)
{
    (void)state;
    for (unsigned life = 0; life < 40; life++) {
        int told[2];
        assert_int_equal(pipe(told), 0);
        pid_t child = fork();
        if (child == 0) {
            struct store *store = store_open(directory, 6u << 20, error, sizeof(error));
            if (!store || store_put_state(store, "turn", STR("0")) == false)
                _exit(2);
            do_anything(store, life, told[1]);
        }
        close(told[1]);
        usleep(3000 + life * 700);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        uint32_t turn, last = 0;
        while (read(told[0], &turn, sizeof(turn)) == sizeof(turn))
            last = turn;
        close(told[0]);
        struct store *store = store_open(directory, 6u << 20, error, sizeof(error));
        if (!store)
            fail_msg("%s", error);
        if (last > 0) { /* the last commit that was told of is there, or the one after it */
            struct str text = store_state(store, "turn");
            uint32_t found = 0;
            for (uint32_t i = 0; i < text.n; i++)
                found = found * 10 + (uint32_t)(text.p[i] - '0');
            assert_in_range(found, last, last + 1);
        }
        assert_consistent(store);
        store_close(&store);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(what_is_put_is_found_and_replaced_whole),
        TEST(what_is_beyond_the_limits_is_refused),
        TEST(keys_and_tags_are_walked_in_parts),
        TEST(a_restart_keeps_it_and_a_second_writer_is_refused),
        TEST(after_a_power_loss_it_is_empty),
        TEST(a_foreign_file_is_replaced),
        TEST(a_store_of_another_format_is_removed),
        TEST(readers_see_commits_and_hold_their_snapshot),
        TEST(readers_open_nothing_from_another_life),
        TEST(readers_do_not_look_while_it_is_hidden),
        TEST(without_locks_readers_do_not_look),
        TEST(a_reader_that_died_keeps_nothing),
        TEST(the_limit_holds_and_the_least_used_go),
        TEST(a_larger_limit_is_taken_up_by_readers),
        TEST(on_a_full_disk_it_stores_nothing_and_says_so),
        TEST(killed_writers_leave_it_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
