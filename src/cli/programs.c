#include "cli/programs.h"

const cdul_program *const cdul_programs[] = {
    &cdul_program_label, &cdul_program_train, &cdul_program_predict, &cdul_program_eval, NULL,
};
