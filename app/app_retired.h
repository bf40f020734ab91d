/* What a reload leaves behind: configurations that were replaced but may still be read. */
#pragma once

#include "app/app.h"
#include "app/log.h"

/* Releases all of them; when no thread can read them any more. */
void app_free_retired(struct app *app);
enum log_level app_log_level(const struct config *config);
