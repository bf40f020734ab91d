/*
 * Whether names below localhost resolve on this machine: the development page says so, because not
 * every system does it. Asked on a thread of its own at most once a minute, since a resolver may
 * take many seconds; callers wait briefly. Any thread.
 */
#pragma once

#include <stdbool.h>

enum localhost_answer {
    LOCALHOST_UNKNOWN = 0, /* the resolver is still thinking */
    LOCALHOST_RESOLVES,
    LOCALHOST_DOES_NOT,
};

/* name must be a constant: one name is asked for in the life of the process. */
enum localhost_answer localhost_resolves(const char *name);
