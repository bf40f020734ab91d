/* Where templates and static files come from: the operator's directory first, then the binary. */
#include "app/template.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app.h"
#include "app/embed.h"
#include "app/secret.h"

/* What the operator may add beyond the files that are built in. */
static const struct {
    const char *ending;
    const char *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".txt", "text/plain; charset=utf-8"},
    {".png", "image/png"},
    {".webp", "image/webp"},
    {".woff2", "font/woff2"},
};

static const char *type_of(const char *path)
{
    const char *ending = strrchr(path, '.');

    for (size_t i = 0; ending != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].ending, ending) == 0)
            return types[i].type;
    }
    return NULL;
}

/* Names come from our code or from one segment of a path: nothing may lead out of the directory. */
static bool is_plain_path(const char *path)
{
    return path[0] != '\0' && path[0] != '/' && path[0] != '.' && strstr(path, "/.") == NULL &&
           strstr(path, "..") == NULL && strchr(path, '\\') == NULL;
}

static enum err read_whole(struct ctx *ctx, int file, size_t size, struct bytes *ret_content)
{
    uint8_t *data = arena_alloc(ctx->arena, size + 1);
    size_t done = 0;

    if (data == NULL)
        return ERR_MEMORY;
    while (done < size) {
        const ssize_t got = read(file, data + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    *ret_content = (struct bytes){.data = data, .size = done};
    return ERR_OK;
}

static enum err read_open(struct ctx *ctx, const char *path, int file, struct bytes *ret_content)
{
    struct stat facts;

    if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode))
        return ERR_NOT_FOUND;
    if ((uint64_t)facts.st_size > TEMPLATE_MAX_FILE)
        return fail_internal(ctx, ERR_INTERNAL, "%s is larger than a page file may be (%zu bytes)",
                             path, TEMPLATE_MAX_FILE);
    return read_whole(ctx, file, (size_t)facts.st_size, ret_content);
}

static enum err read_override(struct ctx *ctx, const char *directory, const char *path,
                              struct bytes *ret_content)
{
    const char *full = arena_printf(ctx->arena, "%s/%s", directory, path);

    if (full == NULL)
        return ERR_MEMORY;

    const int file = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? ERR_NOT_FOUND
                   : fail_internal(ctx, ERR_INTERNAL, "cannot read %s: %s", full, strerror(errno));

    const enum err done = read_open(ctx, full, file, ret_content);

    (void)close(file);
    return done;
}

static const char *etag_of(struct ctx *ctx, const struct bytes *content)
{
    uint8_t digest[SHA256_SIZE];

    secret_sha256(content->data, content->size, digest);
    return arena_printf(ctx->arena, "%02x%02x%02x%02x%02x%02x%02x%02x", digest[0], digest[1],
                        digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]);
}

enum err template_file(struct ctx *ctx, const char *path, struct template_file *ret_file)
{
    const char *directory = ctx->app != NULL ? app_config(ctx->app)->pages_override_dir : NULL;
    struct template_file file = {.type = type_of(path)};

    if (!is_plain_path(path) || file.type == NULL)
        return ERR_NOT_FOUND;
    if (directory != NULL) {
        const enum err found = read_override(ctx, directory, path, &file.content);

        if (found == ERR_OK) {
            file.etag = etag_of(ctx, &file.content);
            *ret_file = file;
            return file.etag != NULL ? ERR_OK : ERR_MEMORY;
        }
        if (found != ERR_NOT_FOUND)
            return found;
    }

    const struct embedded_file *embedded = embed_find(path);

    if (embedded == NULL)
        return ERR_NOT_FOUND;
    *ret_file = (struct template_file){
        .content = {.data = embedded->data, .size = embedded->size},
        .type = embedded->type,
        .etag = embedded->etag,
    };
    return ERR_OK;
}
