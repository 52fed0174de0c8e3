#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "store_writer.h"

#define EVICT_LEAST   64              /* entries that one commit may evict, beside two for each one put */
#define MEASURE_EVERY 256             /* commits between two looks at what the map really holds */
#define FULL_STEP     20              /* of the limit, this part more is kept free when the map was full */
#define FULL_LATELY   (3600 * SECOND) /* so long, and then a step less */
#define REST          (1 * SECOND)    /* after a failure nothing is written for so long */
#define LEAST_LIMIT   (4u << 20)      /* below that LMDB's own pages leave no room */
#define STATS         "stats"

/* ---- transactions ---- */

static void close_env(struct store *store)
{
    if (store->write)
        mdb_txn_abort(store->write);
    if (store->read)
        mdb_txn_abort(store->read);
    if (store->env)
        mdb_env_close(store->env);
    store->write = store->read = NULL;
    store->env = NULL;
    store->reading = false;
}

static void end_read(struct store *store)
{
    if (store->reading)
        mdb_txn_reset(store->read);
    store->reading = false;
}

bool store_fail(struct store *store, const char *what, int rc)
{
    if (store->write)
        mdb_txn_abort(store->write);
    store->write = NULL;
    store->stats = store->committed;
    store->changed = false;
    store->puts = 0;
    if (rc == MDB_MAP_FULL) { /* pages in one piece are scarcer than their sum says: keep more of them free */
        store->full_at = clock_now();
        if (!store->full && store->kept_free < store->limit / 2)
            store->kept_free += store->limit / FULL_STEP;
        store->full = true;
        return false;
    }
    store->rest_until = clock_now() + REST;
    /* What cannot go on is opened again, or made anew, by store_look_after. */
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID)
        store_remove_files(store->folder);
    if (rc == MDB_PANIC || rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID)
        close_env(store);
    snprintf(store->trouble, sizeof(store->trouble), "%s: %s", what, mdb_strerror(rc));
    log_limited(&store->said, LOG_LEVEL_ERROR, "the store %s stores nothing now (%s); what it has is served",
                store->folder, store->trouble);
    return false;
}

bool store_begin(struct store *store)
{
    if (store->write)
        return true;
    if (!store->env || (store->rest_until && clock_now() < store->rest_until))
        return false;
    end_read(store);
    int rc = mdb_txn_begin(store->env, NULL, 0, &store->write);
    if (rc) {
        store->write = NULL;
        return store_fail(store, "no transaction", rc);
    }
    return true;
}

/* The transaction to read with, or NULL. */
MDB_txn *store_txn(struct store *store)
{
    if (store->write || store->reading)
        return store->write ? store->write : store->read;
    if (!store->env)
        return NULL;
    int rc = store->read ? mdb_txn_renew(store->read) : mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->read);
    if (rc) {
        log_limited(&store->said, LOG_LEVEL_ERROR, "the store %s cannot be read: %s", store->folder, mdb_strerror(rc));
        return NULL;
    }
    store->reading = true;
    return store->read;
}

bool store_get_value(struct store *store, enum store_database db, MDB_val key, MDB_val *value)
{
    MDB_txn *txn = store_txn(store);
    return txn && mdb_get(txn, store->db[db], &key, value) == 0;
}

bool store_put_value(struct store *store, enum store_database db, MDB_val key, MDB_val value)
{
    int rc = mdb_put(store->write, store->db[db], &key, &value, 0);
    return rc == 0 || store_fail(store, "a write failed", rc);
}

struct str store_state(struct store *store, const char *name)
{
    MDB_val value;
    if (!store_get_value(store, STATE, val(name, strlen(name)), &value))
        return STR_NONE;
    return (struct str){value.mv_size ? value.mv_data : "", (uint32_t)value.mv_size};
}

bool store_put_state(struct store *store, const char *name, struct str value)
{
    return store_begin(store) && store_put_value(store, STATE, val(name, strlen(name)), val(value.p, value.n));
}

/* ---- room ---- */

/* The least recently used entry, if it was last used before `hour`. */
static bool least_used(struct store *store, uint32_t hour, struct hash *key)
{
    MDB_cursor *cursor;
    MDB_val k, value;
    if (mdb_cursor_open(store->write, store->db[USES], &cursor) != 0)
        return false;
    bool found = mdb_cursor_get(cursor, &k, &value, MDB_FIRST) == 0 && k.mv_size == sizeof(struct use_key);
    if (found) {
        const unsigned char *p = k.mv_data;
        uint32_t used = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        found = used < hour;
        memcpy(key, p + 4, STORE_KEY_BYTES);
    }
    mdb_cursor_close(cursor);
    return found;
}

static bool is_too_full(const struct store *store)
{
    return (int64_t)store->stats.bytes + store->overhead > (int64_t)(store->limit - store->kept_free);
}

static bool evict(struct store *store, uint32_t hour)
{
    uint32_t idle = hour > STORE_IDLE_DAYS * 24 ? hour - STORE_IDLE_DAYS * 24 : 0;
    struct hash key;
    bool was_there;
    for (unsigned left = EVICT_LEAST + 2 * store->puts; left > 0; left--) {
        if (!least_used(store, is_too_full(store) ? UINT32_MAX : idle, &key))
            return true;
        if (!store_remove_entry(store, &key, &was_there))
            return false;
        if (!was_there)
            return store_fail(store, "a use without an entry", MDB_CORRUPTED);
        store->stats.evictions++;
    }
    return true;
}

/* What the map holds beyond our account: inner pages, fragments, pages that old readers keep. */
static void measure(struct store *store)
{
    MDB_txn *txn = store_txn(store);
    MDB_cursor *cursor;
    MDB_envinfo info;
    MDB_stat stat;
    MDB_val key, value;
    size_t free_pages = 0;
    if (!txn || mdb_env_info(store->env, &info) || mdb_env_stat(store->env, &stat) || mdb_cursor_open(txn, 0, &cursor))
        return;
    for (int rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); rc == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        size_t n;
        memcpy(&n, value.mv_data, sizeof(n));
        free_pages += n;
    }
    mdb_cursor_close(cursor);
    if (store->kept_free > store->limit / 10 && clock_now() - store->full_at > FULL_LATELY) {
        store->kept_free -= store->limit / FULL_STEP;
        store->full_at = clock_now();
    }
    store->overhead = (int64_t)((info.me_last_pgno + 1 - free_pages) * stat.ms_psize) - (int64_t)store->stats.bytes;
}

bool store_commit(struct store *store, uint32_t hour)
{
    end_read(store);
    store->full = false;
    if (is_too_full(store))
        store_begin(store);
    if (store->write) {
        if (!evict(store, hour))
            return false;
        if (store->changed &&
            !store_put_value(store, STATE, val(STATS, strlen(STATS)), val(&store->stats, sizeof(store->stats))))
            return false;
        int rc = mdb_txn_commit(store->write);
        store->write = NULL;
        if (rc)
            return store_fail(store, "a commit failed", rc);
        if (store->commits++ % MEASURE_EVERY == 0) { /* LMDB shows its free pages to readers only */
            measure(store);
            end_read(store);
        }
    }
    store->committed = store->stats;
    store->changed = false;
    store->puts = 0;
    if (store->trouble[0] && clock_now() >= store->rest_until) {
        log_info("the store %s stores again", store->folder);
        store->trouble[0] = '\0';
        store->rest_until = 0;
    }
    return true;
}

void store_hide(struct store *store)
{
    if (store->hidden || !(store->hidden = store_move_marker(store->folder, true)))
        return;
    log_warning("what changed cannot be recorded in the store %s, so nobody reads it meanwhile", store->folder);
}

void store_show(struct store *store)
{
    if (!store->hidden || (store->hidden = !store_move_marker(store->folder, false)))
        return;
    log_info("the store %s can be read again", store->folder);
}

struct store_stats store_stats(const struct store *store)
{
    return store->stats;
}

const char *store_trouble(const struct store *store)
{
    return store->trouble[0] ? store->trouble : NULL;
}

/* ---- opening and closing ---- */

static int open_databases(struct store *store)
{
    static const char *const names[] = STORE_DATABASE_NAMES;
    MDB_txn *txn;
    MDB_val key = val(STATS, strlen(STATS)), value;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (rc)
        return rc;
    for (int i = 0; i < STORE_DATABASES && !rc; i++)
        rc = mdb_dbi_open(txn, names[i], MDB_CREATE | (i == TAGS ? MDB_DUPSORT | MDB_DUPFIXED : 0), &store->db[i]);
    store->stats = (struct store_stats){0};
    if (!rc && mdb_get(txn, store->db[STATE], &key, &value) == 0) {
        if (value.mv_size == sizeof(store->stats))
            memcpy(&store->stats, value.mv_data, sizeof(store->stats));
        else
            rc = MDB_INVALID;
    }
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    store->committed = store->stats;
    return mdb_txn_commit(txn);
}

/* Readers write to the lock file only. */
static bool set_modes(struct store *store)
{
    char path[PATH_MAX + 16];
    struct stat st;
    snprintf(path, sizeof(path), "%s/lock.mdb", store->folder);
    if (chmod(path, 0660) != 0)
        return false;
    snprintf(path, sizeof(path), "%s/data.mdb", store->folder);
    if (chmod(path, 0640) != 0 || stat(path, &st) != 0)
        return false;
    store->inode = st.st_ino;
    return true;
}

static int open_env(struct store *store)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int rc = mdb_env_create(&store->env);
    if (!rc)
        rc = mdb_env_set_mapsize(store->env, store->limit / page * page);
    if (!rc)
        rc = mdb_env_set_maxdbs(store->env, STORE_DATABASES);
    if (!rc)
        rc = mdb_env_set_maxreaders(store->env, STORE_READERS);
    if (!rc)
        rc = mdb_env_open(store->env, store->folder, MDB_NOSYNC | MDB_NOTLS, 0660);
    if (!rc)
        rc = open_databases(store);
    if (!rc && !set_modes(store))
        rc = errno;
    if (rc)
        close_env(store);
    return rc;
}

/* Takes what is there if it can be trusted, else starts empty. */
static bool open_folder(struct store *store, char *error, size_t error_size)
{
    if (mkdir(store->folder, 0750) != 0 && errno != EEXIST) {
        snprintf(error, error_size, "%s cannot be made: %s", store->folder, strerror(errno));
        return false;
    }
    enum store_marker marker = store_read_marker(store->folder);
    const char *why = marker == MARKER_OTHER_LIFE ? "the machine stopped without notice since it was written" : NULL;
    if (marker == MARKER_GOOD) {
        int rc = open_env(store);
        if (!rc)
            return true;
        why = mdb_strerror(rc);
    }
    if (why)
        log_warning("the store %s starts empty: %s", store->folder, why);
    int rc = store_remove_files(store->folder) ? open_env(store) : errno;
    if (!rc && !store_write_marker(store->folder))
        rc = errno;
    if (rc)
        snprintf(error, error_size, "the store %s cannot be made: %s", store->folder, mdb_strerror(rc));
    store->hidden = false;
    return !rc;
}

static bool lock(struct store *store, const char *directory, char *error, size_t error_size)
{
    char path[PATH_MAX], owner[32] = "";
    if (snprintf(path, sizeof(path), "%s/cacher.lock", directory) >= (int)sizeof(path) ||
        snprintf(store->folder, sizeof(store->folder), "%s/" STORE_FOLDER, directory) >= (int)sizeof(path) - 20) {
        snprintf(error, error_size, "FILMYFLY_CACHE_DIR is too long: %s", directory);
        return false;
    }
    if (mkdir(directory, 0750) != 0 && errno != EEXIST) {
        snprintf(error, error_size, "%s (FILMYFLY_CACHE_DIR) cannot be made: %s", directory, strerror(errno));
        return false;
    }
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (store->lock < 0) {
        snprintf(error, error_size,
                 "%s cannot be opened: %s; FILMYFLY_CACHE_DIR must be a directory that the cacher may write to", path,
                 strerror(errno));
        return false;
    }
    if (flock(store->lock, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = read(store->lock, owner, sizeof(owner) - 1);
        owner[n > 0 ? strcspn(owner, "\n") : 0] = '\0';
        snprintf(error, error_size, "%s is held by process %s: another cacher owns this store", path, owner);
        return false;
    }
    if (ftruncate(store->lock, 0) != 0 || dprintf(store->lock, "%d\n", (int)getpid()) < 0)
        log_warning("%s cannot be written: %s", path, strerror(errno));
    return true;
}

/* The whole directory may have been taken away, and the lock with it. */
static bool lock_again(struct store *store, char *error, size_t error_size)
{
    char directory[PATH_MAX], path[PATH_MAX + 16];
    struct stat held, there;
    snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(store->folder, '/') - store->folder), store->folder);
    snprintf(path, sizeof(path), "%s/cacher.lock", directory);
    if (store->lock >= 0 && fstat(store->lock, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino)
        return true;
    if (store->lock >= 0)
        close(store->lock);
    store->lock = -1;
    if (lock(store, directory, error, error_size))
        return true;
    if (store->lock >= 0)
        close(store->lock);
    store->lock = -1;
    return false;
}

struct store *store_open(const char *directory, uint64_t limit, char *error, size_t error_size)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    store->limit = limit < LEAST_LIMIT ? LEAST_LIMIT : limit;
    store->kept_free = store->limit / 10;
    store->lock = -1;
    if (!lock(store, directory, error, error_size) || !open_folder(store, error, error_size)) {
        if (store->lock >= 0)
            close(store->lock);
        free(store);
        return NULL;
    }
    store_remove_others(directory);
    return store;
}

void store_close(struct store **store_)
{
    struct store *store = *store_;
    if (!store)
        return;
    if (store->env)
        store_commit(store, 0);
    close_env(store);
    close(store->lock);
    free(store);
    *store_ = NULL;
}

bool store_look_after(struct store *store)
{
    char path[PATH_MAX + 16], error[PATH_MAX + 200];
    struct stat st;
    int dead;
    if (store->env)
        mdb_reader_check(store->env, &dead);
    snprintf(path, sizeof(path), "%s/data.mdb", store->folder);
    bool same = stat(path, &st) == 0 && st.st_ino == store->inode;
    if (store->env && same)
        return false;
    log_warning("the store %s was taken away; a new one is made", store->folder);
    close_env(store);
    if (!lock_again(store, error, sizeof(error)) || !open_folder(store, error, sizeof(error))) {
        log_limited(&store->said, LOG_LEVEL_ERROR, "%s", error);
        snprintf(store->trouble, sizeof(store->trouble), "it was taken away, and cannot be made again");
        return false;
    }
    return !same;
}
