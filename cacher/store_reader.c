#include "store_reader.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "store_format.h"

#define LOOK_EVERY (1 * SECOND) /* for a store that appeared or was replaced */

/* An open environment. A process must not open one twice, as closing either would release the locks of both; a store
 * that replaced another is another file. */
struct opened {
    MDB_env *env;
    MDB_dbi db[STORE_DATABASES];
    ino_t inode;
    unsigned users; /* under the source's mutex: its source, and readers that have not moved on */
};

struct store_source {
    char folder[PATH_MAX];
    pthread_mutex_t mutex;
    struct opened *opened;   /* the newest, or NULL */
    bool hidden;             /* its marker is not there: its writer wants nobody to look */
    pthread_rwlock_t active; /* held to read while a transaction is active: the map grows only when none is */
    struct log_limit said;
};

struct store_reader {
    struct store_source *source;
    struct opened *opened;
    MDB_txn *txn; /* kept between looks */
    bool hidden;  /* as the source said when this reader last asked */
    uint64_t looked;
};

struct store_source *store_source_new(const char *directory)
{
    struct store_source *source = calloc(1, sizeof(*source));
    if (!source)
        return NULL;
    snprintf(source->folder, sizeof(source->folder), "%s/" STORE_FOLDER, directory);
    pthread_mutex_init(&source->mutex, NULL);
    pthread_rwlock_init(&source->active, NULL);
    return source;
}

/* With the mutex held. */
static void leave(struct opened **slot)
{
    struct opened *opened = *slot;
    *slot = NULL;
    if (!opened || --opened->users > 0)
        return;
    mdb_env_close(opened->env);
    free(opened);
}

void store_source_free(struct store_source **source_)
{
    struct store_source *source = *source_;
    if (!source)
        return;
    leave(&source->opened);
    pthread_rwlock_destroy(&source->active);
    pthread_mutex_destroy(&source->mutex);
    free(source);
    *source_ = NULL;
}

static int open_databases(struct opened *opened)
{
    static const char *const names[] = STORE_DATABASE_NAMES;
    MDB_txn *txn;
    int rc = mdb_txn_begin(opened->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    for (int i = 0; i < STORE_DATABASES && !rc; i++)
        rc = mdb_dbi_open(txn, names[i], i == TAGS ? MDB_DUPSORT | MDB_DUPFIXED : 0, &opened->db[i]);
    if (rc)
        mdb_txn_abort(txn);
    return rc ? rc : mdb_txn_commit(txn);
}

static struct opened *open_store(struct store_source *source, ino_t inode)
{
    char lock[PATH_MAX + 16];
    struct opened *opened = calloc(1, sizeof(*opened));
    if (!opened)
        return NULL;
    opened->users = 1;
    opened->inode = inode;
    snprintf(lock, sizeof(lock), "%s/lock.mdb", source->folder);
    const char *why = NULL;
    int rc = 0;
    if (access(lock, W_OK) != 0)
        why = "its lock file cannot be written, and without locks pages would be read while they change";
    else if ((rc = mdb_env_create(&opened->env)) || (rc = mdb_env_set_maxdbs(opened->env, STORE_DATABASES)) ||
             (rc = mdb_env_set_maxreaders(opened->env, STORE_READERS)) ||
             (rc = mdb_env_open(opened->env, source->folder, MDB_RDONLY | MDB_NOTLS, 0)) ||
             (rc = open_databases(opened)))
        why = mdb_strerror(rc);
    if (!why)
        return opened;
    log_limited(&source->said, LOG_LEVEL_ERROR, "the store %s is not used: %s", source->folder, why);
    if (opened->env)
        mdb_env_close(opened->env);
    free(opened);
    return NULL;
}

/* With the mutex held: finds out which store is there now. */
static void look_for_store(struct store_source *source)
{
    char path[PATH_MAX + 16];
    struct stat st;
    snprintf(path, sizeof(path), "%s/data.mdb", source->folder);
    bool there = stat(path, &st) == 0;
    source->hidden = store_read_marker(source->folder) != MARKER_GOOD;
    if (there && source->opened && source->opened->inode == st.st_ino)
        return;
    leave(&source->opened);
    if (there && !source->hidden)
        source->opened = open_store(source, st.st_ino);
}

static void end_transaction(struct store_reader *reader)
{
    if (reader->txn)
        mdb_txn_abort(reader->txn);
    reader->txn = NULL;
}

static void move_on(struct store_reader *reader, uint64_t now)
{
    struct store_source *source = reader->source;
    if (reader->looked && now - reader->looked < LOOK_EVERY)
        return;
    reader->looked = now;
    pthread_mutex_lock(&source->mutex);
    look_for_store(source);
    if (reader->opened != source->opened) {
        end_transaction(reader);
        leave(&reader->opened);
        reader->opened = source->opened;
        if (reader->opened)
            reader->opened->users++;
    }
    reader->hidden = source->hidden;
    pthread_mutex_unlock(&source->mutex);
}

struct store_reader *store_reader_new(struct store_source *source)
{
    struct store_reader *reader = calloc(1, sizeof(*reader));
    if (reader)
        reader->source = source;
    return reader;
}

void store_reader_free(struct store_reader **reader_)
{
    struct store_reader *reader = *reader_;
    if (!reader)
        return;
    end_transaction(reader);
    pthread_mutex_lock(&reader->source->mutex);
    leave(&reader->opened);
    pthread_mutex_unlock(&reader->source->mutex);
    free(reader);
    *reader_ = NULL;
}

/* The writer made the map larger than ours. Ours grows when no transaction of this process is active; until then this
 * look is a miss. */
static void grow(struct store_reader *reader)
{
    if (pthread_rwlock_trywrlock(&reader->source->active) != 0)
        return;
    mdb_env_set_mapsize(reader->opened->env, 0);
    pthread_rwlock_unlock(&reader->source->active);
}

bool store_reader_look(struct store_reader *reader, uint64_t now)
{
    move_on(reader, now);
    if (!reader->opened || reader->hidden)
        return false;
    for (int attempt = 0; attempt < 2; attempt++) {
        pthread_rwlock_rdlock(&reader->source->active);
        int rc = reader->txn ? mdb_txn_renew(reader->txn)
                             : mdb_txn_begin(reader->opened->env, NULL, MDB_RDONLY, &reader->txn);
        if (rc == 0)
            return true;
        pthread_rwlock_unlock(&reader->source->active);
        if (rc == MDB_MAP_RESIZED) {
            grow(reader);
            continue;
        }
        end_transaction(reader);
        log_limited(&reader->source->said, LOG_LEVEL_ERROR, "the store %s cannot be read: %s", reader->source->folder,
                    mdb_strerror(rc));
        return false;
    }
    return false;
}

void store_reader_done(struct store_reader *reader)
{
    mdb_txn_reset(reader->txn);
    pthread_rwlock_unlock(&reader->source->active);
}

static bool get(struct store_reader *reader, enum store_database db, const void *key, size_t n, MDB_val *value)
{
    MDB_val k = {n, (void *)(uintptr_t)key};
    return mdb_get(reader->txn, reader->opened->db[db], &k, value) == 0;
}

bool store_reader_find(struct store_reader *reader, const struct hash *key, struct store_view *view)
{
    MDB_val value;
    struct entry_head head;
    return get(reader, ENTRIES, key, STORE_KEY_BYTES, &value) && store_parse_entry(&value, &head, view);
}

static struct str str_of_val(const MDB_val *value)
{
    return (struct str){value->mv_size ? value->mv_data : "", (uint32_t)value->mv_size};
}

struct str store_reader_body(struct store_reader *reader, const struct hash *key, enum store_encoding encoding)
{
    struct body_key k = {.encoding = (unsigned char)encoding};
    MDB_val value;
    memcpy(k.of, key, STORE_KEY_BYTES);
    return get(reader, BODIES, &k, sizeof(k), &value) ? str_of_val(&value) : STR_NONE;
}

struct str store_reader_state(struct store_reader *reader, const char *name)
{
    MDB_val value;
    return get(reader, STATE, name, strlen(name), &value) ? str_of_val(&value) : STR_NONE;
}
