/* Any bytes as a list of images, divided by newlines and by NUL. What it names is looked at and not
 * opened. */
#include "input.h"

#include "cdul/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool there;
    char path[400], argument[404];
    input_file("list.txt", data, size);
    if (!there) input_file("a.png", data, 0);
    there = true;
    input_path("list.txt", path, sizeof path);
    snprintf(argument, sizeof argument, "@%s", path);
    const char *arguments[] = {argument};
    for (int nul = 0; nul < 2; nul++) {
        const cdul_list_options options = {.root = input_folder(), .nul_separated = nul};
        cdul_strings paths = {0}, names = {0};
        cdul_error err = {{0}};
        cdul_status status = cdul_list_images(arguments, 1, &options, &paths, &names, &err);
        CLAIM(status == CDUL_OK ? names.count > 0 && names.count == paths.count
                                : err.message[0] && !names.count);
        cdul_strings_free(&paths);
        cdul_strings_free(&names);
    }
    return 0;
}
