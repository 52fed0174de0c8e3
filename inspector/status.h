/* filmyfly status, and what status and top say alike of the pipeline's health. */
#ifndef FILMYFLY_STATUS_H
#define FILMYFLY_STATUS_H

#include <stdio.h>

#include "command.h"
#include "machine.h"
#include "pipeline.h"

int status_run(const struct invocation *invocation);

/*
 * What is wrong with those of the target, a line each on `out` (NULL: said nowhere), naming the instance or file and
 * what to do. Returns EXIT_GOOD, EXIT_DEGRADED or EXIT_ABSENT.
 */
int health(const struct pipeline *pipeline, const char *run_dir, const struct target *target, FILE *out);

/* The machine, with the disks of the run directory and, where it is known and can be reached, the store. */
void status_machine(struct machine *machine, const struct pipeline *pipeline, const char *run_dir);

#endif
