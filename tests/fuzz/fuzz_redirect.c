/*
 * Redirect URIs (OA-1) against an independent model, made of regular expressions: the first line of
 * the input is what is registered, the second what is sent. What may be registered is what the
 * model allows; what is sent stands for it only byte for byte, or, for a native application on
 * loopback, with another port.
 */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/redirect_uri.h"
#include "support/fuzz.h"

#define LABEL  "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
#define HOST   "(" LABEL "([.]" LABEL ")*|\\[[0-9A-Fa-f:.]{2,}\\])"
#define PORT   "(:([0-9]{1,5}))?"
#define BYTE   "[]A-Za-z0-9._~:/?[@!$&'()+,;=-]|%[0-9A-Fa-f]{2}"
#define REST   "(([/?](" BYTE ")*)?)"
#define GROUPS 12

static regex_t web, own, loopback;

static void begin(void)
{
    static bool begun;

    if (begun)
        return;
    begun = true;
    require(regcomp(&web, "^(https?)://" HOST PORT REST "$", REG_EXTENDED | REG_ICASE) == 0);
    require(regcomp(&own, "^[a-z][a-z0-9+-]*[.][a-z0-9+.-]*:(" BYTE ")*$",
                    REG_EXTENDED | REG_ICASE) == 0);
    require(regcomp(&loopback,
                    "^(https?)://(localhost|127[.]0[.]0[.]1|\\[::1\\])(:[0-9]*)?([/?].*)?$",
                    REG_EXTENDED | REG_ICASE) == 0);
}

static bool has_dots(const char *rest)
{
    char *path = strdup(rest), *at = path, *segment;
    bool found = false;

    require(path != NULL);
    path[strcspn(path, "?")] = '\0';
    (void)strsep(&at, "/");
    while ((segment = strsep(&at, "/")) != NULL) {
        size_t dots = 0;

        for (const char *c = segment; *c != '\0'; c += *c == '%' ? 3 : 1)
            dots = *c == '.' || strncasecmp(c, "%2e", 3) == 0 ? dots + 1 : 9;
        found = found || dots == 1 || dots == 2;
    }
    free(path);
    return found;
}

static bool web_allows(const char *uri, const struct redirect_rule *rule)
{
    regmatch_t part[GROUPS];

    if (regexec(&web, uri, GROUPS, part, 0) != 0 || part[2].rm_eo - part[2].rm_so > 253)
        return false;
    if (part[7].rm_so >= 0) {
        int port = 0;

        require(sscanf(uri + part[7].rm_so, "%5d", &port) == 1);
        if (port < 1 || port > 65535)
            return false;
    }
    if (has_dots(uri + part[8].rm_so))
        return false;
    return strncasecmp(uri, "https:", 6) == 0 || rule->is_development ||
           (rule->is_native && regexec(&loopback, uri, 0, NULL, 0) == 0);
}

static bool model_allows(const char *uri, const struct redirect_rule *rule)
{
    const size_t scheme = strcspn(uri, ":");

    if (strlen(uri) > REDIRECT_URI_MAX)
        return false;
    if ((scheme == 4 && strncasecmp(uri, "http", 4) == 0) ||
        (scheme == 5 && strncasecmp(uri, "https", 5) == 0))
        return web_allows(uri, rule);
    return rule->is_native && !rule->is_web_only && regexec(&own, uri, 0, NULL, 0) == 0;
}

static bool same(const char *a, const regmatch_t *in_a, const char *b, const regmatch_t *in_b)
{
    const int length = in_a->rm_eo - in_a->rm_so;

    return length == in_b->rm_eo - in_b->rm_so &&
           (length == 0 || memcmp(a + in_a->rm_so, b + in_b->rm_so, (size_t)length) == 0);
}

static bool model_matches(const char *registered, const char *sent, bool is_native)
{
    const struct redirect_rule rule = {.is_native = true};
    regmatch_t a[5], b[5];

    if (strcmp(registered, sent) == 0)
        return true;
    return is_native && strncasecmp(registered, "http:", 5) == 0 &&
           regexec(&loopback, registered, 5, a, 0) == 0 && regexec(&loopback, sent, 5, b, 0) == 0 &&
           same(registered, &a[1], sent, &b[1]) && same(registered, &a[2], sent, &b[2]) &&
           same(registered, &a[4], sent, &b[4]) && model_allows(sent, &rule);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct redirect_rule rules[] = {
        {0},
        {.is_native = true},
        {.is_development = true},
        {.is_web_only = true},
        {.is_native = true, .is_development = true},
    };
    char *text = fuzz_text(data, size), *rest = text;
    const char *registered = strsep(&rest, "\n");
    const char *sent = rest != NULL ? rest : "";

    begin();
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const bool may = redirect_uri_check(registered, &rules[i]) == NULL;

        require(may == model_allows(registered, &rules[i]));
        if (!may)
            continue;
        for (int native = 0; native < 2; native++)
            require(redirect_uri_matches(registered, sent, native != 0) ==
                    model_matches(registered, sent, native != 0));
        require(redirect_uri_origin(registered) <= strlen(registered));
    }
    free(text);
    return 0;
}
