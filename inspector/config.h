/* The settings that an instance says it runs with: <instance>.config in the run directory. */
#ifndef FILMYFLY_CONFIG_H
#define FILMYFLY_CONFIG_H

#include "command.h"
#include "pipeline.h"

/* filmyfly config */
int config_run(const struct invocation *invocation);

/* The whole file, printable; the caller frees. NULL with one sentence in error. */
char *config_read(const char *run_dir, const struct instance *instance, char *error, size_t error_size);

/* The value of a variable in such a text, into `value`. False: it is not there, or too long. */
bool config_value(const char *text, const char *variable, char *value, size_t size);

#endif
