/* SPDX-License-Identifier: MIT
 *
 * svc/log.c: from an event to one line at the target.
 *
 * Three writers: RFC 5424 to /dev/log, journal fields, plain lines to stderr. A line never blocks:
 * a target that is full loses it, and the loss is counted and told. Folding keeps FOLD_SLOTS pairs
 * of (event, source); two pairs that meet in one slot push each other out, which costs accuracy,
 * never memory.
 */
#include "svc/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"

#define LINE_MAX_LEN  2048u
#define FOLD_SLOTS    512u
#define FOLD_PERIOD_S 60
#define ENTERPRISE    "edged@32473"

enum target { TARGET_STDERR, TARGET_SYSLOG, TARGET_JOURNAL };

struct fold {
	uint64_t hash; /* 0: empty */
	int64_t since_s;
	uint32_t seen;
	uint32_t held; /* not written */
	enum log_level level;
	enum log_area area;
	char id[12];
	char event[48];
	char source[64];
};

static struct {
	enum target target;
	int fd;
	unsigned facility;
	enum log_level level;
	const char *program;
	unsigned worker;
	char host[64];
	bool lost;
	uint64_t n_lost;
	struct hash_key key; /* fixed: a collision only folds two floods into one */
	struct fold folds[FOLD_SLOTS];
} lg = {.fd = -1, .level = LOG_INFO_L, .program = "edged", .key = {{0x65646765, 0x6c6f67}}};

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};
static const unsigned syslog_severity[] = {3, 4, 5, 6, 7};
static const char *const area_names[AREA__N] = {
    "sys", "cert", "sip", "fed", "turn", "mras", "webconf"};

bool
log_is_on(enum log_level level)
{
	return level <= lg.level;
}

void
log_set_level(enum log_level level)
{
	lg.level = level;
}

bool
log_level_from_name(const char *name, enum log_level *ret)
{
	for (unsigned i = 0; i <= LOG_DEBUG_L; i++)
		if (strcmp(name, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	return false;
}

const char *
log_level_name(enum log_level level)
{
	return level_names[level];
}

static unsigned
facility_from_name(const char *name)
{
	static const struct {
		const char *name;
		unsigned code;
	} rows[] = {{"user", 1}, {"daemon", 3}, {"auth", 4}, {"authpriv", 10}, {"local0", 16},
	    {"local1", 17}, {"local2", 18}, {"local3", 19}, {"local4", 20}, {"local5", 21},
	    {"local6", 22}, {"local7", 23}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].code;
	return 3;
}

int
log_connect(const char *target)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const char *path =
	    strcmp(target, "journal") == 0 ? "/run/systemd/journal/socket" : "/dev/log";
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	memcpy(un.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int
log_open(const struct log_conf *conf)
{
	enum log_level level;

	lg.program = conf->program;
	lg.worker = conf->worker;
	lg.facility = facility_from_name(conf->facility);
	if (log_level_from_name(conf->level, &level))
		lg.level = level;
	if (gethostname(lg.host, sizeof(lg.host)) < 0 || !lg.host[0])
		memcpy(lg.host, "-", 2);
	lg.host[sizeof(lg.host) - 1] = '\0';
	lg.target = TARGET_STDERR;
	if (strcmp(conf->target, "stderr") == 0)
		return ED_OK;
	lg.target = strcmp(conf->target, "journal") == 0 ? TARGET_JOURNAL : TARGET_SYSLOG;
	log_set_socket(log_connect(conf->target));
	return lg.fd >= 0 ? ED_OK : ED_SYS;
}

void
log_set_socket(int fd)
{
	if (lg.fd >= 0)
		close(lg.fd);
	lg.fd = fd;
}

bool
log_was_lost(void)
{
	bool was = lg.lost;

	lg.lost = false;
	return was;
}

const char *
log_quote(struct str text, char buf[LOG_QUOTE_LEN])
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	buf[n++] = '"';
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (n > LOG_QUOTE_LEN - 9) { /* "\xhh", "...", quote, NUL */
			memcpy(buf + n, "...", 3);
			n += 3;
			break;
		}
		if (c == '"' || c == '\\') {
			buf[n++] = '\\';
			buf[n++] = (char)c;
		} else if (c < 0x20 || c >= 0x7f) {
			buf[n++] = '\\';
			buf[n++] = 'x';
			buf[n++] = hex[c >> 4];
			buf[n++] = hex[c & 15];
		} else {
			buf[n++] = (char)c;
		}
	}
	buf[n++] = '"';
	buf[n] = '\0';
	return buf;
}

/* The next key=value of *left; value without its quotes, escapes as they are. False at the end. */
static bool
next_pair(struct str *left, struct str *ret_key, struct str *ret_value)
{
	ptrdiff_t eq;
	size_t n = 0;

	*left = str_trim(*left);
	eq = str_find(*left, '=');
	if (eq <= 0)
		return false;
	*ret_key = str_first(*left, (size_t)eq);
	*left = str_from(*left, (size_t)eq + 1);
	if (left->n && left->p[0] == '"') {
		for (n = 1; n < left->n && left->p[n] != '"'; n++)
			if (left->p[n] == '\\')
				n++;
		if (n > left->n)
			n = left->n;
		*ret_value = (struct str){left->p + 1, n - 1};
		*left = str_from(*left, n + 1);
	} else {
		while (n < left->n && left->p[n] != ' ')
			n++;
		*ret_value = str_first(*left, n);
		*left = str_from(*left, n);
	}
	return true;
}

struct out {
	char p[LINE_MAX_LEN + 1024];
	size_t n;
};

static void
out_add(struct out *o, struct str s)
{
	if (s.n > sizeof(o->p) - o->n)
		s.n = sizeof(o->p) - o->n;
	if (s.n)
		memcpy(o->p + o->n, s.p, s.n);
	o->n += s.n;
}

static void out_fmt(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
out_fmt(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->p + o->n, sizeof(o->p) - o->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->n += (size_t)n < sizeof(o->p) - o->n ? (size_t)n : sizeof(o->p) - o->n - 1;
}

/* RFC 5424 6.3.3: quote, backslash and bracket are escaped. */
static void
out_sd_value(struct out *o, struct str v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == ']' || v.p[i] == '\\')
			out_add(o, STR("\\"));
		out_add(o, (struct str){v.p + i, 1});
	}
}

static void
out_time(struct out *o)
{
	struct timespec ts;
	struct tm tm;
	char day[32];

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	out_fmt(o, "%s.%06ldZ", day, ts.tv_nsec / 1000);
}

static void
make_syslog(struct out *o, enum log_level level, const char *id, const char *event, struct str text)
{
	struct str left = text, key, value;

	out_fmt(o, "<%u>1 ", lg.facility * 8 + syslog_severity[level]);
	out_time(o);
	out_fmt(o, " %s %s %d %s [" ENTERPRISE " id=\"%s\" worker=\"%u\"", lg.host, lg.program,
	    (int)getpid(), event, id, lg.worker);
	while (next_pair(&left, &key, &value)) {
		out_fmt(o, " " STR_FMT "=\"", STR_ARG(str_first(key, 32)));
		out_sd_value(o, value);
		out_add(o, STR("\""));
	}
	out_fmt(o, "] %s%s%s ", id, *id ? " " : "", event);
	out_add(o, text);
}

static void
make_journal(struct out *o, enum log_level level, enum log_area area, const char *id,
    const char *event, struct str text)
{
	struct str left = text, key, value;

	out_fmt(o, "PRIORITY=%u\nSYSLOG_FACILITY=%u\nSYSLOG_IDENTIFIER=%s\nSYSLOG_PID=%d\n",
	    syslog_severity[level], lg.facility, lg.program, (int)getpid());
	out_fmt(o, "EDGED_ID=%s\nEDGED_EVENT=%s\nEDGED_AREA=%s\nEDGED_WORKER=%u\n", id, event,
	    area_names[area], lg.worker);
	while (next_pair(&left, &key, &value)) {
		out_add(o, STR("EDGED_"));
		for (size_t i = 0; i < key.n && i < 32; i++) {
			char c = key.p[i];

			if (c >= 'a' && c <= 'z')
				c = (char)(c - 'a' + 'A');
			out_add(o, (struct str){&c, 1});
		}
		out_add(o, STR("="));
		out_add(o, value);
		out_add(o, STR("\n"));
	}
	out_fmt(o, "MESSAGE=%s%s%s ", id, *id ? " " : "", event);
	out_add(o, text);
	out_add(o, STR("\n"));
}

static void
make_plain(struct out *o, enum log_level level, const char *id, const char *event, struct str text)
{
	out_time(o);
	out_fmt(o, " %s[%u] %s: %s%s%s ", lg.program, lg.worker, level_names[level], id,
	    *id ? " " : "", event);
	out_add(o, text);
	if (o->n == sizeof(o->p))
		o->n--;
	out_add(o, STR("\n"));
}

static void
write_line(
    enum log_level level, enum log_area area, const char *id, const char *event, struct str text)
{
	static struct out o; /* one thread */
	ssize_t n;

	o.n = 0;
	if (lg.fd >= 0) {
		if (lg.target == TARGET_SYSLOG)
			make_syslog(&o, level, id, event, text);
		else
			make_journal(&o, level, area, id, event, text);
		n = send(lg.fd, o.p, o.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			return;
		lg.n_lost++;
		if (errno != EAGAIN && errno != ENOBUFS)
			lg.lost = true;
		if (level > LOG_WARNING_L)
			return;
		o.n = 0; /* what an operator must see goes to stderr then */
	}
	make_plain(&o, level, id, event, text);
	n = write(STDERR_FILENO, o.p, o.n);
	if (n < 0)
		lg.n_lost++;
}

/* Who caused the event: the first of the keys that name a peer, without the port. */
static struct str
source_of(struct str text)
{
	static const char *const names[] = {
	    "peer", "source", "client", "domain", "partner", "from", "member", "role"};
	struct str left = text, key, value;

	while (next_pair(&left, &key, &value))
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (str_eq(key, str_of(names[i]))) {
				size_t n = value.n;

				while (n > 0 && value.p[n - 1] != ':')
					n--;
				return n > 1 ? str_first(value, n - 1) : value;
			}
	return STR_NONE;
}

static void
fold_flush(struct fold *f)
{
	char line[192];
	int n;

	if (f->held == 0)
		return;
	n = snprintf(line, sizeof(line), "repeated=%u source=%s event=%s", f->held,
	    f->source[0] ? f->source : "-", f->event);
	write_line(f->level, f->area, f->id, "log_folded", (struct str){line, (size_t)n});
	f->held = 0;
}

static void
copy_cut(char *to, size_t room, struct str s)
{
	s = str_first(s, room - 1);
	if (s.n)
		memcpy(to, s.p, s.n);
	to[s.n] = '\0';
}

/* True when the line shall be written. */
static bool
fold_pass(
    enum log_level level, enum log_area area, const char *id, const char *event, struct str text)
{
	struct str source = source_of(text);
	uint64_t h = hash_bytes(&lg.key, event, strlen(event)) ^
		     (hash_bytes(&lg.key, source.p, source.n) << 1);
	struct fold *f;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	h |= 1;
	f = &lg.folds[(h >> 16) % FOLD_SLOTS];
	if (f->hash != h || now.tv_sec - f->since_s >= FOLD_PERIOD_S) {
		fold_flush(f);
		f->hash = h;
		f->since_s = now.tv_sec;
		f->seen = 0;
		f->level = level;
		f->area = area;
		copy_cut(f->id, sizeof(f->id), str_of(id));
		copy_cut(f->event, sizeof(f->event), str_of(event));
		copy_cut(f->source, sizeof(f->source), source);
	}
	if (++f->seen <= LOG_BURST)
		return true;
	f->held++;
	return false;
}

void
log_tick(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (size_t i = 0; i < FOLD_SLOTS; i++)
		if (lg.folds[i].held && now.tv_sec - lg.folds[i].since_s >= FOLD_PERIOD_S) {
			fold_flush(&lg.folds[i]);
			lg.folds[i].hash = 0;
		}
}

void
log_event(enum log_level level, enum log_area area, const char *id, const char *event,
    const char *fmt, ...)
{
	char text[LINE_MAX_LEN];
	va_list ap;
	int n;

	if (!log_is_on(level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	for (int i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
	if (level == LOG_DEBUG_L ||
	    fold_pass(level, area, id, event, (struct str){text, (size_t)n}))
		write_line(level, area, id, event, (struct str){text, (size_t)n});
}
