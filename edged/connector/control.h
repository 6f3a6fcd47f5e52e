/* SPDX-License-Identifier: MIT
 *
 * connector/control.h: the local socket on which the signalling side announces tickets: the lines
 * of proto/psom/line.h, one answer each: "ok" when every edge has read it (only then may the handle
 * be given to a client), or "error WHY".
 *
 * Local and guarded by file mode (0660); still every line is checked and bounded.
 */
#ifndef EDGED_CONNECTOR_CONTROL_H
#define EDGED_CONNECTOR_CONTROL_H

struct connector;
struct control;

/* path "" gives NULL and no fault. */
struct control *control_new(struct connector *k, const char *path, const char **ret_why);
struct control *control_free(struct control *c);
/* An edge acknowledged or went: somebody may be waiting for that. */
void control_edges_changed(struct control *c);

#endif
