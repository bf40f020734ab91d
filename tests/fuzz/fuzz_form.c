/* Form-encoded text of any bytes: what is read is valid text under names that are all different. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/form.h"
#include "app/text.h"
#include "support/fuzz.h"

static void check(const struct value *form)
{
    for (size_t i = 0; i < form->object.count; i++) {
        const struct member *member = &form->object.members[i];

        if (!text_is_utf8(member->value.string.text, member->value.string.length) ||
            !text_is_utf8(member->name, strlen(member->name)) ||
            value_get(form, member->name) != &member->value)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bare bare;
    struct value form;

    if (bare.app.started_ms == 0) {
        bare_init(&bare);
        bare.app.started_ms = 1;
    }
    fail_clear(&bare.ctx);
    if (form_parse(&bare.ctx, (const char *)data, size, &form) == ERR_OK)
        check(&form);
    arena_reset(&bare.arena);
    return 0;
}
