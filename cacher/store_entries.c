#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "store_writer.h"

#define RECENT_MOST 128 /* puts whose tags wait to be indexed together: some thousand leaves' worth of work, 2 ms */

/* Bytes on the disk of a value of n bytes: what is larger than a fraction of a page takes whole pages of its own; pages
 * of small ones are two thirds full. */
static uint64_t cost(uint64_t n)
{
    return n > 2000 ? (n + 16 + 4095) / 4096 * 4096 : (n + 40) * 3 / 2;
}

static uint64_t cost_of(const struct entry_head *head)
{
    uint64_t record = sizeof(*head) + head->tags * sizeof(uint64_t) + head->meta_bytes;
    uint64_t sum = cost(record) + cost(0); /* and its use */
    for (int i = 0; i < STORE_ENCODINGS; i++)
        if (head->bodies >> i & 1)
            sum += cost(head->body_bytes[i]);
    return sum + head->tags * cost(STORE_KEY_BYTES);
}

/* That there is nothing to delete is fine: it is gone. */
static bool del(struct store *store, enum store_database db, MDB_val key, MDB_val *value)
{
    int rc = mdb_del(store->write, store->db[db], &key, value);
    return rc == 0 || rc == MDB_NOTFOUND || store_fail(store, "a removal failed", rc);
}

bool store_parse_entry(const MDB_val *value, struct entry_head *head, struct store_view *view)
{
    const char *p = value->mv_data;
    if (value->mv_size < sizeof(*head))
        return false;
    memcpy(head, p, sizeof(*head));
    size_t tags = head->tags * sizeof(uint64_t);
    if (head->tags > STORE_TAGS_MAX || value->mv_size != sizeof(*head) + tags + head->meta_bytes)
        return false;
    p += sizeof(*head);
    *view = (struct store_view){
        .tags = (const unsigned char *)p,
        .meta = {p + tags, head->meta_bytes},
        .bodies = head->bodies,
        .used = head->used,
        .n_tags = head->tags,
    };
    memcpy(view->body_bytes, head->body_bytes, sizeof(view->body_bytes));
    return true;
}

uint64_t store_tag(const struct store_view *view, uint32_t i)
{
    uint64_t tag;
    memcpy(&tag, view->tags + i * sizeof(tag), sizeof(tag));
    return tag;
}

static bool find(struct store *store, const struct hash *key, struct entry_head *head, struct store_view *view)
{
    MDB_val value;
    return store_get_value(store, ENTRIES, key_val(key), &value) && store_parse_entry(&value, head, view);
}

bool store_find(struct store *store, const struct hash *key, struct store_view *view)
{
    struct entry_head head;
    return find(store, key, &head, view);
}

static struct body_key body_key(const struct hash *key, enum store_encoding encoding)
{
    struct body_key k = {.encoding = (unsigned char)encoding};
    memcpy(k.of, key, STORE_KEY_BYTES);
    return k;
}

struct str store_body(struct store *store, const struct hash *key, enum store_encoding encoding)
{
    struct body_key k = body_key(key, encoding);
    MDB_val value;
    if (!store_get_value(store, BODIES, val(&k, sizeof(k)), &value))
        return STR_NONE;
    return (struct str){value.mv_size ? value.mv_data : "", (uint32_t)value.mv_size};
}

static struct put_key put_key(uint64_t number)
{
    struct put_key k;
    for (int i = 0; i < 8; i++)
        k.number[i] = (unsigned char)(number >> (56 - 8 * i));
    return k;
}

static struct use_key use_key(const struct hash *key, uint32_t hour)
{
    struct use_key k = {
        {(unsigned char)(hour >> 24), (unsigned char)(hour >> 16), (unsigned char)(hour >> 8), (unsigned char)hour},
        {0}};
    memcpy(k.of, key, STORE_KEY_BYTES);
    return k;
}

static bool put_use(struct store *store, const struct hash *key, uint32_t hour)
{
    struct use_key k = use_key(key, hour);
    return store_put_value(store, USES, val(&k, sizeof(k)), val("", 0));
}

static bool del_use(struct store *store, const struct hash *key, uint32_t hour)
{
    struct use_key k = use_key(key, hour);
    return del(store, USES, val(&k, sizeof(k)), NULL);
}

/* Writes the record anew. Tags and metadata may lie in the map: they are copied first. */
static bool put_record(struct store *store, const struct hash *key, struct entry_head head, const void *tags,
                       struct str meta)
{
    unsigned char record[sizeof(head) + STORE_TAGS_MAX * sizeof(uint64_t) + STORE_META_MAX];
    size_t bytes = head.tags * sizeof(uint64_t), n = sizeof(head) + bytes + meta.n;
    head.meta_bytes = meta.n;
    memcpy(record, &head, sizeof(head));
    if (bytes > 0)
        memcpy(record + sizeof(head), tags, bytes);
    if (meta.n > 0)
        memcpy(record + sizeof(head) + bytes, meta.p, meta.n);
    return store_put_value(store, ENTRIES, key_val(key), val(record, n));
}

static bool put_one_body(struct store *store, const struct hash *key, enum store_encoding encoding, struct str body)
{
    struct body_key k = body_key(key, encoding);
    return store_put_value(store, BODIES, val(&k, sizeof(k)), val(body.p, body.n));
}

bool store_remove_entry(struct store *store, const struct hash *key, bool *was_there)
{
    uint64_t tags[STORE_TAGS_MAX]; /* the record may move while its tags are removed */
    struct entry_head head;
    struct store_view view;
    *was_there = find(store, key, &head, &view);
    if (!*was_there)
        return true;
    memcpy(tags, view.tags, head.tags * sizeof(*tags));
    MDB_val k = key_val(key);
    bool recent = head.put > store->stats.indexed;
    struct put_key put = put_key(head.put);
    if (recent && !del(store, RECENT, val(&put, sizeof(put)), NULL))
        return false;
    for (uint32_t i = 0; i < head.tags && !recent; i++)
        if (!del(store, TAGS, val(&tags[i], sizeof(tags[i])), &k))
            return false;
    for (int i = 0; i < STORE_ENCODINGS; i++) {
        struct body_key b = body_key(key, (enum store_encoding)i);
        if ((head.bodies >> i & 1) && !del(store, BODIES, val(&b, sizeof(b)), NULL))
            return false;
    }
    if (!del_use(store, key, head.used) || !del(store, ENTRIES, k, NULL))
        return false;
    store->stats.entries--;
    store->stats.bytes -= cost_of(&head);
    store->changed = true;
    return true;
}

/* Each tag once; false when there are too many. */
static bool gather_tags(const struct store_entry *entry, uint64_t tags[STORE_TAGS_MAX], uint16_t *n)
{
    for (uint32_t i = 0; i < entry->n_tags; i++) {
        uint16_t j = 0;
        while (j < *n && tags[j] != entry->tags[i])
            j++;
        if (j < *n)
            continue;
        if (*n == STORE_TAGS_MAX)
            return false;
        tags[(*n)++] = entry->tags[i];
    }
    return true;
}

bool store_put(struct store *store, const struct store_entry *entry, uint32_t hour)
{
    uint64_t tags[STORE_TAGS_MAX];
    struct entry_head head = {.used = hour, .meta_bytes = entry->meta.n};
    bool was_there;
    if (entry->meta.n > STORE_META_MAX || !gather_tags(entry, tags, &head.tags))
        return false;
    if (!store_begin(store) || !store_remove_entry(store, &entry->key, &was_there))
        return false;
    for (int i = 0; i < STORE_ENCODINGS; i++) {
        if (!entry->body[i].p)
            continue;
        head.bodies |= (uint16_t)(1u << i);
        head.body_bytes[i] = entry->body[i].n;
        if (!put_one_body(store, &entry->key, (enum store_encoding)i, entry->body[i]))
            return false;
    }
    head.put = store->stats.puts + 1;
    struct put_key put = put_key(head.put);
    if (!store_put_value(store, RECENT, val(&put, sizeof(put)), key_val(&entry->key)) ||
        !put_use(store, &entry->key, hour) || !put_record(store, &entry->key, head, tags, entry->meta))
        return false;
    store->stats.entries++;
    store->stats.bytes += cost_of(&head);
    store->stats.puts++;
    store->changed = true;
    store->puts++;
    return store->stats.puts - store->stats.indexed < RECENT_MOST || store_index(store);
}

/* ---- the index of tags ---- */

struct pair {
    uint64_t tag;
    struct hash key;
};

struct pairs {
    struct pair *p;
    size_t n, room;
};

/* As LMDB orders them: bytes. */
static int compare(const void *a_, const void *b_)
{
    const struct pair *a = a_, *b = b_;
    int order = memcmp(&a->tag, &b->tag, sizeof(a->tag));
    return order ? order : memcmp(&a->key, &b->key, sizeof(a->key));
}

static bool add_pairs(struct pairs *pairs, const struct hash *key, const struct store_view *view)
{
    if (pairs->n + view->n_tags > pairs->room) {
        size_t room = pairs->room * 2 + STORE_TAGS_MAX;
        struct pair *more = realloc(pairs->p, room * sizeof(*more));
        if (!more)
            return false;
        pairs->p = more;
        pairs->room = room;
    }
    for (uint32_t i = 0; i < view->n_tags; i++)
        pairs->p[pairs->n++] = (struct pair){store_tag(view, i), *key};
    return true;
}

/* The tags of every recent entry. 0, or LMDB's code or errno. */
static int gather_pairs(struct store *store, struct pairs *pairs)
{
    MDB_cursor *cursor;
    MDB_val number, value;
    struct store_view view;
    struct hash key;
    int rc = mdb_cursor_open(store->write, store->db[RECENT], &cursor);
    if (rc)
        return rc;
    while ((rc = mdb_cursor_get(cursor, &number, &value, MDB_NEXT)) == 0) {
        memcpy(&key, value.mv_data, sizeof(key));
        rc = !store_find(store, &key, &view) ? MDB_CORRUPTED : !add_pairs(pairs, &key, &view) ? ENOMEM : 0;
        if (rc)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

bool store_index(struct store *store)
{
    struct pairs pairs = {0};
    if (store->stats.indexed == store->stats.puts)
        return true;
    if (!store_begin(store))
        return false;
    int rc = gather_pairs(store, &pairs);
    if (pairs.n > 0)
        qsort(pairs.p, pairs.n, sizeof(*pairs.p), compare);
    for (size_t i = 0; i < pairs.n && rc == 0; i++) {
        MDB_val tag = val(&pairs.p[i].tag, sizeof(pairs.p[i].tag)), key = key_val(&pairs.p[i].key);
        rc = mdb_put(store->write, store->db[TAGS], &tag, &key, 0);
    }
    free(pairs.p);
    if (rc == 0)
        rc = mdb_drop(store->write, store->db[RECENT], 0);
    if (rc)
        return store_fail(store, "tags cannot be indexed", rc);
    store->stats.indexed = store->stats.puts;
    store->changed = true;
    return true;
}

/* ---- changing what is there ---- */

/* Changes an entry's record in place: the account of bytes follows. */
static bool change(struct store *store, const struct hash *key, struct entry_head before, struct entry_head after,
                   const struct store_view *view, struct str meta)
{
    after.meta_bytes = meta.n;
    if (!put_record(store, key, after, view->tags, meta))
        return false;
    store->stats.bytes += cost_of(&after) - cost_of(&before);
    store->changed = true;
    return true;
}

bool store_put_body(struct store *store, const struct hash *key, enum store_encoding encoding, struct str body)
{
    struct entry_head head;
    struct store_view view;
    if (!store_begin(store) || !find(store, key, &head, &view))
        return false;
    struct entry_head after = head;
    after.bodies |= (uint16_t)(1u << encoding);
    after.body_bytes[encoding] = body.n;
    return change(store, key, head, after, &view, view.meta) && put_one_body(store, key, encoding, body);
}

bool store_put_meta(struct store *store, const struct hash *key, struct str meta)
{
    struct entry_head head;
    struct store_view view;
    if (fault("store-put-meta", STR("")))
        return store_fail(store, "a fault of a test", MDB_MAP_FULL);
    if (meta.n > STORE_META_MAX || !store_begin(store) || !find(store, key, &head, &view))
        return false;
    return change(store, key, head, head, &view, meta);
}

bool store_use(struct store *store, const struct hash *key, uint32_t hour)
{
    struct entry_head head;
    struct store_view view;
    if (!find(store, key, &head, &view))
        return false;
    if (head.used == hour)
        return true;
    if (!store_begin(store) || !find(store, key, &head, &view))
        return false;
    struct entry_head after = head;
    after.used = hour;
    return change(store, key, head, after, &view, view.meta) && del_use(store, key, head.used) &&
           put_use(store, key, hour);
}

bool store_remove(struct store *store, const struct hash *key)
{
    bool was_there;
    return store_begin(store) && store_remove_entry(store, key, &was_there) && was_there;
}

/* ---- walking ---- */

/* The keys of `db` behind `after`; where `tag` is given, those that it carries. */
static size_t walk(struct store *store, enum store_database db, const uint64_t *tag, const struct hash *after,
                   struct hash *keys, size_t most)
{
    MDB_txn *txn = store_txn(store);
    MDB_cursor *cursor;
    size_t n = 0;
    if (!txn || mdb_cursor_open(txn, store->db[db], &cursor) != 0)
        return 0;
    MDB_val key = tag ? val(tag, sizeof(*tag)) : after ? key_val(after) : val(NULL, 0);
    MDB_val value = after ? key_val(after) : val(NULL, 0);
    MDB_val *found = tag ? &value : &key;
    MDB_cursor_op first = !tag ? (after ? MDB_SET_RANGE : MDB_FIRST) : after ? MDB_GET_BOTH_RANGE : MDB_SET;
    MDB_cursor_op next = tag ? MDB_NEXT_DUP : MDB_NEXT;
    int rc = mdb_cursor_get(cursor, &key, &value, first);
    while (rc == 0 && n < most) {
        bool same = after && found->mv_size == STORE_KEY_BYTES && memcmp(found->mv_data, after, STORE_KEY_BYTES) == 0;
        if (!same && found->mv_size == STORE_KEY_BYTES)
            memcpy(&keys[n++], found->mv_data, STORE_KEY_BYTES);
        rc = mdb_cursor_get(cursor, &key, &value, next);
    }
    mdb_cursor_close(cursor);
    return n;
}

size_t store_tagged(struct store *store, uint64_t tag, const struct hash *after, struct hash *keys, size_t most)
{
    return walk(store, TAGS, &tag, after, keys, most);
}

size_t store_keys(struct store *store, const struct hash *after, struct hash *keys, size_t most)
{
    return walk(store, ENTRIES, NULL, after, keys, most);
}
