/* filmyfly tap: the messages between the stages as they pass, decoded. */
#ifndef FILMYFLY_TAP_H
#define FILMYFLY_TAP_H

#include "command.h"

int tap_run(const struct invocation *invocation);

#endif
