/* What is made from the table of commands: help, the man page, the completion of bash. All go to standard output. */
#ifndef FILMYFLY_MANUAL_H
#define FILMYFLY_MANUAL_H

#include "command.h"

void manual_help(void);
void manual_help_of(const struct command *command);
void manual_page(void);       /* filmyfly.1, in man(7)'s macros */
void manual_completion(void); /* for bash-completion's directory */

#endif
