/* Loading: file -> tree -> defaults -> one field at a time through the tables -> checks. */
#include "app/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config_check.h"
#include "app/config_env.h"
#include "app/config_table.h"
#include "app/config_yaml.h"
#include "app/nearest.h"
#include "app/secret.h"
#include "app/text.h"

#define ARENA_LIMIT ((size_t)4 * 1024 * 1024)
#define NEAREST_MAX 32

struct loader {
    struct ctx ctx;       /* its arena is the configuration's: what is decoded stays */
    struct arena scratch; /* text, tree and problems: gone when it is loaded */
    struct config *config;
    struct problems problems;
    bool world_readable;
};

/* --- reading the file --- */

static enum err read_all(struct loader *loader, int file, size_t room, struct bytes *ret_text)
{
    size_t size = 0;
    char *text = arena_alloc(&loader->scratch, room);

    if (text == NULL)
        return ERR_MEMORY;
    while (size < room) {
        ssize_t more = read(file, text + size, room - size);
        if (more < 0 && errno != EINTR)
            return ERR_INTERNAL;
        if (more == 0)
            break;
        size += more > 0 ? (size_t)more : 0;
    }
    *ret_text = (struct bytes){.data = (const uint8_t *)text, .size = size};
    return ERR_OK;
}

static enum err read_file(struct loader *loader, const char *path, struct bytes *ret_text)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (file < 0 || fstat(file, &status) != 0 || S_ISDIR(status.st_mode)) {
        problem_add(&loader->problems, 0, "cannot read the configuration: %s",
                    file >= 0 ? "it is a directory" : strerror(errno));
        if (file >= 0)
            close(file);
        return ERR_VALIDATION;
    }
    if ((status.st_mode & S_IWOTH) != 0)
        problem_add(&loader->problems, 0,
                    "everybody may change this file (mode %03o); run "
                    "\"chmod o-w %s\"",
                    status.st_mode & 0777U, path);
    loader->world_readable = (status.st_mode & S_IROTH) != 0;
    /* One byte more than is allowed tells that a file is too large. */
    size_t room = CONFIG_YAML_MAX_SIZE + 1;
    if (S_ISREG(status.st_mode) && status.st_size > 0 && (size_t)status.st_size < room)
        room = (size_t)status.st_size;
    enum err err = read_all(loader, file, room, ret_text);
    if (err == ERR_INTERNAL)
        problem_add(&loader->problems, 0, "cannot read the configuration: %s", strerror(errno));
    close(file);
    return err;
}

/* --- one value --- */

/* Fills in variables. An empty result, null and ~ count as absent: the default stays. */
static enum err expand_scalar(struct loader *loader, const struct field *field, struct value *value,
                              bool *ret_absent)
{
    struct expansion expansion;
    bool secret = (field->flags & F_SECRET) != 0;
    enum err err = config_env_expand(&loader->scratch, value->string.text, secret, &expansion);

    if (err != ERR_OK) {
        if (err == ERR_VALIDATION)
            problem_add(&loader->problems, value->line, "%s: %s", field->name, expansion.problem);
        return err;
    }
    const char *text = arena_strdup(&loader->config->arena, expansion.text);
    if (text == NULL)
        return ERR_MEMORY;
    value->plain = value->plain || expansion.used;
    value->string.text = text;
    value->string.length = strlen(text);
    *ret_absent = value->string.length == 0 ||
                  (value->plain && (strcmp(text, "null") == 0 || strcmp(text, "~") == 0));
    return ERR_OK;
}

/* "a, b" where a list belongs, so that one variable can hold a list. */
static enum err split_list(struct loader *loader, struct value *value)
{
    const char *text = value->string.text;
    size_t count = 1;

    for (const char *c = text; *c != '\0'; c++)
        count += *c == ',';
    struct value *items = arena_array(&loader->scratch, count, sizeof *items);
    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        text += strspn(text, " \t");
        size_t length = strcspn(text, ",");
        const char *next = text + length + (text[length] == ',');
        while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
            length--;
        const char *item = arena_strndup(&loader->config->arena, text, length);
        if (item == NULL)
            return ERR_MEMORY;
        items[i] = (struct value){.type = VALUE_STRING,
                                  .plain = true,
                                  .line = value->line,
                                  .string = {.text = item, .length = length}};
        text = next;
    }
    value->type = VALUE_ARRAY;
    value->array.items = items;
    value->array.count = count;
    return ERR_OK;
}

static enum err expand_items(struct loader *loader, const struct field *field, struct value *value)
{
    size_t kept = 0;
    struct value *items = arena_array(&loader->scratch, value->array.count + 1, sizeof *items);

    if (items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < value->array.count; i++) {
        bool absent = false;
        items[kept] = value->array.items[i];
        if (items[kept].type == VALUE_STRING)
            TRY(expand_scalar(loader, field, &items[kept], &absent));
        kept += !absent;
    }
    value->array.items = items;
    value->array.count = kept;
    return ERR_OK;
}

/* value becomes what the decoder sees; the tree itself keeps the text as written. */
static enum err expand(struct loader *loader, const struct field *field, struct value *value,
                       bool *ret_absent)
{
    *ret_absent = false;
    if (value->type == VALUE_ARRAY)
        return expand_items(loader, field, value);
    if (value->type != VALUE_STRING)
        return ERR_OK;
    TRY(expand_scalar(loader, field, value, ret_absent));
    if (field->type == FT_STRS && !*ret_absent)
        return split_list(loader, value);
    return ERR_OK;
}

/* --- the tables --- */

static void unknown_key(struct loader *loader, const struct schema *schema,
                        const struct member *member, const char *prefix)
{
    const char *names[NEAREST_MAX];
    size_t count = schema->field_count < NEAREST_MAX ? schema->field_count : NEAREST_MAX;

    for (size_t i = 0; i < count; i++)
        names[i] = schema->fields[i].name;
    const char *meant = nearest_word(member->name, names, count);
    if (meant != NULL)
        problem_add(&loader->problems, member->line,
                    "there is no key \"%s%.60s\"; did you mean \"%s%s\"?", prefix, member->name,
                    prefix, meant);
    else
        problem_add(&loader->problems, member->line,
                    "there is no key \"%s%.60s\"; docs/OPERATIONS.md and the shipped config.yaml "
                    "list all keys",
                    prefix, member->name);
}

/* "line 12: " may begin what the decoder says; the problem has its line already. */
static const char *sentence_of(const struct failure *failure)
{
    const char *text = failure->detail != NULL ? failure->detail : "is not valid";

    if (strncmp(text, "line ", 5) == 0) {
        const char *rest = text + 5 + strspn(text + 5, "0123456789");
        if (strncmp(rest, ": ", 2) == 0)
            return rest + 2;
    }
    return text;
}

static enum err apply_value(struct loader *loader, const struct schema *schema,
                            const struct field *field, const struct member *member, void *out)
{
    struct member single = {.name = member->name, .line = member->line, .value = member->value};
    struct value object = {
        .type = VALUE_OBJECT,
        .line = member->line,
        .object = {.members = &single, .count = 1},
    };
    bool absent = false;

    enum err err = expand(loader, field, &single.value, &absent);
    if (err == ERR_OK && !absent)
        err = schema_decode(&loader->ctx, schema, &object, DECODE_CONFIG, out);
    return err;
}

static enum err apply_object(struct loader *loader, const struct schema *schema,
                             const struct value *object, const char *prefix, void *out);

static enum err apply_section(struct loader *loader, const struct field *field,
                              const struct member *member, const char *prefix, void *out)
{
    const struct value *value = &member->value;

    if (value->type == VALUE_STRING && value->plain &&
        (value->string.length == 0 || strcmp(value->string.text, "null") == 0))
        return ERR_OK;
    if (value->type != VALUE_OBJECT) {
        problem_add(&loader->problems, value->line,
                    "%s%s is a section: its keys belong indented below it", prefix, member->name);
        return ERR_OK;
    }
    const char *below = arena_printf(&loader->scratch, "%s%s.", prefix, member->name);
    if (below == NULL)
        return ERR_MEMORY;
    return apply_object(loader, field->sub, value, below, (char *)out + field->offset);
}

/* Every member on its own, so that one wrong value does not hide the next. */
static enum err apply_object(struct loader *loader, const struct schema *schema,
                             const struct value *object, const char *prefix, void *out)
{
    for (size_t i = 0; i < object->object.count; i++) {
        const struct member *member = &object->object.members[i];
        int index = schema_field_index(schema, member->name);
        if (index < 0) {
            unknown_key(loader, schema, member, prefix);
            continue;
        }
        const struct field *field = &schema->fields[index];
        if (field->type == FT_OBJECT) {
            TRY(apply_section(loader, field, member, prefix, out));
            continue;
        }
        size_t problems = loader->problems.count;
        enum err err = apply_value(loader, schema, field, member, out);
        if (err == ERR_MEMORY)
            return err;
        if (err != ERR_OK && loader->problems.count == problems)
            problem_add(&loader->problems, member->value.line, "%s%s: %s", prefix, member->name,
                        sentence_of(&loader->ctx.failure));
        fail_clear(&loader->ctx);
    }
    return ERR_OK;
}

/* The defaults depend on it, so it is read before everything else. A wrong one is reported when its
 * turn comes; until then the stricter rules hold. */
static enum environment peek_environment(struct loader *loader, const struct value *root)
{
    int index = schema_field_index(&config_schema, "environment");
    const struct value *found = value_get(root, "environment");
    bool absent = false;

    if (found == NULL || found->type != VALUE_STRING || index < 0)
        return ENV_PRODUCTION;
    struct value value = *found;
    struct problems before = loader->problems;
    enum err err = expand_scalar(loader, &config_schema.fields[index], &value, &absent);
    loader->problems = before;
    if (err == ERR_OK && strcmp(value.string.text, "development") == 0)
        return ENV_DEVELOPMENT;
    return ENV_PRODUCTION;
}

static enum err load(struct loader *loader, const char *path)
{
    struct bytes text;
    struct value root;

    TRY(read_file(loader, path, &text));
    TRY(config_yaml_parse((const char *)text.data, text.size, &loader->problems, &root));
    config_defaults(loader->config, peek_environment(loader, &root));
    TRY(apply_object(loader, &config_schema, &root, "", loader->config));
    config_check(loader->config, &root, loader->world_readable, &loader->problems);
    return loader->problems.count == 0 ? ERR_OK : ERR_VALIDATION;
}

enum err config_load(const char *path, struct config **ret_config, char **ret_message)
{
    struct loader *loader = calloc(1, sizeof *loader);
    struct config *config = calloc(1, sizeof *config);

    *ret_message = NULL;
    if (loader == NULL || config == NULL) {
        free(loader);
        free(config);
        *ret_message = strdup("out of memory");
        return ERR_MEMORY;
    }
    arena_init(&config->arena, ARENA_LIMIT);
    arena_init(&loader->scratch, ARENA_LIMIT);
    config->refs = 1;
    loader->config = config;
    loader->problems.arena = &loader->scratch;
    ctx_init(&loader->ctx, NULL, &config->arena);

    enum err err = load(loader, path);
    if (err == ERR_OK)
        *ret_config = config;
    else
        *ret_message =
            err == ERR_MEMORY ? strdup("out of memory") : problems_text(&loader->problems, path);
    ctx_clear(&loader->ctx);
    arena_clear(&loader->scratch);
    free(loader);
    if (err != ERR_OK)
        config_unref(config);
    return err;
}

struct config *config_ref(struct config *config)
{
    config->refs++;
    return config;
}

void config_unref(struct config *config)
{
    if (config == NULL || --config->refs > 0)
        return;
    arena_clear(&config->arena);
    secret_wipe(config->master_key_bytes, sizeof config->master_key_bytes);
    free(config);
}

const struct config_plan *config_plan_of(const struct config *config, enum plan plan)
{
    switch (plan) {
    case PLAN_BASIC:
        return &config->plans.basic;
    case PLAN_PREMIUM:
        return &config->plans.premium;
    case PLAN_ENTERPRISE:
        return &config->plans.enterprise;
    case PLAN_UNSET:
    case PLAN_FREE:
    case PLAN_COUNT:
    default:
        return &config->plans.free;
    }
}
