/* Passwords for commands: from a file or standard input, never from the command line. */
#include "commands/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "app/secret.h"

#define LINE_MAX_BYTES 1024

/* Up to the first newline. Unbuffered, so that nothing of the password stays in stdio. */
static ssize_t read_line(int file, char *ret_line)
{
    size_t size = 0;

    while (size < LINE_MAX_BYTES) {
        ssize_t more = read(file, ret_line + size, 1);
        if (more < 0)
            return -1;
        if (more == 0 || ret_line[size] == '\n')
            break;
        size++;
    }
    if (size > 0 && ret_line[size - 1] == '\r')
        size--;
    return (ssize_t)size;
}

static ssize_t ask(char *ret_line)
{
    struct termios before;

    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return read_line(STDIN_FILENO, ret_line);
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fputs("Password: ", stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    ssize_t size = read_line(STDIN_FILENO, ret_line);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return size;
}

static ssize_t read_from(const char *path, char *ret_line)
{
    if (strcmp(path, "-") == 0)
        return ask(ret_line);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return -1;
    ssize_t size = read_line(file, ret_line);
    int error = errno;
    close(file);
    errno = error;
    return size;
}

enum err command_read_password(struct ctx *ctx, const char *path, const char **ret_password)
{
    char line[LINE_MAX_BYTES];
    ssize_t size = read_from(path, line);

    if (size < 0)
        return fail(ctx, ERR_VALIDATION, NULL, "Cannot read a password from %s: %s.", path,
                    strerror(errno));
    if (size == 0 || memchr(line, '\0', (size_t)size) != NULL)
        return fail(ctx, ERR_VALIDATION, NULL, "The first line of %s holds no password.",
                    strcmp(path, "-") == 0 ? "standard input" : path);
    *ret_password = arena_strndup(ctx->arena, line, (size_t)size);
    secret_wipe(line, sizeof line);
    return *ret_password != NULL ? ERR_OK : ERR_MEMORY;
}
