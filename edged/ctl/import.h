/* SPDX-License-Identifier: MIT
 *
 * ctl/import.h: `edgectl import-topology FILE [NAME]`: the edge of a published topology as a
 * fragment of edged.conf, with what was left out and what remains to be filled in as comments.
 */
#ifndef EDGED_CTL_IMPORT_H
#define EDGED_CTL_IMPORT_H

#include <stdio.h>

/*
 * path   "-" reads standard input
 * name   full name of the edge; NULL: the only one
 *
 * Prints to out, complaints to err. 0, or 1.
 */
int import_topology(const char *path, const char *name, FILE *out, FILE *err);

#endif
