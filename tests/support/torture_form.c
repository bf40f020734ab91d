/* What a page's form wants back, read from its HTML. */
#include <stdio.h>
#include <string.h>

#include "support/torture.h"

static void scan(const char *from, const char *format, char ret_text[TORTURE_FORM_VALUE])
{
    const char *end = from != NULL ? strstr(from, "</form>") : NULL;
    const char *at = from != NULL ? strstr(from, format) : NULL;

    ret_text[0] = '\0';
    if (at != NULL && end != NULL && at < end)
        (void)sscanf(at + strlen(format), "%511[^\"]", ret_text);
}

bool torture_form_read(const char *html, const char *action, struct torture_form *ret_form)
{
    char attribute[1024];

    (void)snprintf(attribute, sizeof attribute, "action=\"%s\"", action);

    const char *at = strstr(html, attribute);

    scan(at, "name=\"form_token\" value=\"", ret_form->token);
    scan(at, "name=\"version\" value=\"", ret_form->version);
    scan(at, "name=\"once\" value=\"", ret_form->once);
    return ret_form->token[0] != '\0';
}
