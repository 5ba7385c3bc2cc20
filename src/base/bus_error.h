/* A mapped file that somebody cuts short, or whose disk fails, ends its reader by SIGBUS. With this
 * it ends with exit code 1 and one line that names the file. Outputs are whole or absent whenever a
 * program ends. */
#ifndef CDUL_BASE_BUS_ERROR_H
#define CDUL_BASE_BUS_ERROR_H

void cdul_bus_error_install(void);

#endif
