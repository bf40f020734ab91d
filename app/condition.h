/* Waiting by the clock that does not jump: every pthread_cond_t that is waited for with a limit. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void condition_init(pthread_cond_t *condition);
/* Until it is signalled, or clock_monotonic_ms() is until: false. With the lock, which is released
 * meanwhile. Of conditions of condition_init alone. */
bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until);
