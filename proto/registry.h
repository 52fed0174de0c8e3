/*
 * The run directory is the registry: $FILMYFLY_RUN_DIR/<stage>/<instance>.sock is an instance that takes work. `ls`
 * shows the topology, the folder's permissions (setgid 2750, the sockets 0770) are the access control. A flock on
 * <instance>.lock keeps a name unique as long as it is in the registry; a lock that nobody holds belongs to a dead
 * instance and is taken over.
 */
#ifndef FILMYFLY_REGISTRY_H
#define FILMYFLY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the name of an instance is made of. */
#define INSTANCE_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

struct claim; /* a name in the registry, held by this process */

/*
 * Claims `instance`, or the lowest free number when it is "" or NULL. Makes the stage's folder when it is not there.
 * NULL with one sentence in error (path too long for a Unix socket, not permitted, name taken by pid N).
 */
struct claim *claim_new(const char *run_dir, const char *stage, const char *instance, char *error, size_t error_size);
const char *claim_stage(const struct claim *claim);
const char *claim_instance(const struct claim *claim);
/* Path to bind: a temporary name in the same folder. */
const char *claim_bind_path(const struct claim *claim);
/* $RUN_DIR/<stage>/<instance>.stats */
const char *claim_stats_path(const struct claim *claim);
/* $RUN_DIR/<stage>/<instance><suffix>, such as ".config". False: it is longer than size. */
bool claim_file(const struct claim *claim, const char *suffix, char *path, size_t size);
/* Opens the bound socket to the group and renames it to its public name: from now on it gets work. False with errno. */
bool claim_publish(struct claim *claim);
/* Takes the public name away (only if it is still ours) and keeps the lock: no more work, but still the owner of the
 * name. */
void claim_hide(struct claim *claim);
/* Hides, and lets the lock go: a successor may take the name at once. */
void claim_withdraw(struct claim *claim);
/* Withdraws, and frees. */
void claim_free(struct claim **claim);

/* One look at a stage's folder. */
struct registry_entry {
    char instance[64];
    char path[108];
    uint64_t life; /* from inode and time of birth: another one under the same name is another life */
};
/*
 * Fills up to max entries; returns how many (max: there may be more), or -1 with errno (ENOENT: no such folder yet, as
 * good as none; anything else says nothing of the instances).
 */
int registry_list(const char *run_dir, const char *stage, struct registry_entry *entries, size_t max);

#endif
