/* Expansion of environment variables in configuration values. */
#include "app/config_env.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "app/buf.h"
#include "app/text.h"

#define NAME_MAX_LENGTH 64
#define VALUE_MAX       4096
#define SECRETS_MAX     16

/* The variables that fed secrets. value is NULL until they are hidden; it then lives as long as the
 * process, because a reload needs it again. */
static struct {
    char name[NAME_MAX_LENGTH + 1];
    char *value;
} secrets[SECRETS_MAX];
static size_t secret_count;

static size_t find_secret(const char *name)
{
    size_t i = 0;

    while (i < secret_count && strcmp(secrets[i].name, name) != 0)
        i++;
    return i;
}

static void note_secret(const char *name)
{
    if (find_secret(name) < secret_count || secret_count == SECRETS_MAX)
        return;
    memcpy(secrets[secret_count].name, name, strlen(name) + 1);
    secret_count++;
}

static const char *variable(const char *name)
{
    size_t i = find_secret(name);
    const char *value = getenv(name);

    return value == NULL && i < secret_count ? secrets[i].value : value;
}

void config_env_hide(void)
{
    for (size_t i = 0; i < secret_count; i++) {
        char *value = getenv(secrets[i].name);
        char *kept = value != NULL ? strdup(value) : NULL;
        if (kept == NULL)
            continue;
        free(secrets[i].value);
        secrets[i].value = kept;
        explicit_bzero(value, strlen(value));
        unsetenv(secrets[i].name);
    }
}

static bool is_name(const char *text, size_t length)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return length > 0 && length <= NAME_MAX_LENGTH && (text[0] < '0' || text[0] > '9') &&
           strspn(text, letters) >= length;
}

/* What stands between "${" and "}", taken apart. */
struct reference {
    char name[NAME_MAX_LENGTH + 1];
    char mark;        /* '-', '?' or 0 */
    const char *word; /* default or message */
    size_t word_length;
};

static bool parse_reference(const char *text, size_t length, struct reference *ret_reference)
{
    const char *colon = memchr(text, ':', length);
    size_t name_length = colon != NULL ? (size_t)(colon - text) : length;

    *ret_reference = (struct reference){.mark = 0};
    if (!is_name(text, name_length))
        return false;
    memcpy(ret_reference->name, text, name_length);
    if (colon == NULL)
        return true;
    if (name_length + 2 > length || (colon[1] != '-' && colon[1] != '?'))
        return false;
    ret_reference->mark = colon[1];
    ret_reference->word = colon + 2;
    ret_reference->word_length = length - name_length - 2;
    return true;
}

static enum err problem(struct expansion *expansion, const char *sentence)
{
    expansion->problem = sentence != NULL ? sentence : "out of memory";
    return sentence != NULL ? ERR_VALIDATION : ERR_MEMORY;
}

static enum err add_reference(const struct reference *reference, struct buf *out,
                              struct expansion *expansion)
{
    const char *value = variable(reference->name);

    if (value != NULL && value[0] == '\0' && reference->mark != 0)
        value = NULL;
    if (value != NULL) {
        buf_puts(out, value);
        return ERR_OK;
    }
    if (reference->mark == '-') {
        buf_add(out, reference->word, reference->word_length);
        return ERR_OK;
    }
    if (reference->mark == '?' && reference->word_length > 0)
        return problem(expansion,
                       arena_printf(out->arena, "the environment variable %s is not set: %.*s",
                                    reference->name, (int)reference->word_length, reference->word));
    return problem(expansion,
                   arena_printf(out->arena,
                                "the environment variable %s is not set; set it, or write "
                                "${%s:-default}",
                                reference->name, reference->name));
}

/* text begins with "${". ret_end is set behind the "}". */
static enum err expand_one(const char *text, bool secret, struct buf *out,
                           struct expansion *expansion, const char **ret_end)
{
    const char *end = strchr(text, '}');
    struct reference reference;

    if (end == NULL)
        return problem(expansion, "\"${\" has no \"}\"; to mean the characters themselves write "
                                  "\"$${\"");
    if (!parse_reference(text + 2, (size_t)(end - text) - 2, &reference) ||
        (reference.word != NULL && memmem(reference.word, reference.word_length, "${", 2) != NULL))
        return problem(expansion, "a variable is written ${NAME}, ${NAME:-default} or "
                                  "${NAME:?message}, with no other variable inside");
    if (secret)
        note_secret(reference.name);
    expansion->used = true;
    *ret_end = end + 1;
    return add_reference(&reference, out, expansion);
}

enum err config_env_expand(struct arena *arena, const char *text, bool secret,
                           struct expansion *ret_expansion)
{
    struct buf out;

    *ret_expansion = (struct expansion){.text = text};
    if (strstr(text, "${") == NULL)
        return ERR_OK;
    buf_init(&out, arena, VALUE_MAX);
    while (*text != '\0') {
        if (strncmp(text, "$${", 3) == 0) {
            buf_puts(&out, "${");
            text += 3;
        } else if (strncmp(text, "${", 2) == 0) {
            TRY(expand_one(text, secret, &out, ret_expansion, &text));
        } else {
            buf_putc(&out, *text);
            text++;
        }
    }
    ret_expansion->text = buf_text(&out);
    if (ret_expansion->text == NULL || !text_is_utf8(ret_expansion->text, out.size))
        return problem(ret_expansion,
                       "the value is longer than 4096 bytes or not valid UTF-8 after "
                       "the variables in it were filled in");
    return ERR_OK;
}
