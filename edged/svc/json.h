/* SPDX-License-Identifier: MIT
 *
 * svc/json.h: writing JSON into a growing text, and reading it back piece by piece. Pure but for
 * the heap. What services answer is checked with json_is_valid before it is put into a larger
 * answer.
 */
#ifndef EDGED_SVC_JSON_H
#define EDGED_SVC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct json { /* text being written; p is NUL-terminated; lack of memory sticks in failed */
	char *p;
	size_t n, room;
	bool failed;
};
void json_done(struct json *j);
void json_raw(struct json *j, struct str text);
void json_fmt(struct json *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Quoted and escaped. */
void json_text(struct json *j, struct str text);
/* "key": with a comma before it unless it opens a group. */
void json_key(struct json *j, const char *key);
/* A comma unless a group was just opened. */
void json_next(struct json *j);

enum json_kind { JSON_NONE, JSON_OBJECT, JSON_LIST, JSON_TEXT, JSON_NUMBER, JSON_WORD };
struct json_value {
	enum json_kind kind;
	struct str raw; /* with brackets; text without quotes, escapes as they stand */
};
#define JSON_DEPTH_MAX 32u
/* Reads one value from the front of *left; kind JSON_NONE when there is none or it is broken. */
struct json_value json_take(struct str *left);
/* Members of an object, elements of a list, one per call; *it starts as v.raw. False at the end. */
bool json_member(struct str *it, struct str *ret_key, struct json_value *ret);
bool json_element(struct str *it, struct json_value *ret);
/* Member key of v; JSON_NONE when there is none. */
struct json_value json_get(struct json_value v, const char *key);
/* Text without its escapes (\" \\ \/ \n ...; \u as '?') into buf; returns buf. */
const char *json_plain(struct json_value v, char *buf, size_t room);
bool json_is_valid(struct str text);

#endif
