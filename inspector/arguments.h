/* Reads the command line by the table of commands, and finds the run directory. */
#ifndef FILMYFLY_ARGUMENTS_H
#define FILMYFLY_ARGUMENTS_H

#include "command.h"

/* argv from the command's name on. False after a sentence on standard error. Texts are argv's, the environment's or
 * static. */
bool arguments_read(struct invocation *invocation, const struct command *command, int argc, char **argv);

#endif
