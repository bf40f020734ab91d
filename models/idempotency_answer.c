/* Sealing and opening of kept answers. All in the arena, which is wiped: they carry keys. */
#include "models/idempotency_answer.h"

#include <string.h>

#include "app/buf.h"

#define HEAD_LINES 3
#define ETAG_AT    4 /* in the first line, behind the status; answers of older versions have none */
#define HEAD_MAX   ((size_t)4 * 1024)

static enum err place_of(struct ctx *ctx, const char *id, const char **ret_place)
{
    *ret_place = arena_printf(ctx->arena, "idempotency_keys:answer:%s", id);
    return *ret_place != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for an answer");
}

enum err idempotency_answer_seal(struct ctx *ctx, const uint8_t key[SECRET_KEY_SIZE],
                                 const char *id, const struct idempotency_answer *answer,
                                 struct bytes *ret_sealed)
{
    const char *place = NULL;
    struct buf text;

    TRY(place_of(ctx, id, &place));
    buf_init(&text, ctx->arena, HEAD_MAX + answer->body.size);
    buf_printf(&text, "%d %s\n%s\n%s\n", answer->status, answer->etag != NULL ? answer->etag : "",
               answer->content_type != NULL ? answer->content_type : "",
               answer->location != NULL ? answer->location : "");
    buf_add(&text, answer->body.data, answer->body.size);
    if (!buf_ok(&text))
        return fail_internal(ctx, ERR_MEMORY, "an answer is too large to be kept");

    const struct bytes plain = {.data = (const uint8_t *)text.data, .size = text.size};

    return secret_seal(ctx, key, &plain, place, ret_sealed);
}

/* Ends the line that begins at *at with NUL and goes to the next one; NULL when there is none. */
static char *take_line(char **at, const char *end)
{
    char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));

    if (stop == NULL)
        return NULL;
    *stop = '\0';
    *at = stop + 1;
    return line;
}

enum err idempotency_answer_open(struct ctx *ctx, const uint8_t key[SECRET_KEY_SIZE],
                                 const char *id, const struct bytes *sealed,
                                 struct idempotency_answer *ret_answer)
{
    const char *place = NULL;
    struct bytes plain;
    char *head[HEAD_LINES];

    TRY(place_of(ctx, id, &place));
    TRY(secret_open(ctx, key, sealed, place, &plain));

    char *text = arena_memdup(ctx->arena, plain.data, plain.size), *at = text;

    if (text == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for an answer");
    for (size_t i = 0; i < HEAD_LINES; i++) {
        head[i] = take_line(&at, text + plain.size);
        if (head[i] == NULL)
            return fail_internal(ctx, ERR_INTERNAL, "a kept answer cannot be read");
    }
    *ret_answer = (struct idempotency_answer){
        .status = (head[0][0] - '0') * 100 + (head[0][1] - '0') * 10 + head[0][2] - '0',
        .content_type = head[1][0] != '\0' ? head[1] : NULL,
        .location = head[2][0] != '\0' ? head[2] : NULL,
        .etag = strlen(head[0]) > ETAG_AT ? head[0] + ETAG_AT : NULL,
        .body = {.data = (const uint8_t *)at, .size = (size_t)(text + plain.size - at)},
    };
    return ERR_OK;
}
