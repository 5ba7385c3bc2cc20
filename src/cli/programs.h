/* The four programs as tables: what they are called and which options they take. Every program
 * knows all four, because one config file serves them all and is checked as a whole. */
#ifndef CDUL_CLI_PROGRAMS_H
#define CDUL_CLI_PROGRAMS_H

#include "cli/options/options.h"

extern const cdul_program cdul_program_label;
extern const cdul_program cdul_program_train;
extern const cdul_program cdul_program_predict;
extern const cdul_program cdul_program_eval;

extern const cdul_program *const cdul_programs[]; /* all of them; NULL ends the list */

#endif
