/* Reading the configuration again while requests are running. */
#include "app/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app_retired.h"
#include "app/clock.h"
#include "app/config_table.h"

/* Longer than any request may run. */
#define RETIRE_MS 600000

struct retired_config {
    struct config *config;
    int64_t since;
    struct retired_config *next;
};

void app_free_retired(struct app *app)
{
    while (app->retired != NULL) {
        struct retired_config *entry = app->retired;
        app->retired = entry->next;
        config_unref(entry->config);
        free(entry);
    }
}

/* The oldest stays: it is the one that parts of the service were made from. */
static void drop_old(struct app *app, int64_t now)
{
    struct retired_config **link = &app->retired;

    while (*link != NULL) {
        struct retired_config *entry = *link;
        if (entry->next == NULL || now - entry->since < RETIRE_MS) {
            link = &entry->next;
            continue;
        }
        *link = entry->next;
        config_unref(entry->config);
        free(entry);
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Gives the new configuration the old one's value. True when they differed. */
static enum err keep_text(struct config *config, const void *old, void *new, bool *ret_kept)
{
    const char *old_text, *new_text;

    memcpy(&old_text, old, sizeof old_text);
    memcpy(&new_text, new, sizeof new_text);
    *ret_kept = !same_text(old_text, new_text);
    if (!*ret_kept)
        return ERR_OK;
    const char *copy = old_text != NULL ? arena_strdup(&config->arena, old_text) : NULL;
    if (old_text != NULL && copy == NULL)
        return ERR_MEMORY;
    memcpy(new, &copy, sizeof copy);
    return ERR_OK;
}

static enum err keep_field(struct config *config, const struct field *field, const void *old,
                           void *new, bool *ret_kept)
{
    const char *from = (const char *)old + field->offset;
    char *to = (char *)new + field->offset;
    size_t size = field->type == FT_INT    ? sizeof(int64_t)
                  : field->type == FT_BOOL ? sizeof(bool)
                                           : sizeof(int);

    if (field->type == FT_STR)
        return keep_text(config, from, to, ret_kept);
    *ret_kept = memcmp(from, to, size) != 0;
    memcpy(to, from, size);
    return ERR_OK;
}

static enum err keep_key(const struct config *old, struct config *new, const struct config_key *key)
{
    const struct schema *schema = &config_schema;
    const void *from = old;
    void *to = new;

    if (key->section != NULL) {
        const struct field *section =
            &config_schema.fields[schema_field_index(&config_schema, key->section)];
        schema = section->sub;
        from = (const char *)old + section->offset;
        to = (char *)new + section->offset;
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        bool kept = false;
        if (key->key != NULL && strcmp(field->name, key->key) != 0)
            continue;
        TRY(keep_field(new, field, from, to, &kept));
        if (kept)
            log_event(LOG_WARN, "config.needs_restart", "section", key->section, "key", field->name,
                      NULL);
    }
    return ERR_OK;
}

static enum err keep_fixed(const struct config *old, struct config *new)
{
    /* The default of public_url follows the port. */
    if (old->server.port != new->server.port) {
        new->server.public_url = arena_strdup(&new->arena, old->server.public_url);
        if (new->server.public_url == NULL)
            return ERR_MEMORY;
    }
    for (size_t i = 0; i < config_restart_key_count; i++)
        TRY(keep_key(old, new, &config_restart_keys[i]));
    memcpy(new->master_key_bytes, old->master_key_bytes, sizeof new->master_key_bytes);
    return ERR_OK;
}

static enum err swap(struct app *app, struct config *new)
{
    struct retired_config *entry = calloc(1, sizeof *entry);
    struct config *old = app->config;

    if (entry == NULL)
        return ERR_MEMORY;
    if (keep_fixed(old, new) != ERR_OK) {
        free(entry);
        return ERR_MEMORY;
    }
    *entry = (struct retired_config){old, clock_monotonic_ms(), app->retired};
    app->config = new;
    app->retired = entry;
    drop_old(app, entry->since);
    log_set_level(app_log_level(new));
    return ERR_OK;
}

enum err app_reload(struct app *app, char **ret_message)
{
    struct config *config = NULL;

    *ret_message = NULL;
    if (app->config_path == NULL) {
        *ret_message = strdup("there is no configuration file to read again");
        return ERR_NOT_FOUND;
    }
    enum err err = config_load(app->config_path, &config, ret_message);
    if (err == ERR_OK)
        err = swap(app, config);
    if (err != ERR_OK) {
        if (*ret_message == NULL)
            *ret_message = strdup("out of memory");
        config_unref(config);
    }
    return err;
}
