/* The common frame of all pages and their headers. */
#include "app/page.h"

#include <string.h>

#include "app/redirect_uri.h"
#include "app/secret.h"

#define PAGE_MAX_BYTES ((size_t)1024 * 1024)
#define HTML_TYPE      "text/html; charset=utf-8"
#define NONCE_BYTES    16
#define ACCENTS        12 /* classes accent-0 … accent-11 of style.css */

/* No script runs on any page but the one that sends a form, and in development the playground's;
 * everything else comes from this origin. */
#define POLICY                                                                                \
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors " \
    "'none'; object-src 'none'; form-action 'self'"
static const char submit_script[] = "document.forms[0].submit();";
static const char submit_policy[] =
    "; script-src 'sha256-8lDeP0UDwCO6/RhblgeH/ctdBzjVpJxrXizsnIk3cEQ='";

/* --- the frame --- */

static size_t accent_of(const char *slug)
{
    uint32_t hash = 2166136261u; /* FNV-1a: any even spread of slugs over colours will do */

    for (const char *c = slug; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return (hash * 2654435761u >> 16) % ACCENTS; /* Knuth: slugs that differ in one letter part */
}

const char *page_accent(struct ctx *ctx, const char *slug)
{
    if (slug == NULL)
        return "accent-none";
    return arena_printf(ctx->arena, "accent-%zu", accent_of(slug));
}

/* Bytes of the code point that text begins with; text is valid UTF-8. */
static size_t first_code_point(const char *text)
{
    size_t size = text[0] != '\0';

    while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
        size++;
    return size;
}

/* The first letters of the first two words. */
static const char *monogram_of(struct ctx *ctx, const char *brand)
{
    const char *second = strchr(brand, ' ');

    while (second != NULL && *second == ' ')
        second++;
    if (second == NULL)
        second = "";
    return arena_printf(ctx->arena, "%.*s%.*s", (int)first_code_point(brand), brand,
                        (int)first_code_point(second), second);
}

/* The address of a static file changes with its content, so that browsers may keep it for a year.
 */
static enum err static_address(struct ctx *ctx, const char *name, const char **ret_address)
{
    struct template_file file;
    const char *path = arena_printf(ctx->arena, "static/%s", name);

    if (path == NULL)
        return ERR_MEMORY;
    TRY(template_file(ctx, path, &file));
    *ret_address = arena_printf(ctx->arena, "/%s?v=%s", path, file.etag);
    return *ret_address == NULL ? ERR_MEMORY : ERR_OK;
}

enum err page_render(struct ctx *ctx, const struct page *page, struct buf *out)
{
    const char *brand = page->brand != NULL ? page->brand : "tenantd";
    const char *style = NULL, *icon = NULL, *script = NULL;

    if (page->script != NULL)
        TRY(static_address(ctx, page->script, &script));
    TRY(static_address(ctx, "style.css", &style));
    TRY(static_address(ctx, "favicon.svg", &icon));

    const struct template_var frame[] = {
        {.name = "title", .text = page->title},
        {.name = "brand", .text = brand},
        {.name = "monogram", .text = monogram_of(ctx, brand)},
        {.name = "accent", .text = page_accent(ctx, page->slug)},
        {.name = "prefix", .text = page->prefix},
        {.name = "style", .text = style},
        {.name = "icon", .text = icon},
        {.name = "script", .text = script},
        {.name = "script-nonce", .text = page->script_nonce},
        {.name = "submit-script", .text = submit_script, .raw = true},
    };
    const struct template_vars outer = {.vars = frame, .count = sizeof frame / sizeof frame[0]};
    const struct template_vars vars = {
        .vars = page->vars, .count = page->var_count, .outer = &outer};

    return template_render(ctx, page->template_name, &vars, out);
}

/* Browsers hold the redirect that follows a form against form-action too (CSP3 §6.4.2): the policy
 * names its origin, or its scheme where CSP has no word for the host. */
static enum err policy_of(struct ctx *ctx, const struct page *page, const char **ret_policy)
{
    const char *target = page->form_action != NULL ? page->form_action : "";
    size_t length = redirect_uri_origin(target);

    if (length == 0 || memchr(target, '[', length) != NULL)
        length = strcspn(target, ":") + (strchr(target, ':') != NULL);
    *ret_policy = arena_printf(ctx->arena, POLICY "%s%.*s%s", length > 0 ? " " : "", (int)length,
                               target, page->submits_itself ? submit_policy : "");
    return *ret_policy == NULL ? ERR_MEMORY : ERR_OK;
}

/* The page as it is answered: with a nonce where it runs a script, which the policy names. */
static enum err allow_script(struct ctx *ctx, struct page *page, const char **policy)
{
    uint8_t random[NONCE_BYTES];
    char *nonce = arena_alloc(ctx->arena, BASE64URL_LENGTH(NONCE_BYTES) + 1);

    if (page->script == NULL)
        return ERR_OK;
    if (nonce == NULL)
        return ERR_MEMORY;
    secret_random(random, sizeof random);
    base64url_encode(random, sizeof random, nonce);
    page->script_nonce = nonce;
    *policy =
        arena_printf(ctx->arena, "%s; script-src 'nonce-%s'; connect-src 'self'", *policy, nonce);
    return *policy == NULL ? ERR_MEMORY : ERR_OK;
}

enum err page_respond(struct request *req, struct response *res, int status,
                      const struct page *given)
{
    struct page answered = *given;
    const struct page *page = &answered;
    const char *policy = NULL;
    struct buf out;

    TRY(policy_of(&req->ctx, page, &policy));
    TRY(allow_script(&req->ctx, &answered, &policy));

    buf_init(&out, req->ctx.arena, PAGE_MAX_BYTES);
    TRY(page_render(&req->ctx, page, &out));
    response_header(res, "Content-Security-Policy", policy);
    response_header(res, "Vary", "Accept, Cookie");
    return respond_text(res, status, HTML_TYPE, buf_text(&out), out.size);
}

static const char *sentence_of(struct ctx *ctx, enum err code)
{
    const struct error_info *info = error_info(code);
    const struct failure *failure = &ctx->failure;

    if (failure->code == code && failure->detail != NULL && info->status < 500)
        return failure->detail;
    return info->sentence;
}

const char *page_error_text(struct ctx *ctx, enum err code)
{
    const struct failure *failure = &ctx->failure;
    const char *sentence = sentence_of(ctx, code);
    const char *stop = strchr(".!?", sentence[strlen(sentence) - 1]) != NULL ? "" : ".";
    const char *text;

    if (failure->code == code && failure->retry_after > 0)
        text = arena_printf(ctx->arena, "%s%s Try again in %lld second%s.", sentence, stop,
                            (long long)failure->retry_after, failure->retry_after == 1 ? "" : "s");
    else
        text = arena_printf(ctx->arena, "%s%s", sentence, stop);
    return text != NULL ? text : sentence;
}

const char *page_status_title(int status)
{
    switch (status) {
    case 400:
        return "That request does not work";
    case 401:
        return "Please sign in";
    case 403:
        return "This is not allowed";
    case 404:
        return "There is nothing here";
    case 405:
        return "That does not work here";
    case 409:
        return "Something changed meanwhile";
    case 413:
        return "That is too much";
    case 429:
        return "One moment, please";
    case 503:
        return "Back in a moment";
    default:
        return status >= 500 ? "Something went wrong" : "That request does not work";
    }
}
