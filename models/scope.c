/* Scopes as sets of words. */
#include "models/scope.h"

#include <string.h>

#include "app/buf.h"

#define SCOPE_MAX_TEXT ((size_t)4096)

static const char administration[] = "admin users:read users:write";
static const char of_people[] = "openid offline_access profile email address phone admin";
static const char of_users[] = "users:read users:write";
static const char of_keys[] = "auth users:hashes schema audit:read";

/* The next word from *at on; false at the end. */
static bool next_word(const char **at, const char **ret_word, size_t *ret_length)
{
    *at += strspn(*at, " ");
    *ret_word = *at;
    *ret_length = strcspn(*at, " ");
    *at += *ret_length;
    return *ret_length > 0;
}

static bool holds(const char *list, const char *word, size_t length)
{
    const char *at = list != NULL ? list : "", *found;
    size_t found_length;

    while (next_word(&at, &found, &found_length)) {
        if (found_length == length && memcmp(found, word, length) == 0)
            return true;
    }
    return false;
}

bool scope_has(const char *list, const char *word)
{
    return holds(list, word, strlen(word));
}

bool scope_is_reserved(const char *word)
{
    return scope_has(of_keys, word);
}

static void add_word(struct buf *out, const char *word, size_t length)
{
    if (out->size > 0)
        buf_putc(out, ' ');
    buf_add(out, word, length);
}

static enum err finish(struct ctx *ctx, const struct buf *out, const char **ret_scope)
{
    const char *text = !buf_ok(out) ? NULL : out->size > 0 ? buf_text(out) : "";

    if (text == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a scope");
    *ret_scope = text;
    return ERR_OK;
}

/* %x21 / %x23-5B / %x5D-7E */
static bool is_scope_word(const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (word[i] < 0x21 || word[i] > 0x7e || word[i] == '"' || word[i] == '\\')
            return false;
    }
    return true;
}

enum err scope_normalise(struct ctx *ctx, const char *text, const char **ret_scope)
{
    const char *at = text, *word;
    size_t length;
    struct buf out;

    buf_init(&out, ctx->arena, SCOPE_MAX_TEXT);
    while (next_word(&at, &word, &length)) {
        if (!is_scope_word(word, length))
            return fail(ctx, ERR_SCOPE_INVALID, "scope",
                        "A scope is made of visible ASCII without quotes and backslashes.");
        if (!holds(buf_text(&out), word, length))
            add_word(&out, word, length);
    }
    return finish(ctx, &out, ret_scope);
}

/* The words of wanted that are (or with without are not) in list. */
static enum err select_words(struct ctx *ctx, const char *wanted, const char *list, bool without,
                             const char **ret_scope)
{
    const char *at = wanted != NULL ? wanted : "", *word;
    size_t length;
    struct buf out;

    buf_init(&out, ctx->arena, SCOPE_MAX_TEXT);
    while (next_word(&at, &word, &length)) {
        if (holds(list, word, length) != without)
            add_word(&out, word, length);
    }
    return finish(ctx, &out, ret_scope);
}

enum err scope_common(struct ctx *ctx, const char *wanted, const char *allowed,
                      const char **ret_scope)
{
    return select_words(ctx, wanted, allowed, false, ret_scope);
}

enum err scope_missing(struct ctx *ctx, const char *wanted, const char *allowed,
                       const char **ret_word)
{
    const char *at = wanted != NULL ? wanted : "", *word;
    size_t length;

    *ret_word = NULL;
    while (next_word(&at, &word, &length)) {
        if (holds(allowed, word, length))
            continue;
        *ret_word = arena_strndup(ctx->arena, word, length);
        return *ret_word != NULL ? ERR_OK : fail_internal(ctx, ERR_MEMORY, "no memory for a scope");
    }
    return ERR_OK;
}

enum err scope_for_role(struct ctx *ctx, const char *scope, enum role role, const char **ret_scope)
{
    return select_words(ctx, scope, role >= ROLE_ADMIN ? "" : administration, true, ret_scope);
}

enum err scope_for_machine(struct ctx *ctx, const char *scope, bool for_users,
                           const char **ret_scope)
{
    TRY(select_words(ctx, scope, of_people, true, ret_scope));
    return for_users ? ERR_OK : select_words(ctx, *ret_scope, of_users, true, ret_scope);
}
