/* Any bytes as a config file of each of the programs. */
#include "input.h"

#include "cli/options/parse.h"
#include "cli/programs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[400], name[] = "cdul", option[] = "-c", print[] = "--print-config";
    input_file("config.json", data, size);
    input_path("config.json", path, sizeof path);
    for (const cdul_program *const *program = cdul_programs; *program; program++) {
        char *arguments[] = {name, option, path, print, NULL};
        cdul_parsed parsed;
        cdul_error err = {{0}};
        char *text = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&text, &length);
        CLAIM(out);
        cdul_status status =
            cdul_options_parse(*program, cdul_programs, 4, arguments, out, &parsed, &err);
        fclose(out);
        CLAIM(status == CDUL_OK ? parsed.done && length > 0
                                : status == CDUL_ERR_USAGE && err.message[0]);
        cdul_parsed_free(&parsed);
        free(text);
    }
    return 0;
}
