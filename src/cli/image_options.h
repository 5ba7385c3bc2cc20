/* Rows that the option tables of several programs share, so that one option reads the same
 * everywhere. `field` is the offset in the program's own options struct, `heading` the group that
 * the row begins, or NULL. */
#ifndef CDUL_CLI_IMAGE_OPTIONS_H
#define CDUL_CLI_IMAGE_OPTIONS_H

#include "cdul/provider.h"
#include "cli/options/options.h"

/* clang-format off */
#define CDUL_OPTION_ROOT(field, heading)                                                                     \
    {.name = "root", .type = CDUL_OPTION_STRING, .offset = (field), .argument = "DIR", .group = (heading),   \
     .help = "folder that the paths in image lists are relative to, by default the current one"}

#define CDUL_OPTION_NULL(field)                                                                              \
    {.name = "null", .letter = '0', .type = CDUL_OPTION_FLAG, .offset = (field), .command_only = true,       \
     .help = "paths in image lists end in a NUL byte instead of a newline, as find -print0 writes them"}

#define CDUL_OPTION_EXIF(field)                                                                              \
    {.name = "exif", .type = CDUL_OPTION_FLAG, .offset = (field), .fallback = "true",                        \
     .help = "turn images as their EXIF orientation says"}

#define CDUL_OPTION_REDUCE(field)                                                                            \
    {.name = "reduce", .type = CDUL_OPTION_FLAG, .offset = (field), .fallback = "true",                      \
     .help = "decode a large JPEG at 1/2, 1/4 or 1/8 of its size, several times as fast, where every view "  \
             "still has twice the pixels that it needs"}

#define CDUL_OPTION_BACKGROUND(field)                                                                        \
    {.name = "background", .type = CDUL_OPTION_STRING, .offset = (field), .fallback = "ffffff",              \
     .argument = "RRGGBB", .help = "colour under transparent pixels, in hexadecimal"}

/* 0 or less: as many as memory allows. */
#define CDUL_OPTION_MAX_PIXELS(field)                                                                        \
    {.name = "max-pixels", .type = CDUL_OPTION_INT, .offset = (field), .argument = "N", .minimum = 1,        \
     .maximum = 1e11,                                                                                        \
     .help = "larger images are skipped before they are decoded; by default what half of the memory holds, " \
             "from 25 to 179 million"}

/* Three rows; `field` is that of a cdul_provider. */
#define CDUL_OPTIONS_PROVIDER(field)                                                                         \
    {.name = "provider", .type = CDUL_OPTION_STRING, .offset = (field) + offsetof(cdul_provider, name),      \
     .fallback = "cpu", .argument = "NAME", .group = "Engine",                                               \
     .help = "execution provider of ONNX Runtime: cpu, cuda, cuda:1, ... of those that --version lists"},    \
    {.name = "provider-library", .type = CDUL_OPTION_STRING, .argument = "FILE",                             \
     .offset = (field) + offsetof(cdul_provider, library),                                                   \
     .help = "plug-in that brings the provider; with --version, its providers and devices are listed"},      \
    {.name = "provider-option", .type = CDUL_OPTION_STRINGS, .argument = "KEY=VALUE",                        \
     .offset = (field) + offsetof(cdul_provider, options),                                                   \
     .help = "setting of the provider's own; may be repeated"}
/* clang-format on */

#endif
