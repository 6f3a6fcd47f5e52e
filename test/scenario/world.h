/* SPDX-License-Identifier: MIT
 *
 * scenario/world.h: the made-up network, clock and randomness around one or two workers of the
 * Access Edge. The workers are the real ones (edged/access); connections are pairs of byte queues,
 * and time passes only when the script says so.
 */
#ifndef SCENARIO_WORLD_H
#define SCENARIO_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "access/core.h"
#include "access/view.h"
#include "base/addr.h"
#include "conf/conf.h"
#include "text.h"

#define WORLD_PEERS_MAX     64
#define WORLD_NODES_MAX     2
#define WORLD_HOSTS_MAX     16
#define WORLD_VARS_MAX      128
#define WORLD_SEEN_MAX      4096
#define WORLD_QUESTIONS_MAX 64
#define WORLD_ROWS_MAX      8

struct world;
struct token_ring;

struct node { /* one worker */
	struct world *w;
	struct access *ax;
	struct buf mail; /* from the sibling: length, bytes, ... */
	unsigned slot;
};

struct peer { /* the far end of one connection */
	char name[24];
	struct node *node;
	struct flow *f;       /* NULL when the edge has let go of it */
	bool external, by_us; /* by_us: the edge opened it */
	bool up, closing, paused, deaf, asked_close;
	enum access_end why;
	char end[32], detail[128];
	uint64_t opened_ms;
	struct addr addr;
	char cert[512]; /* names, comma-separated */
	char host[256];
	struct buf tx;   /* the edge writes here between reserve and commit */
	struct buf rx;   /* what the peer can read */
	struct buf in;   /* sent by the peer, not taken by the edge yet */
	struct buf sent; /* all header blocks it sent, for the invariants */
	size_t pending;  /* unread, when deaf */
	uint32_t idle_ms;
	struct text_msg *last;        /* last message it got */
	struct text_msg *request[16]; /* requests it got, newest first */
};

enum host_mood { HOST_UP, HOST_REFUSED, HOST_SILENT };

struct world_dns { /* what the name servers say; the record of a name said last holds */
	char name[300];
	struct addr addrs[4];
	unsigned n;
	char targets[4][128]; /* of an SRV record, in the order of use */
	unsigned n_targets;
	bool later, fails;
};

struct world_question {
	struct node *node;
	char name[256];
	bool srv;
};

struct world {
	uint64_t now_ms;
	uint64_t random;
	struct conf *conf;
	struct conf_allowed_domain allowed[WORLD_ROWS_MAX];
	struct conf_provider providers[WORLD_ROWS_MAX];
	struct view *view;
	struct token_ring *ring;
	struct node nodes[WORLD_NODES_MAX];
	unsigned n_nodes;
	struct peer *peers[WORLD_PEERS_MAX];
	unsigned n_peers, n_links, n_partner_links;
	struct {
		struct addr addr;
		enum host_mood mood;
		char cert[128];
	} hosts[WORLD_HOSTS_MAX];
	unsigned n_hosts;
	struct world_dns dns[32];
	unsigned n_dns;
	struct world_question questions[WORLD_QUESTIONS_MAX]; /* not answered yet */
	unsigned n_questions;
	struct {
		char name[64];
		char *value;
	} vars[WORLD_VARS_MAX];
	unsigned n_vars;
	unsigned tag;
	char failure[1024]; /* first broken invariant */
	struct buf log;     /* ladder, printed when the scenario fails */
};

void world_init(struct world *w);
void world_done(struct world *w);
/* One option by its dotted name; false with the reason in w->failure. */
bool world_conf(struct world *w, const char *key, const char *value);
bool world_start(struct world *w, unsigned n_nodes);
void world_reload(struct world *w);

/* Questions of federation whose answer is known by now. */
void world_answer_dns(struct world *w);
/* Let everything that is due now happen, until nothing moves. */
void world_settle(struct world *w);
/* Let time pass, in steps of a tick. */
void world_advance(struct world *w, uint64_t to_ms);

struct peer *world_find(struct world *w, const char *name);
struct peer *world_open(struct world *w, const char *name, bool external, unsigned node,
    const struct addr *from, const char *cert, bool federation);
void world_send(struct peer *p, const char *bytes, size_t n);
void world_close(struct peer *p, const char *why);
/* The next whole message that the edge sent to p, taken out of its queue; NULL if none. */
struct text_msg *world_get(struct peer *p);

void world_set(struct world *w, const char *name, const char *value);
const char *world_var(const struct world *w, const char *name);

/* ---- check.c ---- */
/* A message that left the edge toward p: what must hold for each. */
void check_invariants(struct world *w, struct peer *p, const struct text_msg *m);
/* One assertion after "gets"; false with the reason in w->failure. */
bool check_assert(struct world *w, const struct text_msg *m, const char *what);

void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
