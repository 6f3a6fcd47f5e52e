/* SPDX-License-Identifier: MIT
 *
 * supervisor/live.h: the DNS rules of the reference, for `edged -n --live` and, through a helper
 * process, `edgectl check --live`. The supervisor itself asks nobody.
 *
 * First every name that a rule wants to know about is asked for, all at once; then the rules judge
 * the answers. The rules are pure functions of struct check and tests feed them made-up answers.
 */
#ifndef EDGED_SUPERVISOR_LIVE_H
#define EDGED_SUPERVISOR_LIVE_H

#include "conf/check.h"
#include "net/resolve.h"

#define LIVE_NAMES_MAX 512u
#define LIVE_WAIT_MS   8000u

struct live_name {
	char name[300];
	bool srv;
	bool answered; /* false: nobody answered in time */
	struct resolve_answer ans;
};

struct live {
	struct live_name *v; /* LIVE_NAMES_MAX */
	size_t n;
	bool cut; /* more names than that */
};

extern const struct check_rule live_rules[];
extern const size_t live_n_rules;

/* The names that the rules need for c. */
void live_plan(struct live *lv, const struct conf *c);
struct live_name *live_find(const struct live *lv, const char *name, bool srv);
/* All rules over ck, whose live is set. */
void live_run_over(struct check *ck);
/* Plans, asks, judges. */
void live_check(const struct conf *c, struct conf_report *report);

/* livecheck.c: this program once more as `edged -n --live`, beside the supervisor */
typedef void livecheck_cb(void *arg, struct str json);
struct livecheck;
/* done comes once, later; n 0: it could not be started or died. NULL: no process. */
struct livecheck *livecheck_start(struct loop *l, const char *path, livecheck_cb *done, void *arg);
struct livecheck *livecheck_free(struct livecheck *lc);

#endif
