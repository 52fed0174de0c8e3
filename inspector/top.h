/* filmyfly top: the pipeline, live, on the whole screen. */
#ifndef FILMYFLY_TOP_H
#define FILMYFLY_TOP_H

#include "command.h"

int top_run(const struct invocation *invocation);

#endif
