/* SPDX-License-Identifier: MIT
 *
 * ctl/value.h: members of an answer as C values; what is missing is "" or 0.
 */
#ifndef EDGED_CTL_VALUE_H
#define EDGED_CTL_VALUE_H

#include <stdlib.h>

#include "svc/json.h"

/* Into buf, cut there; returns buf. */
static inline const char *
text_of(struct json_value v, const char *key, char *buf, size_t room)
{
	return json_plain(json_get(v, key), buf, room);
}

static inline long long
number_of(struct json_value v, const char *key)
{
	char buf[32];

	return strtoll(text_of(v, key, buf, sizeof(buf)), NULL, 10);
}

static inline bool
is_true(struct json_value v, const char *key)
{
	return str_eq(json_get(v, key).raw, STR("true"));
}

#endif
