/* The files that pages load. Their addresses change with their content, so browsers may keep them.
 */
#include "handlers/pages.h"

#include <string.h>

#include "app/template.h"

static bool is_current(struct request *req, const struct template_file *file)
{
    const char *version = NULL;

    if (request_query(req, "v", &version) != ERR_OK) {
        fail_clear(&req->ctx);
        return false;
    }
    return version != NULL && strcmp(version, file->etag) == 0;
}

static enum err respond_file(struct request *req, struct response *res, const char *path)
{
    struct template_file file;

    TRY(template_file(&req->ctx, path, &file));

    const char *etag = arena_printf(req->ctx.arena, "\"%s\"", file.etag);
    const char *known = request_header(req, "If-None-Match");

    if (etag == NULL)
        return ERR_MEMORY;
    response_header(res, "ETag", etag);
    response_header(res, "Cache-Control",
                    is_current(req, &file) ? "public, max-age=31536000, immutable"
                                           : "public, max-age=300");
    if (known != NULL && strcmp(known, etag) == 0)
        return respond_empty(res, 304);
    return respond_text(res, 200, file.type, (const char *)file.content.data, file.content.size);
}

enum err handle_static(struct request *req, struct response *res)
{
    const char *path = arena_printf(req->ctx.arena, "static/%s", request_param(req, "file"));

    return path == NULL ? ERR_MEMORY : respond_file(req, res, path);
}

enum err handle_favicon(struct request *req, struct response *res)
{
    return respond_file(req, res, "static/favicon.svg");
}
