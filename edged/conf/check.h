/* SPDX-License-Identifier: MIT
 *
 * conf/check.h: the rules of the administrator reference that a configuration can break, as one
 * table: id, severity, kind, one function. `edged -n`, the start and each reload run it.
 *
 * Facts about the host and the certificates are gathered first (conf/host.h, conf/check_cert.c), so
 * a rule is a pure function of struct check and tests feed it made-up facts.
 */
#ifndef EDGED_CONF_CHECK_H
#define EDGED_CONF_CHECK_H

#include "conf/certs.h"
#include "conf/host.h"
#include "conf/listen.h"
#include "conf/report.h"

enum check_mode {
	CHECK_FILE,   /* `edged -n`: everything */
	CHECK_START,  /* addresses may still come up: opening waits for them */
	CHECK_RELOAD, /* our own listeners are open: host rules on ports do not apply */
};

enum check_kind { CHECK_STATIC, CHECK_HOST, CHECK_CERT, CHECK_DNS };

struct live;
struct check_cert_facts; /* conf/check_cert.h */

struct check {
	const struct conf *conf;
	enum check_mode mode;
	const struct host_facts *host;
	const struct check_cert_facts *certs; /* BINDING__N of them */
	struct listen_spec specs[LISTEN_SPECS_MAX];
	size_t n_specs;
	int64_t now_s;
	struct conf_report *report;
	const struct live *live;       /* supervisor/live.h; NULL but for its rules */
	const struct check_rule *rule; /* the one that runs */
};

struct check_rule {
	const char *id;
	enum conf_severity severity;
	enum check_kind kind;
	bool lab_lowers; /* edge.lab makes its errors warnings */
	void (*run)(struct check *ck);
	const char *todo; /* what to do */
};
extern const struct check_rule check_rules[];
extern const size_t check_n_rules;

/* Finding of the rule that runs: severity lowered by edge.lab where the rule says so. */
void check_found(struct check *ck, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with another severity (CERT-INT-01: a wildcard that covers the name is a warning). */
void check_found_as(struct check *ck, enum conf_severity severity, const char *key, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

/* Runs all rules. keys: as read by conf_keys_read. */
void check_run(const struct conf *c, const struct conf_keys *keys, enum check_mode mode,
    struct conf_report *report);
/* The same over given facts; for tests. */
void check_run_over(struct check *ck);

/* Section 4: subject, names, issuer, serial, fingerprint, end and key of each binding. The second
 * as
 * ,"certificates":[...] for conf_report_print_json; the caller frees it, NULL without memory. */
void check_certs_print(const struct conf *c, FILE *out);
char *check_certs_json(const struct conf *c);

/* Logs CRT-1103 for each binding whose certificate differs. */
typedef void check_replaced_cb(
    void *arg, enum conf_binding b, const char *old_serial, const char *new_serial);
void check_each_replaced(
    const struct conf *old, const struct conf *next, check_replaced_cb *each, void *arg);

#endif
