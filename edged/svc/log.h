/* SPDX-License-Identifier: MIT
 *
 * svc/log.h: one line per event: stable name, then key=value; every name is a row of
 * docs/log-events.md (test/drift keeps them in step). Never bodies, tokens, passwords, keys.
 *
 * Targets: syslog (RFC 5424 over /dev/log, opened before the sandbox closes), journal, stderr.
 * Repeats of one (event, source) are folded: the first LOG_BURST a minute are written, then one
 * line with the count. Cheap when the level is off.
 */
#ifndef EDGED_SVC_LOG_H
#define EDGED_SVC_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum log_level { LOG_ERROR_L, LOG_WARNING_L, LOG_NOTICE_L, LOG_INFO_L, LOG_DEBUG_L };
enum log_area {
	AREA_SYS,
	AREA_CERT,
	AREA_SIP,
	AREA_FED,
	AREA_TURN,
	AREA_MRAS,
	AREA_WEBCONF,
	AREA__N
};

#define LOG_BURST 20u

bool log_is_on(enum log_level level);
/* id: the catalogue id such as "ACC-2002" or "" ; event: "tls_failed"; then printf key=value pairs.
 */
void log_event(enum log_level level, enum log_area area, const char *id, const char *event,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#define log_error(area, id, event, ...)   log_event(LOG_ERROR_L, area, id, event, __VA_ARGS__)
#define log_warning(area, id, event, ...) log_event(LOG_WARNING_L, area, id, event, __VA_ARGS__)
#define log_notice(area, id, event, ...)  log_event(LOG_NOTICE_L, area, id, event, __VA_ARGS__)
#define log_info(area, id, event, ...)                                                             \
	do {                                                                                       \
		if (log_is_on(LOG_INFO_L))                                                         \
			log_event(LOG_INFO_L, area, id, event, __VA_ARGS__);                       \
	} while (0)
#define log_debug(area, id, event, ...)                                                            \
	do {                                                                                       \
		if (log_is_on(LOG_DEBUG_L))                                                        \
			log_event(LOG_DEBUG_L, area, id, event, __VA_ARGS__);                      \
	} while (0)

/* Foreign text made safe for one key=value: quoted, escaped, cut to LOG_QUOTE_LEN - 1. Returns buf.
 */
#define LOG_QUOTE_LEN 160
const char *log_quote(struct str text, char buf[LOG_QUOTE_LEN]);

struct log_conf {
	const char *target;   /* syslog | stderr | journal */
	const char *facility; /* daemon, local0, ... */
	const char *level;
	const char *program; /* "edged-access" */
	unsigned worker;
};
/* Opens the target's socket; called before the sandbox. Until then lines go to stderr. */
int log_open(const struct log_conf *conf);
void log_set_level(enum log_level level);
/* "error" ... "debug"; false when it is none of them. */
bool log_level_from_name(const char *name, enum log_level *ret);
const char *log_level_name(enum log_level level);
/* A fresh socket of the same target, opened by the supervisor (fd taken over). */
void log_set_socket(int fd);
/* Connected socket of a target ("syslog", "journal"), or -1. */
int log_connect(const char *target);
/* True once after the target refused a line: the socket has to be opened again. */
bool log_was_lost(void);
/* Writes the summaries of folded events whose minute is over; called every few seconds. */
void log_tick(void);

#endif
