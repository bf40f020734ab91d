/* The error table. */
#include "app/error.h"

#define NO_RETRY false
#define RETRY    true
#define ERR(name, http_status, machine_code, public_sentence, retry) \
    [name] = {.status = (http_status),                               \
              .code = (machine_code),                                \
              .sentence = (public_sentence),                         \
              .retryable = (retry)},
static const struct error_info infos[ERR_COUNT] = {
    [ERR_OK] = {.status = 200, .code = "ok", .sentence = "", .retryable = false},
#include "app/error.def"
};
#undef ERR

const struct error_info *error_info(enum err code)
{
    if ((unsigned)code >= ERR_COUNT)
        code = ERR_INTERNAL;
    return &infos[code];
}
