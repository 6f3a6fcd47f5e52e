/* SPDX-License-Identifier: MIT */
#include "webconf/inside.h"

#include "webconf/dial.h"
#include "webconf/link.h"
#include "webconf/room.h"
#include "webconf/view.h"

int
inside_open(
    struct webconf *w, struct client *c, const struct inside_want *want, struct inside **ret)
{
	return w->view->dials ? dial_open(w, c, want, ret) : link_open_stream(w, c, want, ret);
}

struct str
inside_server_by_name(struct webconf *w, struct str name)
{
	return w->view->dials ? dial_server_by_name(w, name) : link_server_by_name(w, name);
}
