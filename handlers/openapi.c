/* GET /openapi.json: the same text for everybody, written on the first request and kept. */
#include "handlers/openapi.h"

#include <pthread.h>

#include "app/openapi.h"

/* Lives as long as the process, because the tables do. */
static struct {
    pthread_mutex_t lock;
    struct arena arena;
    struct buf text;
} description = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* NULL when there was no memory for it this time. */
static const struct buf *description_get(void)
{
    pthread_mutex_lock(&description.lock);
    if (description.text.size == 0 || !buf_ok(&description.text)) {
        arena_clear(&description.arena);
        arena_init(&description.arena, OPENAPI_MAX_SIZE * 3);
        buf_init(&description.text, &description.arena, OPENAPI_MAX_SIZE);
        openapi_write(&description.text);
    }
    const struct buf *text = buf_ok(&description.text) ? &description.text : NULL;
    pthread_mutex_unlock(&description.lock);
    return text;
}

enum err handle_openapi(struct request *req, struct response *res)
{
    const struct buf *text = description_get();

    if (text == NULL)
        return fail_internal(&req->ctx, ERR_MEMORY, "no memory for the API description");
    return respond_text(res, 200, "application/json", text->data, text->size);
}
