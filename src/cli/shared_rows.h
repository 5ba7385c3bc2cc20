/* Rows that the option tables of several programs share, so that one option reads the same
 * everywhere. `member` is that of OPTIONS, the program's own struct. */
#pragma once

#include "options/table.h"

#define ROW_ROOT(member)                                                                           \
    STRING("root", 0, member, "DIR",                                                               \
           "folder that the paths in image lists are relative to, by default the current one")

#define ROW_NULL(member)                                                                           \
    FLAG("null", '0', member,                                                                      \
         "paths in image lists end in a NUL byte instead of a newline, as find -print0 writes "    \
         "them"),                                                                                  \
        .command_only = true

#define ROW_EXIF(member) FLAG("exif", 0, member, "turn images as their EXIF orientation says")

#define ROW_REDUCE(member)                                                                         \
    FLAG("reduce", 0, member,                                                                      \
         "decode a large JPEG at 1/2, 1/4 or 1/8 of its size, several times as fast, where every " \
         "view still has twice the pixels that it needs")

#define ROW_BACKGROUND(member)                                                                     \
    COLOUR("background", 0, member, "RRGGBB", "colour under transparent pixels, in hexadecimal")

#define ROW_MAX_PIXELS(member)                                                                     \
    SIZE("max-pixels", 0, member, "N", 1, 1e11,                                                    \
         "larger images are skipped before they are decoded; by default what half of the memory "  \
         "holds, from 25 to 179 million")

#define ROW_PROVIDER(member)                                                                       \
    STRING("provider", 0, member, "NAME",                                                          \
           "execution provider of ONNX Runtime: cpu, cuda, cuda:1, ... of those that --version "   \
           "lists")

#define ROW_PROVIDER_LIBRARY(member)                                                               \
    STRING("provider-library", 0, member, "FILE",                                                  \
           "plug-in that brings the provider; with --version, its providers and devices are "      \
           "listed")

#define ROW_PROVIDER_OPTION(member)                                                                \
    STRINGS("provider-option", 0, member, "KEY=VALUE",                                             \
            "setting of the provider's own; may be repeated")
