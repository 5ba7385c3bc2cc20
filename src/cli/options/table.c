/* Names and counts of a table's options. */
#include "table.h"

#include <stdlib.h>

void cdul_option_key(const char *name, char *out, size_t size) {
    snprintf(out, size, "%s", name);
    for (; *out; out++)
        if (*out == '-') *out = '_';
}

bool cdul_option_negatable(const cdul_option *option) {
    return option->type == CDUL_OPTION_FLAG && !option->command_only;
}

size_t cdul_options_count(const cdul_option *options) {
    size_t n = 0;
    while (options[n].name) n++;
    return n;
}

void *cdul_program_defaults(const cdul_program *program) {
    void *options = calloc(1, program->options_size);
    if (options && program->defaults) program->defaults(options);
    return options;
}
