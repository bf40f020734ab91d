/* Reading and writing files with secrets. */
#include "app/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/uuid.h"

bool secret_file_read(const struct secret_file *file, struct problems *problems, char *ret_text,
                      size_t size)
{
    struct stat status;
    int opened = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (opened < 0 || fstat(opened, &status) != 0) {
        problem_add(problems, file->line, "%s: cannot read %s: %s", file->key, file->path,
                    strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        problem_add(problems, file->line, "%s: %s is not a file", file->key, file->path);
    } else if ((status.st_mode & 0137) != 0) {
        problem_add(problems, file->line,
                    "%s: %s has mode %03o, so others may read or change it; run \"chmod 600 %s\"",
                    file->key, file->path, status.st_mode & 0777U, file->path);
    } else {
        ssize_t got = read(opened, ret_text, size - 1);
        close(opened);
        if (got < 0)
            problem_add(problems, file->line, "%s: cannot read %s: %s", file->key, file->path,
                        strerror(errno));
        ret_text[got > 0 ? got : 0] = '\0';
        return got >= 0;
    }
    if (opened >= 0)
        close(opened);
    return false;
}

bool secret_file_exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 || errno != ENOENT;
}

static bool write_all(int file, const char *text)
{
    size_t length = strlen(text);

    while (length > 0) {
        ssize_t wrote = write(file, text, length);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        text += wrote;
        length -= (size_t)wrote;
    }
    return write(file, "\n", 1) == 1 && fsync(file) == 0;
}

enum err secret_file_draft(struct ctx *ctx, const char *path, const char *text,
                           const char **ret_draft)
{
    char mark[UUID_HEX_SIZE];
    const struct uuid id = uuid_new();

    uuid_hex(&id, mark);

    const char *draft = arena_printf(ctx->arena, "%s.%s", path, mark);

    if (draft == NULL)
        return ERR_MEMORY;

    int file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (file < 0)
        return fail_internal(ctx, ERR_INTERNAL, "cannot write %s: %s", draft, strerror(errno));

    const bool written = write_all(file, text);
    const int reason = errno;

    close(file);
    if (!written) {
        secret_file_drop(draft);
        return fail_internal(ctx, ERR_INTERNAL, "cannot write %s: %s", draft, strerror(reason));
    }
    *ret_draft = draft;
    return ERR_OK;
}

enum err secret_file_keep(struct ctx *ctx, const char *draft, const char *path)
{
    if (rename(draft, path) == 0)
        return ERR_OK;
    return fail_internal(ctx, ERR_INTERNAL, "cannot rename %s to %s: %s", draft, path,
                         strerror(errno));
}

void secret_file_drop(const char *draft)
{
    (void)unlink(draft);
}
