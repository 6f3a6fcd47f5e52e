/* SPDX-License-Identifier: MIT
 *
 * conf/options.h: the one table of options. Everything that knows keys walks it: load, slice, diff,
 * the sample, the manual page. A key is added here and used in one room; nothing else to do.
 *
 * Rows stand in the order of the sample: keys of one group are neighbours.
 */
#ifndef EDGED_CONF_OPTIONS_H
#define EDGED_CONF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/str.h"
#include "conf/conf.h"

enum conf_type {
	CONF_BOOL,  /* bool */
	CONF_U32,   /* uint32_t */
	CONF_PORT,  /* uint16_t */
	CONF_TEXT,  /* const char * */
	CONF_LIST,  /* struct conf_list */
	CONF_ADDRS, /* struct conf_list, one text allowed; the first also at at_first */
	CONF_ROWS,  /* list of groups: array of row_size bytes each, count at at_n */
};

enum conf_takes { /* when a reload shows */
	CONF_TAKES_NOW,
	CONF_TAKES_NEW_CONNECTIONS,
	CONF_TAKES_NEW_ALLOCATIONS,
	CONF_TAKES_RESTART,
};

struct conf_opt {
	const char *key;
	enum conf_type type;
	const char *def; /* as in the file without quotes; lists comma-separated */
	const char
	    *example; /* stands in the sample instead of def; such a key is not commented out */
	const char *choices; /* "a|b|c"; NULL: anything */
	uint32_t min, max;   /* numbers; max 0: no bound */
	size_t at, at_first, at_n, row_size;
	const struct conf_opt *rows; /* of one group of CONF_ROWS; key and at are relative */
	size_t n_rows;
	const char *rule; /* ids in the administrator reference */
	uint32_t slice;   /* ROLE_BIT of each role that receives it */
	enum conf_takes takes;
	bool secret; /* its value is never printed */
	bool filled; /* by the supervisor, not from the file */
	const char *doc;
};

extern const struct conf_opt conf_opts[];
extern const size_t conf_n_opts;

/* NULL when there is no such key. */
const struct conf_opt *conf_opt_find(struct str key);
/* The known key nearest to a misspelt one; NULL when none is near. */
const char *conf_opt_guess(struct str key);
/* The same for a group ("access.next_hop"), into ret; false when none is near. */
bool conf_opt_guess_group(struct str path, char *ret, size_t room);
/* True when some key stands below the group path ("external.access"). */
bool conf_opt_is_group(struct str path);
const char *conf_takes_text(enum conf_takes t);

/* Field of a row in base (a struct conf, or one element of CONF_ROWS). */
static inline void *
conf_at(const void *base, size_t at)
{
	return (char *)(uintptr_t)base + at;
}

/* Value of a row as the file would write it, into buf; returns buf. Secrets show as "(hidden)". */
const char *conf_opt_text(const struct conf_opt *o, const void *base, char *buf, size_t room);

/* Copy the value of one row from `from` into `to`, text into to's arena. ED_NOMEM. */
int conf_opt_copy(const struct conf_opt *o, struct conf *to, const struct conf *from) ED_MUST_CHECK;

/* The row's default into base; text points to the table or into the arena. */
int conf_opt_default(const struct conf_opt *o, struct arena *a, void *base) ED_MUST_CHECK;

/* `edged --options=`: the table as sample file, manual section or JSON. */
void conf_print_sample(FILE *out);
void conf_print_man(FILE *out);
void conf_print_json(FILE *out);

#endif
