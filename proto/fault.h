/*
 * Fault points: a crash in the middle that happens every time, not by luck. Compiled only into test builds
 * (-DFILMYFLY_FAULTS).
 *
 *     FILMYFLY_FAULT=point[@detail]:action[,…]       action: kill, abort, exit, stop, hang, sleep<ms>, fail
 *
 * fault("render-started", target) does the action when the point is named and the detail, if one is given, is equal.
 * True: what comes next is to fail.
 */
#ifndef FILMYFLY_FAULT_H
#define FILMYFLY_FAULT_H

#include "str.h"

#ifdef FILMYFLY_FAULTS
bool fault(const char *point, struct str detail);
#else
static inline bool fault(const char *point, struct str detail)
{
    (void)point;
    (void)detail;
    return false;
}
#endif

#endif
