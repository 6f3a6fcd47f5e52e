/* SPDX-License-Identifier: MIT
 *
 * ctl/diagram.c
 */
#include "ctl/diagram.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/value.h"

/* The sheet, in user units. */
#define WIDTH      1240
#define TOP        112 /* of the first row */
#define LINE_H     30  /* one port */
#define ROW_GAP    26
#define BOX_MIN_H  78
#define OUT_X      24 /* boxes of the Internet */
#define OUT_W      184
#define NIC_OUT_X  454
#define NIC_IN_X   786
#define HOST_X     442
#define HOST_END   798
#define SVC_X      482
#define SVC_W      276
#define IN_X       1032
#define IN_W       184
#define LINES_MAX  12u
#define TEXT_LEN   160u
#define DAYS_AMBER 30 /* edge-reference CERT-ALL-13: warn before the end */
#define DAYS_RED   14

struct line { /* one arrow between an interface and a side */
	char text[TEXT_LEN];
	bool leaves; /* opened by us */
};

struct row {
	const char *role, *title, *outside, *inside; /* who is on either side */
	const char *bindings[2];                     /* certificates it shows */
	struct line left[LINES_MAX], right[LINES_MAX];
	size_t n_left, n_right;
	unsigned workers, ready, restarts;
};

static const struct row rows_of_roles[] = {
    {.role = "access",
	.title = "Access Edge",
	.outside = "Remote users, partners",
	.inside = "Next hop",
	.bindings = {"external", "internal"}},
    {.role = "webconf",
	.title = "Web Conferencing Edge",
	.outside = "Meeting participants",
	.inside = "Meeting servers",
	.bindings = {"external", "internal"}},
    {.role = "av",
	.title = "A/V Edge",
	.outside = "Media of clients",
	.inside = "Media inside",
	.bindings = {NULL}},
    {.role = "avauth",
	.title = "A/V Authentication",
	.outside = NULL,
	.inside = "Front End",
	.bindings = {"internal", "av_auth"}},
};
#define N_ROWS (sizeof(rows_of_roles) / sizeof(rows_of_roles[0]))

struct sheet {
	const struct diagram_input *in;
	FILE *out;
	struct row rows[N_ROWS];
	int y;
};

/* ---- answers ---- */

static void
add_line(struct row *r, bool outside, bool leaves, const char *text)
{
	struct line *l = outside ? r->left : r->right;
	size_t *n = outside ? &r->n_left : &r->n_right;

	if (*n == LINES_MAX)
		return;
	l[*n].leaves = leaves;
	snprintf(l[*n].text, sizeof(l[*n].text), "%s", text);
	++*n;
}

/* "Access Edge, clients" is for clients; "A/V Edge, UDP inside" says inside beside its protocol. */
static const char *
purpose_of(const char *name)
{
	const char *at = strchr(name, ',');

	if (!at)
		return "";
	at++;
	if (strncmp(at, " UDP", 4) == 0 || strncmp(at, " TCP", 4) == 0)
		at += 4;
	return at;
}

/* The service is known by the beginning of the listener's name. */
static void
read_listener(struct sheet *s, struct json_value l)
{
	char name[96], proto[8], addr[72], side[16], text[TEXT_LEN];
	const char *what;

	text_of(l, "service", name, sizeof(name));
	text_of(l, "address", addr, sizeof(addr));
	what = purpose_of(name);
	for (size_t i = 0; i < N_ROWS; i++) {
		size_t n = strlen(s->rows[i].title);

		if (strncmp(name, s->rows[i].title, n) != 0 || (name[n] != '\0' && name[n] != ','))
			continue;
		snprintf(text, sizeof(text), "%s %s%s%s",
		    strcmp(text_of(l, "proto", proto, sizeof(proto)), "udp") == 0 ? "UDP" : "TCP",
		    addr, *what ? " \302\267" : "", what);
		text_of(l, "side", side, sizeof(side));
		add_line(&s->rows[i], strcmp(side, "internal") != 0, false, text);
	}
}

static struct row *
row_of(struct sheet *s, const char *role)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (strcmp(s->rows[i].role, role) == 0)
			return &s->rows[i];
	return NULL;
}

static void
read_services(struct sheet *s)
{
	struct str it = json_get(s->in->status, "services").raw;
	struct json_value v;
	char text[32];
	struct row *r;

	while (json_element(&it, &v)) {
		r = row_of(s, text_of(v, "role", text, sizeof(text)));
		if (!r)
			continue;
		r->workers++;
		r->ready += strcmp(text_of(v, "state", text, sizeof(text)), "ready") == 0;
		r->restarts += (unsigned)number_of(v, "restarts");
	}
}

static void
read_outgoing(struct sheet *s)
{
	struct json_value o = json_get(s->in->status, "outgoing");
	char host[128], text[TEXT_LEN + 16];

	if (*text_of(o, "next_hop", host, sizeof(host))) {
		snprintf(text, sizeof(text), "TCP %lld \302\267 SIP to the next hop",
		    number_of(o, "next_hop_port"));
		add_line(row_of(s, "access"), false, true, text);
	}
	if (str_eq(json_get(o, "partners").raw, STR("true")))
		add_line(row_of(s, "access"), true, true, "TCP 5061 \302\267 SIP to partners");
	if (number_of(o, "relay_port_max")) {
		snprintf(text, sizeof(text), "UDP, TCP %lld-%lld \302\267 relay",
		    number_of(o, "relay_port_min"), number_of(o, "relay_port_max"));
		add_line(row_of(s, "av"), true, true, text);
	}
}

/* ---- drawing ---- */

static void
put_xml(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else if ((unsigned char)*text >= 0x20)
			putc(*text, out);
	}
}

static void
put_text(struct sheet *s, int x, int y, const char *class, const char *text)
{
	fprintf(s->out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
	put_xml(s->out, text);
	fputs("</text>\n", s->out);
}

static void
put_box(struct sheet *s, int x, int y, int w, int h, const char *class)
{
	fprintf(s->out,
	    "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" class=\"%s\"/>\n", x, y, w,
	    h, class);
}

/* The arrow points where the connection goes. */
static void
put_arrow(struct sheet *s, int from, int to, int y, const char *text)
{
	fprintf(s->out,
	    "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"a\" marker-end=\"url(#p)\"/>\n",
	    from, y, to, y);
	put_text(s, (from + to) / 2, y - 5, "port", text);
}

static const char *
class_of_days(long days)
{
	return days < DAYS_RED ? "bad" : days < DAYS_AMBER ? "warn" : "ok";
}

static int
put_certificate(struct sheet *s, const char *binding, int y)
{
	struct str it = json_get(s->in->certs, "certificates").raw;
	struct json_value c;
	char text[TEXT_LEN], name[32];

	while (json_element(&it, &c)) {
		long days = (long)number_of(c, "days_left");

		if (strcmp(text_of(c, "binding", name, sizeof(name)), binding) != 0)
			continue;
		snprintf(text, sizeof(text),
		    days < 0 ? "certificate %s: expired" : "certificate %s: %ld days left", name,
		    days);
		put_text(s, SVC_X + 14, y, class_of_days(days), text);
		return y + 18;
	}
	return y;
}

static void
put_service(struct sheet *s, const struct row *r, int y, int h)
{
	char text[TEXT_LEN];
	bool well = r->ready == r->workers;
	int at;

	put_box(s, SVC_X, y, SVC_W, h, well ? "svc" : "svc down");
	put_text(s, SVC_X + 14, y + 24, "name", r->title);
	snprintf(text, sizeof(text), "%u of %u ready%s", r->ready, r->workers,
	    r->restarts ? ", restarted" : "");
	put_text(s, SVC_X + 14, y + 42, well ? "ok" : "bad", text);
	at = y + 60;
	for (size_t i = 0; i < 2 && r->bindings[i]; i++)
		at = put_certificate(s, r->bindings[i], at);
}

/* Members of the next hop pool, below its box's name. */
static void
put_members(struct sheet *s, int y)
{
	struct str it = json_get(s->in->next_hop, "services").raw;
	struct json_value svc, m;
	char role[16], text[TEXT_LEN], host[80], state[24];

	put_text(s, IN_X + 12, y, "small",
	    text_of(json_get(s->in->status, "outgoing"), "next_hop", text, sizeof(text)));
	while (json_element(&it, &svc)) {
		struct str members = json_get(json_get(svc, "answer"), "members").raw;

		if (strcmp(text_of(svc, "role", role, sizeof(role)), "access") != 0)
			continue;
		for (int n = 0; n < 3 && json_element(&members, &m); n++) {
			text_of(m, "state", state, sizeof(state));
			snprintf(text, sizeof(text), "%s %s",
			    text_of(m, "address", host, sizeof(host)), state);
			y += 16;
			put_text(s, IN_X + 12, y, strcmp(state, "up") == 0 ? "ok" : "bad", text);
		}
		return;
	}
}

static int
row_height(const struct row *r)
{
	size_t n = r->n_left > r->n_right ? r->n_left : r->n_right;
	int h = (int)n * LINE_H + 16, box = BOX_MIN_H + (r->bindings[1] ? 22 : 0);

	return h > box ? h : box;
}

static void
put_row(struct sheet *s, const struct row *r)
{
	int h = row_height(r);

	put_service(s, r, s->y, h);
	if (r->outside) {
		put_box(s, OUT_X, s->y, OUT_W, h, "party");
		put_text(s, OUT_X + 12, s->y + 24, "who", r->outside);
	}
	put_box(s, IN_X, s->y, IN_W, h, "party");
	put_text(s, IN_X + 12, s->y + 24, "who", r->inside);
	if (strcmp(r->role, "access") == 0)
		put_members(s, s->y + 42);
	for (size_t i = 0; i < r->n_left; i++) {
		int y = s->y + 26 + (int)i * LINE_H;

		if (r->left[i].leaves)
			put_arrow(s, NIC_OUT_X - 6, OUT_X + OUT_W + 10, y, r->left[i].text);
		else
			put_arrow(s, OUT_X + OUT_W, NIC_OUT_X - 16, y, r->left[i].text);
	}
	for (size_t i = 0; i < r->n_right; i++) {
		int y = s->y + 26 + (int)i * LINE_H;

		if (r->right[i].leaves)
			put_arrow(s, NIC_IN_X + 6, IN_X - 10, y, r->right[i].text);
		else
			put_arrow(s, IN_X, NIC_IN_X + 16, y, r->right[i].text);
	}
	s->y += h + ROW_GAP;
}

static const char style[] =
    "<style>text{font:13px 'DejaVu Sans',Verdana,sans-serif;fill:#1f2933}"
    ".title{font-size:19px;font-weight:bold}.side{font-size:15px;font-weight:bold;fill:#52606d}"
    ".name,.who{font-weight:bold}.who{font-size:12px}.small{font-size:11px;fill:#52606d}"
    ".port{font-size:11px;text-anchor:middle;fill:#323f4b}.nic{font-size:12px;font-weight:bold;"
    "fill:#fff;"
    "text-anchor:middle}.ok{font-size:11px;fill:#207227}.warn{font-size:11px;fill:#b44d12;font-"
    "weight:bold}"
    ".bad{font-size:11px;fill:#ba2525;font-weight:bold}.paper{fill:#fff}.net{fill:#f0f4f8}"
    ".host{fill:#fffdf5;stroke:#829ab1;stroke-width:1.5}.card{fill:#334e68}"
    ".svc{fill:#e3f1fd;stroke:#2f6fb0}.down{fill:#fde8e8;stroke:#ba2525}"
    ".party{fill:#fff;stroke:#9fb3c8}.a{stroke:#486581;stroke-width:1.4}</style>\n"
    "<defs><marker id=\"p\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" "
    "markerHeight=\"8\" "
    "orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" fill=\"#486581\"/></marker></defs>\n";

/* The name of the card on a side, from its first listener. */
static const char *
interface_of(struct sheet *s, const char *side, char *buf, size_t room)
{
	struct str it = json_get(s->in->status, "listeners").raw;
	struct json_value l;
	char text[24];

	while (json_element(&it, &l))
		if (strcmp(text_of(l, "side", text, sizeof(text)), side) == 0 &&
		    *text_of(l, "interface", buf, room))
			return buf;
	return side;
}

static void
put_card(struct sheet *s, int x, int end, const char *side)
{
	char name[24];
	int mid = (TOP - 14 + end) / 2;

	put_box(s, x - 8, TOP - 14, 16, end - TOP + 14, "card");
	fprintf(s->out, "<text x=\"%d\" y=\"%d\" class=\"nic\" transform=\"rotate(-90 %d %d)\">", x,
	    mid + 4, x, mid);
	put_xml(s->out, interface_of(s, side, name, sizeof(name)));
	fputs("</text>\n", s->out);
}

static void
put_frame(struct sheet *s, int end)
{
	char fqdn[128], text[256], version[32], state[24];
	struct json_value st = s->in->status;

	fprintf(s->out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
	    "height=\"%d\">\n",
	    WIDTH, end + 40, WIDTH, end + 40);
	fputs(style, s->out);
	fprintf(s->out, "<rect width=\"%d\" height=\"%d\" class=\"paper\"/>\n", WIDTH, end + 40);
	put_box(s, OUT_X - 16, 76, OUT_W + 32, end - 76 + 16, "net");
	put_box(s, IN_X - 16, 76, IN_W + 32, end - 76 + 16, "net");
	put_text(s, OUT_X, 68, "side", "Internet");
	put_text(s, IN_X, 68, "side", "Inside");
	put_box(s, HOST_X, 76, HOST_END - HOST_X, end - 76 + 16, "host");
	put_text(s, OUT_X, 32, "title", text_of(st, "fqdn", fqdn, sizeof(fqdn)));
	snprintf(text, sizeof(text), "edged %s, %s%s",
	    text_of(st, "version", version, sizeof(version)),
	    text_of(st, "state", state, sizeof(state)),
	    str_eq(json_get(st, "lab").raw, STR("true")) ? ", LABORATORY MODE" : "");
	put_text(s, HOST_X, 68, "side", text);
}

void
diagram_print(const struct diagram_input *in, FILE *out)
{
	struct sheet s = {.in = in, .out = out, .y = TOP};
	struct str it = json_get(in->status, "listeners").raw;
	struct json_value l;
	int end = TOP;

	memcpy(s.rows, rows_of_roles, sizeof(rows_of_roles));
	while (json_element(&it, &l))
		read_listener(&s, l);
	read_services(&s);
	read_outgoing(&s);
	for (size_t i = 0; i < N_ROWS; i++)
		if (s.rows[i].workers)
			end += row_height(&s.rows[i]) + ROW_GAP;
	put_frame(&s, end - ROW_GAP);
	put_card(&s, NIC_OUT_X, end - ROW_GAP, "external");
	put_card(&s, NIC_IN_X, end - ROW_GAP, "internal");
	for (size_t i = 0; i < N_ROWS; i++)
		if (s.rows[i].workers)
			put_row(&s, &s.rows[i]);
	fputs("</svg>\n", out);
}

/* ---- the command ---- */

int
ctl_diagram(const char *socket_path, bool json, FILE *out)
{
	static const char *const questions[] = {"status", "certs", "nexthop"};
	struct json answers[3] = {{0}};
	struct json_value v[3];
	int code = CTL_DONE;

	for (size_t i = 0; i < 3 && code == CTL_DONE; i++) {
		struct str left;

		code = ctl_ask(socket_path, questions[i], &answers[i]);
		left = (struct str){answers[i].p, answers[i].n};
		v[i] = code == CTL_DONE ? json_take(&left) : (struct json_value){.kind = JSON_NONE};
	}
	if (code == CTL_DONE && json)
		fprintf(out,
		    "{\"ok\":true,\"status\":" STR_FMT ",\"certs\":" STR_FMT
		    ",\"next_hop\":" STR_FMT "}\n",
		    STR_ARG(v[0].raw), STR_ARG(v[1].raw), STR_ARG(v[2].raw));
	else if (code == CTL_DONE)
		diagram_print(&(struct diagram_input){v[0], v[1], v[2]}, out);
	for (size_t i = 0; i < 3; i++)
		json_done(&answers[i]);
	return code;
}
