/* SPDX-License-Identifier: MIT
 *
 * ctl/top_screen.c: `edgectl top`: the figures of ctl/top.h on a terminal, every two seconds.
 */
#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/value.h"
#include "ctl/top.h"

#define PERIOD_MS    2000
#define FIRST_MS     500
#define COLUMN_W     46
#define COLUMN_LINES 200

enum { PAIR_OK = 1, PAIR_BAD, PAIR_HEAD, PAIR_WARN };

/* One look at the daemon. */
struct look {
	struct json status_text, stats_text, certs_text;
	struct json_value status, stats, certs;
	double at_s;
};

static void
look_done(struct look *l)
{
	json_done(&l->status_text);
	json_done(&l->stats_text);
	json_done(&l->certs_text);
	*l = (struct look){.at_s = 0};
}

static int
ask_into(const char *path, const char *question, struct json *text, struct json_value *ret)
{
	int code = ctl_ask(path, question, text);
	struct str left = {text->p, text->n};

	*ret = code == CTL_DONE ? json_take(&left) : (struct json_value){.kind = JSON_NONE};
	return code;
}

static int
look_take(const char *path, struct look *ret)
{
	struct timespec t;
	int code;

	*ret = (struct look){.at_s = 0};
	code = ask_into(path, "status", &ret->status_text, &ret->status);
	if (code == CTL_DONE)
		code = ask_into(path, "stats", &ret->stats_text, &ret->stats);
	if (code == CTL_DONE)
		code = ask_into(path, "certs", &ret->certs_text, &ret->certs);
	clock_gettime(CLOCK_MONOTONIC, &t);
	ret->at_s = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
	return code;
}

/* ---- drawing ---- */

static void
say(int y, int x, int pair, const char *text)
{
	attron(COLOR_PAIR(pair));
	mvaddnstr(y, x, text, COLS > x ? COLS - x : 0);
	attroff(COLOR_PAIR(pair));
}

static int
draw_head(const struct look *l)
{
	char a[128], b[32], c[24], line[256];
	long up = (long)number_of(l->status, "uptime_s");

	snprintf(line, sizeof(line), "%s  edged %s  %s  up %ldd %02ld:%02ld:%02ld",
	    text_of(l->status, "fqdn", a, sizeof(a)), text_of(l->status, "version", b, sizeof(b)),
	    text_of(l->status, "state", c, sizeof(c)), up / 86400, up % 86400 / 3600,
	    up % 3600 / 60, up % 60);
	attron(A_BOLD);
	say(0, 0, PAIR_HEAD, line);
	attroff(A_BOLD);
	if (str_eq(json_get(l->status, "lab").raw, STR("true")))
		say(0, (int)strlen(line) + 2, PAIR_WARN, "LABORATORY MODE");
	return 2;
}

static int
draw_services(const struct look *l, int y)
{
	struct str it = json_get(l->status, "services").raw;
	struct json_value s;
	char role[24], state[24], why[96], line[256];

	while (json_element(&it, &s) && y < LINES - 1) {
		bool ready = strcmp(text_of(s, "state", state, sizeof(state)), "ready") == 0;

		snprintf(line, sizeof(line), "%-9s %-2lld %-9s pid %-8lld restarts %-4lld %s",
		    text_of(s, "role", role, sizeof(role)), number_of(s, "worker"), state,
		    number_of(s, "pid"), number_of(s, "restarts"),
		    text_of(s, "why", why, sizeof(why)));
		say(y++, 0, ready ? PAIR_OK : PAIR_BAD, line);
	}
	return y + 1;
}

static int
draw_certificates(const struct look *l, int y)
{
	struct str it = json_get(l->certs, "certificates").raw;
	struct json_value c;
	char name[32], line[96];
	int x = 0;

	while (json_element(&it, &c)) {
		long days = (long)number_of(c, "days_left");
		int n = snprintf(line, sizeof(line), "%s: %ld days",
		    text_of(c, "binding", name, sizeof(name)), days);

		if (x + n + 14 > COLS && x > 0) {
			x = 0;
			y++;
		}
		if (x == 0)
			mvaddstr(y, 0, "certificate ");
		x = x == 0 ? 12 : x;
		say(y, x, days < 14 ? PAIR_BAD : days < 30 ? PAIR_WARN : PAIR_OK, line);
		x += n + 3;
	}
	return y + 2;
}

/* Figures in as many columns as fit, a service in one piece. */
static void
draw_figures(const struct look *before, const struct look *now, int top)
{
	int x = 0, y = top;
	const char *role = "";
	char number[32], line[COLUMN_W];

	for (size_t i = 0; i < top_n_rows; i++) {
		const struct top_row *r = &top_rows[i];

		if (!top_has_role(now->status, r->role))
			continue;
		if (strcmp(role, r->role) != 0) {
			size_t n = 1;

			while (i + n < top_n_rows && strcmp(top_rows[i + n].role, r->role) == 0)
				n++;
			if (*role && y + 1 + (int)n >= LINES && x + 2 * COLUMN_W <= COLS) {
				x += COLUMN_W;
				y = top;
			} else if (*role) {
				y++;
			}
			role = r->role;
			attron(A_BOLD);
			say(y++, x, PAIR_HEAD, role);
			attroff(A_BOLD);
		}
		top_number(top_value(r, before->stats, now->stats, now->at_s - before->at_s),
		    number, sizeof(number));
		snprintf(line, sizeof(line), "%10s %s", number, r->title);
		if (y < LINES - 1)
			mvaddnstr(y++, x, line, COLS - x);
	}
}

static void
draw(const struct look *before, const struct look *now)
{
	int y;

	erase();
	y = draw_head(now);
	y = draw_services(now, y);
	y = draw_certificates(now, y);
	draw_figures(before, now, y);
	say(LINES - 1, 0, PAIR_HEAD, "q: end   any other key: now");
	refresh();
}

/* Until q; the screen is left as it was. */
static int
show(const char *path, struct look *before)
{
	struct look now;
	int code, key;

	if (!initscr())
		return CTL_NO;
	cbreak();
	noecho();
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(PAIR_OK, COLOR_GREEN, -1);
		init_pair(PAIR_BAD, COLOR_RED, -1);
		init_pair(PAIR_HEAD, COLOR_CYAN, -1);
		init_pair(PAIR_WARN, COLOR_YELLOW, -1);
	}
	timeout(FIRST_MS);
	do {
		key = getch();
		code = key == 'q' ? CTL_DONE : look_take(path, &now);
		if (key == 'q')
			break;
		if (code != CTL_DONE) {
			look_done(&now);
			break;
		}
		draw(before, &now);
		look_done(before);
		*before = now;
		timeout(PERIOD_MS);
	} while (true);
	endwin();
	return code;
}

int
ctl_top(const char *socket_path, bool json, FILE *out)
{
	struct look before, now = {.at_s = 0};
	int code = look_take(socket_path, &before);

	if (code != CTL_DONE) {
		look_done(&before);
		return code;
	}
	if (json) {
		usleep(1000000);
		code = look_take(socket_path, &now);
		if (code == CTL_DONE)
			top_json(now.status, before.stats, now.stats, now.at_s - before.at_s, out);
	} else if (!isatty(STDOUT_FILENO) || !getenv("TERM")) {
		fputs("edgectl: top wants a terminal; use edgectl --json top\n", stderr);
		code = CTL_USAGE;
	} else {
		code = show(socket_path, &before);
		if (code == CTL_UNREACHED)
			fputs("edgectl: the daemon is gone\n", stderr);
	}
	look_done(&before);
	look_done(&now);
	return code;
}
