/*
 * The inputs of a form as rows of a table: label, hint, what was typed before, and beside it what
 * was wrong. Templates show them with {{#name}}{{>input}}{{/name}}.
 */
#pragma once

#include "app/http.h"
#include "app/template.h"

enum input_kind {
    INPUT_UNSET = 0,
    INPUT_TEXT,
    INPUT_EMAIL,
    INPUT_PASSWORD, /* never filled in again */
    INPUT_NUMBER,
    INPUT_DATE,
    INPUT_LINES,  /* several lines */
    INPUT_CHOICE, /* one of choices */
    INPUT_CHECK,  /* a box; value NULL = off */
    INPUT_URL,
    INPUT_MOMENT, /* day and time of day, of no zone */
    INPUT_RADIO,  /* one of choices, all in sight */
    INPUT_CODE,   /* several lines of a machine's text */
    INPUT_GROUP,  /* what follows up to INPUT_GROUP_END belongs together under the label */
    INPUT_GROUP_END,
};

struct input_choice {
    const char *value, *label;
};

struct input {
    enum input_kind kind;
    const char *name;  /* of the form's member */
    const char *id;    /* of the element */
    const char *label; /* short */
    const char *note;  /* beside the label, quiet; or NULL */
    const char *hint;  /* a sentence; or NULL */
    const char *value; /* what it holds when nothing was typed */
    const char *autocomplete;
    const struct input_choice *choices; /* ends with label NULL */
    int64_t max_length;                 /* 0 = none */
    bool required;
};

/* What only some inputs have. */
struct input_more {
    const char *min, *max, *step; /* of numbers and days; or NULL */
    const char *pattern;          /* or NULL */
    const char *pattern_words;    /* for the browser to say, where no hint does */
    int64_t min_length;           /* 0 = none */
    const char *error;            /* what was wrong with it; it alone decides whether it was */
    bool read_only;               /* shown, not sent */
};

struct input_form {
    const char *name; /* of the variable */
    const struct input *inputs;
    size_t count;
    bool is_refused; /* the form was just sent: shows what was typed, and what was wrong with it */
    enum err code;   /* why */
};

CHECKED enum err inputs_make(struct request *req, const struct input_form *form,
                             struct template_var *ret_var);
/* The same with more about each input. */
CHECKED enum err inputs_make_more(struct request *req, const struct input_form *form,
                                  const struct input_more *more, struct template_var *ret_var);
/* What INPUT_LINES shows of a list, and the list that was typed: blanks around a line and empty
 * lines are nothing. In the arena. */
const char *inputs_join_lines(struct ctx *ctx, const struct strs *lines);
CHECKED enum err inputs_split_lines(struct ctx *ctx, const char *text, struct strs *ret_lines);
/* Whether the refusal stands beside one of these inputs. */
bool inputs_name_failure(const struct request *req, const struct input *inputs, size_t count);
