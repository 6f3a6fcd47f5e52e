/* SPDX-License-Identifier: MIT
 *
 * ctl/trace.c: `edgectl trace WORD [FILE [SECONDS]]`: the messages of one call, user or connection
 * as they pass, until a signal or the time is up.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/value.h"
#include "ctl/trace_write.h"

#define PERIOD_US   200000
#define SECONDS_MAX 86400
#define LINE_LEN    256
#define BATCH_MAX   4096u

struct tracer {
	const char *path;
	FILE *out;
	bool capture, json;
	bool more; /* a worker holds more than one answer takes */
	unsigned n;
	long long lost;
	struct trace_message batch[BATCH_MAX]; /* of all workers, to be put in order */
	size_t n_batch;
};

static volatile sig_atomic_t stopped;

static void
on_signal(int sig)
{
	stopped = 1;
}

static char *
text_copy(struct json_value v, const char *key)
{
	char buf[128];

	return strdup(json_plain(json_get(v, key), buf, sizeof(buf)));
}

static struct str
from_hex(struct str hex)
{
	char *p = malloc(hex.n / 2 + 1);
	struct str out = {p, 0};

	for (size_t i = 0; p && i + 1 < hex.n; i += 2) {
		char two[3] = {hex.p[i], hex.p[i + 1], '\0'};

		p[out.n++] = (char)strtoul(two, NULL, 16);
	}
	return out;
}

static void
message_done(struct trace_message *m)
{
	free((char *)m->octets.p);
	free((char *)m->flow);
	free((char *)m->side);
}

static void
take_message(struct tracer *t, struct json_value v, int64_t now_ms)
{
	struct trace_message *m;
	char peer[ADDR_STR_LEN], local[ADDR_STR_LEN], dir[8];
	struct addr p = {.family = 0}, l = {.family = 0};

	if (t->n_batch == BATCH_MAX) {
		t->lost++;
		return;
	}
	m = &t->batch[t->n_batch];
	json_plain(json_get(v, "peer"), peer, sizeof(peer));
	json_plain(json_get(v, "local"), local, sizeof(local));
	if (addr_parse(&p, str_of(peer)) < 0 || addr_parse(&l, str_of(local)) < 0)
		return;
	m->in = strcmp(json_plain(json_get(v, "dir"), dir, sizeof(dir)), "in") == 0;
	m->from = m->in ? p : l;
	m->to = m->in ? l : p;
	m->at_ms = now_ms - number_of(v, "age_ms");
	m->flow = text_copy(v, "flow");
	m->side = text_copy(v, "side");
	m->octets = from_hex(json_get(v, "octets").raw);
	if (m->flow && m->side && m->octets.p)
		t->n_batch++;
	else
		message_done(m);
}

/* Workers answer one after the other; within one batch the order is that of the clock. */
static int
by_time(const void *a, const void *b)
{
	const struct trace_message *x = a, *y = b;

	return (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms);
}

static void
write_batch(struct tracer *t)
{
	/* qsort need not be stable: equal times keep their order by insertion. */
	for (size_t i = 1; i < t->n_batch; i++) {
		struct trace_message m = t->batch[i];
		size_t k = i;

		for (; k > 0 && by_time(&t->batch[k - 1], &m) > 0; k--)
			t->batch[k] = t->batch[k - 1];
		t->batch[k] = m;
	}
	for (size_t i = 0; i < t->n_batch; i++) {
		if (t->capture)
			trace_write_capture(&t->batch[i], t->out);
		else
			trace_write_text(&t->batch[i], t->out);
		message_done(&t->batch[i]);
		t->n++;
	}
	t->n_batch = 0;
	fflush(t->out);
}

static int
poll_workers(struct tracer *t)
{
	struct json answer;
	int code = ctl_ask(t->path, "trace read", &answer);
	struct str left = {answer.p, answer.n}, it;
	struct timespec now;
	struct json_value svc, m;
	long long lost = 0;

	if (code != CTL_DONE)
		return code;
	clock_gettime(CLOCK_REALTIME, &now);
	t->more = false;
	it = json_get(json_take(&left), "services").raw;
	while (json_element(&it, &svc)) {
		struct json_value a = json_get(svc, "answer");
		struct str messages = json_get(a, "messages").raw;

		lost += number_of(a, "lost");
		t->more = t->more || str_eq(json_get(a, "more").raw, STR("true"));
		while (json_element(&messages, &m)) {
			if (t->json)
				fprintf(t->out, STR_FMT "\n", STR_ARG(m.raw));
			else
				take_message(t, m, now.tv_sec * 1000LL + now.tv_nsec / 1000000);
		}
	}
	t->lost = lost;
	json_done(&answer);
	write_batch(t);
	return CTL_DONE;
}

static int
ask_once(const char *path, const char *line)
{
	struct json answer;
	int code = ctl_ask(path, line, &answer);

	json_done(&answer);
	return code;
}

static int
follow(struct tracer *t, long seconds)
{
	struct sigaction sa = {.sa_handler = on_signal};
	time_t end = time(NULL) + seconds;
	int code = CTL_DONE;

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	while (code == CTL_DONE && !stopped && time(NULL) < end) {
		if (!t->more)
			usleep(PERIOD_US);
		code = poll_workers(t);
	}
	if (code == CTL_DONE) /* what came between the last look and the signal */
		code = poll_workers(t);
	if (code == CTL_DONE)
		code = ask_once(t->path, "trace off");
	fprintf(stderr, "edgectl: %u messages%s", t->n, t->lost ? ", some lost: " : "\n");
	if (t->lost)
		fprintf(stderr, "%lld, since more came than a worker holds\n", t->lost);
	return code;
}

int
ctl_trace(const char *socket_path, bool json, int n_words, char **words)
{
	struct tracer *t;
	char line[LINE_LEN];
	long seconds = n_words > 2 ? strtol(words[2], NULL, 10) : SECONDS_MAX;
	int code;

	if (n_words < 1 || n_words > 3 || !*words[0] || seconds <= 0 || seconds > SECONDS_MAX ||
	    (size_t)snprintf(line, sizeof(line), "trace on %s", words[0]) >= sizeof(line)) {
		fputs("usage: edgectl [--json] trace WORD [FILE[.pcap] [SECONDS]]\n"
		      "WORD: a Call-ID, an address, a flow of `edgectl sessions`, or any text of a "
		      "header\n",
		    stderr);
		return CTL_USAGE;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return CTL_NO;
	t->path = socket_path;
	t->json = json;
	t->out = n_words > 1 && strcmp(words[1], "-") != 0 ? fopen(words[1], "wxe") : stdout;
	t->capture = n_words > 1 && !json && strlen(words[1]) > 5 &&
		     strcmp(words[1] + strlen(words[1]) - 5, ".pcap") == 0;
	if (!t->out) {
		perror(words[1]);
		free(t);
		return CTL_NO;
	}
	if (t->capture)
		trace_write_capture_head(t->out);
	code = ask_once(socket_path, line);
	if (code == CTL_DONE)
		code = follow(t, seconds);
	if (fflush(t->out) != 0 || (t->out != stdout && fclose(t->out) != 0)) {
		perror("edgectl: trace");
		code = CTL_NO;
	}
	free(t);
	return code;
}
