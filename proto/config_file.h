/*
 * What an instance runs with, for whoever looks after it: <instance>.config in the run directory, the settings in force
 * as lines VARIABLE=value, secrets hidden. Written once, when the instance has its name; a new life replaces it.
 */
#ifndef FILMYFLY_CONFIG_FILE_H
#define FILMYFLY_CONFIG_FILE_H

#include <stdbool.h>

#include "settings.h"

/* Writes the settings that concern `stages` (enum setting_for), readable for owner and group. The file appears whole or
 * not at all. False with errno. */
bool config_file_write(const char *path, const struct settings *settings, unsigned stages);

#endif
