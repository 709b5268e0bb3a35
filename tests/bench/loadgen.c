/* A RADIUS load generator that is not the bottleneck: one thread, one epoll, no allocation while it runs.
 *
 * Python writes request templates (packets.py); this program gives each a free identifier, a fresh authenticator,
 * the hidden User-Password (RFC 2865 5.2), growing accounting counters and the Message-Authenticator (RFC 3579 3.2),
 * sends it (Event-Timestamp set to now), checks the answer's Response Authenticator (RFC 2865 3) and its code, and keeps a latency histogram.
 *
 * Template file, repeated: u16 length (network order), u8 expected answer code, u8 zero, packet.
 * In a template the User-Password holds the clear text padded with zeros to 16 bytes; authenticators are zero.
 * On pass k over the file, Acct-Input-Octets and Acct-Output-Octets grow by k times their step; Acct-Session-Time is the
 * time since --since: counters ahead of the clock would be no honest router's.
 *
 * Closed loop: --in-flight N. Open loop: --rate R a second, latency counted from the moment a packet was due, so that
 * a stalled server cannot hide its queue. A request without answer is counted after --timeout-s and never repeated.
 * --requests N stops after N requests (0: by time). The report is one JSON object on stdout.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PACKET_BYTES_MAX = 4096,   /* RFC 2865 3 */
    SECRET_BYTES_MAX = 64,     /* also the HMAC block, so a secret never needs hashing first */
    IDS = 256,                 /* one octet */
    IN_FLIGHT_SOCKET_MAX = 128,/* above this answers cross in FreeRADIUS's duplicate detection */
    SOCKETS_MAX = 512,
    PIDS_MAX = 1024,         /* PostgreSQL has a process a connection */
    OCTETS_STEP = 1500,        /* one packet: every interim says something new, at a rate that a line can carry */
    SUB = 64,                  /* histogram: 64 steps an octave, 1.6 % */
    OCTAVES = 32,
    RAMP_US = 500000,          /* all at once would overflow the server's socket buffer (about 270 packets) */
};

/* --- MD5 (RFC 1321) ------------------------------------------------------------------------------------------- */
typedef struct { uint32_t state[4]; uint64_t bytes; uint8_t block[64]; } md5_t;
static const uint32_t MD5_K[64] = {
    0xd76aa478,0xe8c7b756,0x242070db,0xc1bdceee,0xf57c0faf,0x4787c62a,0xa8304613,0xfd469501,
    0x698098d8,0x8b44f7af,0xffff5bb1,0x895cd7be,0x6b901122,0xfd987193,0xa679438e,0x49b40821,
    0xf61e2562,0xc040b340,0x265e5a51,0xe9b6c7aa,0xd62f105d,0x02441453,0xd8a1e681,0xe7d3fbc8,
    0x21e1cde6,0xc33707d6,0xf4d50d87,0x455a14ed,0xa9e3e905,0xfcefa3f8,0x676f02d9,0x8d2a4c8a,
    0xfffa3942,0x8771f681,0x6d9d6122,0xfde5380c,0xa4beea44,0x4bdecfa9,0xf6bb4b60,0xbebfbc70,
    0x289b7ec6,0xeaa127fa,0xd4ef3085,0x04881d05,0xd9d4d039,0xe6db99e5,0x1fa27cf8,0xc4ac5665,
    0xf4292244,0x432aff97,0xab9423a7,0xfc93a039,0x655b59c3,0x8f0ccc92,0xffeff47d,0x85845dd1,
    0x6fa87e4f,0xfe2ce6e0,0xa3014314,0x4e0811a1,0xf7537e82,0xbd3af235,0x2ad7d2bb,0xeb86d391 };
static const uint8_t MD5_R[16] = { 7,12,17,22, 5,9,14,20, 4,11,16,23, 6,10,15,21 };

static void md5_block(uint32_t state[4], const uint8_t *p) {
    uint32_t w[16], a = state[0], b = state[1], c = state[2], d = state[3];
    memcpy(w, p, 64);
    for (int i = 0; i < 64; i++) {
        uint32_t f; int g;
        if (i < 16)      { f = (b & c) | (~b & d); g = i; }
        else if (i < 32) { f = (d & b) | (~d & c); g = (5 * i + 1) & 15; }
        else if (i < 48) { f = b ^ c ^ d;          g = (3 * i + 5) & 15; }
        else             { f = c ^ (b | ~d);       g = (7 * i) & 15; }
        f += a + MD5_K[i] + w[g];
        a = d; d = c; c = b;
        int r = MD5_R[(i >> 4) * 4 + (i & 3)];
        b += (f << r) | (f >> (32 - r));
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d;
}
static void md5_start(md5_t *m) {
    m->state[0] = 0x67452301; m->state[1] = 0xefcdab89; m->state[2] = 0x98badcfe; m->state[3] = 0x10325476;
    m->bytes = 0;
}
static void md5_add(md5_t *m, const void *data, size_t n) {
    const uint8_t *p = data;
    while (n) {
        size_t have = m->bytes & 63, take = 64 - have < n ? 64 - have : n;
        memcpy(m->block + have, p, take);
        m->bytes += take; p += take; n -= take;
        if (!(m->bytes & 63)) md5_block(m->state, m->block);
    }
}
static void md5_end(md5_t *m, uint8_t out[16]) {
    uint64_t bits = m->bytes * 8;
    static const uint8_t pad[64] = { 0x80 };
    md5_add(m, pad, 1 + ((119 - (m->bytes & 63)) & 63));
    md5_add(m, &bits, 8);
    memcpy(out, m->state, 16);
}

/* --- RADIUS ----------------------------------------------------------------------------------------------------- */
static uint8_t secret[SECRET_BYTES_MAX];
static size_t secret_bytes;
static md5_t hmac_inner, hmac_outer;

static void hmac_prepare(void) {
    uint8_t pad[64];
    for (int pass = 0; pass < 2; pass++) {
        memset(pad, pass ? 0x5c : 0x36, 64);
        for (size_t i = 0; i < secret_bytes; i++) pad[i] ^= secret[i];
        md5_t *m = pass ? &hmac_outer : &hmac_inner;
        md5_start(m); md5_add(m, pad, 64);
    }
}
static uint64_t random_state = 88172645463325252ull;
static uint64_t random_u64(void) {
    random_state ^= random_state << 13; random_state ^= random_state >> 7; random_state ^= random_state << 17;
    return random_state;
}
static void grow(uint8_t *value, uint64_t by) {
    uint32_t now; memcpy(&now, value, 4);
    now = htonl((uint32_t)(ntohl(now) + by));
    memcpy(value, &now, 4);
}
static time_t since_s; /* --since: when the sessions began (Unix time) */

/* Turn a template into the packet that goes on the wire; its authenticator stays at packet + 4. */
static void seal(uint8_t *packet, size_t n, uint8_t id, uint64_t pass) {
    packet[1] = id;
    bool accounting = packet[0] == 4;
    if (!accounting) { uint64_t r[2] = { random_u64(), random_u64() }; memcpy(packet + 4, r, 16); }
    uint8_t *mac = NULL;
    for (size_t at = 20; at + 2 <= n && packet[at + 1] >= 2; at += packet[at + 1]) {
        uint8_t *value = packet + at + 2;
        switch (packet[at]) {
        case 2: { md5_t m; uint8_t pad[16];
            md5_start(&m); md5_add(&m, secret, secret_bytes); md5_add(&m, packet + 4, 16); md5_end(&m, pad);
            for (int i = 0; i < 16; i++) value[i] ^= pad[i];
            break; }
        case 42: case 43: grow(value, pass * OCTETS_STEP); break;
        case 46: { uint32_t age_s = htonl((uint32_t)(time(NULL) - since_s)); if (since_s) memcpy(value, &age_s, 4); break; }
        case 55: { uint32_t at_s = htonl((uint32_t)time(NULL)); memcpy(value, &at_s, 4); break; }
        case 80: mac = value; break;
        default: break;
        }
    }
    if (mac) {
        uint8_t digest[16];
        md5_t inner = hmac_inner, outer = hmac_outer;
        md5_add(&inner, packet, n); md5_end(&inner, digest);
        md5_add(&outer, digest, 16); md5_end(&outer, mac);
    }
    if (accounting) {
        md5_t m; md5_start(&m); md5_add(&m, packet, n); md5_add(&m, secret, secret_bytes); md5_end(&m, packet + 4);
    }
}
static bool genuine(const uint8_t *reply, size_t n, const uint8_t request_authenticator[16]) {
    md5_t m; uint8_t want[16];
    md5_start(&m); md5_add(&m, reply, 4); md5_add(&m, request_authenticator, 16);
    md5_add(&m, reply + 20, n - 20); md5_add(&m, secret, secret_bytes); md5_end(&m, want);
    return !memcmp(want, reply + 4, 16);
}

/* --- time, processes ---------------------------------------------------------------------------------------------- */
static uint64_t now_us(void) {
    struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
static uint64_t process_cpu_us(int pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    size_t n = fread(text, 1, sizeof text - 1, f); fclose(f); text[n] = 0;
    char *after = strrchr(text, ')');
    unsigned long user = 0, sys = 0;
    if (after) sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
    return (uint64_t)(user + sys) * 1000000 / sysconf(_SC_CLK_TCK);
}
static uint64_t box_busy_us(void) {
    unsigned long long v[8] = {0};
    FILE *f = fopen("/proc/stat", "r");
    if (!f) return 0;
    if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", v, v+1, v+2, v+3, v+4, v+5, v+6, v+7) != 8) v[0] = 0;
    fclose(f);
    return (v[0] + v[1] + v[2] + v[5] + v[6]) * 1000000 / sysconf(_SC_CLK_TCK);
}
static uint64_t own_cpu_us(void) {
    struct rusage u; getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* --- histogram ------------------------------------------------------------------------------------------------------ */
static uint64_t histogram[OCTAVES * SUB], histogram_count, latency_max_us;
static unsigned bucket_of(uint64_t us) {
    if (us < SUB) return (unsigned)us;
    int shift = 63 - __builtin_clzll(us) - 6;
    unsigned b = (unsigned)((shift + 1) * SUB + ((us >> shift) - SUB));
    return b < OCTAVES * SUB ? b : OCTAVES * SUB - 1;
}
static uint64_t bucket_value(unsigned b) {
    if (b < SUB) return b;
    unsigned shift = b / SUB - 1;
    return ((uint64_t)(b % SUB + SUB) << shift) + ((1ull << shift) >> 1);
}
static double percentile_ms(double share) {
    uint64_t want = (uint64_t)(share * (double)histogram_count), seen = 0;
    for (unsigned b = 0; b < OCTAVES * SUB; b++) { seen += histogram[b]; if (seen > want) return bucket_value(b) / 1e3; }
    return latency_max_us / 1e3;
}

/* --- the run ---------------------------------------------------------------------------------------------------------- */
typedef struct { uint64_t since_us, sent_us; uint8_t authenticator[16]; uint8_t expected; bool busy; } slot_t;
typedef struct { int fd; int busy; uint8_t next_id; slot_t slot[IDS]; } sock_t;
static sock_t sockets[SOCKETS_MAX];
static const uint8_t **templates;
static size_t templates_n;
static uint64_t sequence, in_flight;
static struct { uint64_t sent, answered, wrong, forged, late, unanswered, held, by_code[256]; } count;
static bool measuring;
static uint64_t window_start;

static void load(const char *path) {
    int fd = open(path, O_RDONLY); struct stat st;
    if (fd < 0 || fstat(fd, &st) || st.st_size < 24) { fprintf(stderr, "loadgen: no templates in %s\n", path); exit(2); }
    const uint8_t *all = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (all == MAP_FAILED) { perror("mmap"); exit(2); }
    size_t room = 0;
    for (off_t at = 0; at + 4 <= st.st_size; at += 4 + (all[at] << 8 | all[at + 1])) {
        if (templates_n == room) templates = realloc(templates, (room = room ? room * 2 : 1024) * sizeof *templates);
        templates[templates_n++] = all + at;
    }
}
static bool send_one(sock_t *s, uint64_t due_us, uint64_t sent_us) {
    uint8_t packet[PACKET_BYTES_MAX];
    const uint8_t *t = templates[sequence % templates_n];
    size_t n = t[0] << 8 | t[1];
    if (n > PACKET_BYTES_MAX) exit(2);
    while (s->slot[s->next_id].busy) s->next_id++;
    slot_t *slot = &s->slot[s->next_id];
    memcpy(packet, t + 4, n);
    seal(packet, n, s->next_id, sequence / templates_n);
    if (send(s->fd, packet, n, 0) != (ssize_t)n) return false;
    memcpy(slot->authenticator, packet + 4, 16);
    slot->since_us = due_us; slot->sent_us = sent_us; slot->expected = t[2]; slot->busy = true;
    s->busy++; in_flight++; s->next_id++; sequence++;
    if (measuring) count.sent++;
    return true;
}
static void receive_all(sock_t *s) {
    uint8_t reply[PACKET_BYTES_MAX];
    for (;;) {
        ssize_t n = recv(s->fd, reply, sizeof reply, 0);
        if (n < 20) return;
        slot_t *slot = &s->slot[reply[1]];
        if (!slot->busy) { if (measuring) count.late++; continue; }
        if (!genuine(reply, (size_t)n, slot->authenticator)) { if (measuring) count.forged++; continue; }
        uint64_t us = now_us() - slot->since_us;
        slot->busy = false; s->busy--; in_flight--;
        if (!measuring) continue;
        count.answered++; count.by_code[reply[0]]++;
        if (reply[0] != slot->expected) count.wrong++;
        histogram[bucket_of(us)]++; histogram_count++;
        if (us > latency_max_us) latency_max_us = us;
    }
}
static void give_up(int sockets_n, uint64_t before_us) {
    for (int i = 0; i < sockets_n; i++) {
        if (!sockets[i].busy) continue;
        for (int id = 0; id < IDS; id++) {
            slot_t *slot = &sockets[i].slot[id];
            if (!slot->busy || slot->sent_us > before_us) continue;
            slot->busy = false; sockets[i].busy--; in_flight--;
            if (window_start && slot->sent_us >= window_start) count.unanswered++;
        }
    }
}

int main(int argc, char **argv) {
    const char *host = "127.0.0.1", *file = NULL;
    int port = 0, sockets_n = 0, pids[PIDS_MAX], pids_n = 0;
    uint64_t in_flight_max = 64, requests_max = 0;
    double rate = 0, warm_s = 2, seconds = 8, timeout_s = 10;
    static const struct option options[] = {
        {"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"file", 1, 0, 'f'}, {"secret", 1, 0, 's'}, {"sockets", 1, 0, 'n'},
        {"in-flight", 1, 0, 'i'}, {"rate", 1, 0, 'r'}, {"warm-s", 1, 0, 'w'}, {"seconds", 1, 0, 'd'},
        {"timeout-s", 1, 0, 't'}, {"pid", 1, 0, 'c'}, {"requests", 1, 0, 'q'}, {"start", 1, 0, 'o'},
        {"since", 1, 0, 'y'}, {0, 0, 0, 0} };
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) switch (o) {
        case 'h': host = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 'f': file = optarg; break;
        case 's': secret_bytes = strnlen(optarg, SECRET_BYTES_MAX); memcpy(secret, optarg, secret_bytes); break;
        case 'n': sockets_n = atoi(optarg); break;
        case 'i': in_flight_max = strtoull(optarg, NULL, 10); break;
        case 'r': rate = atof(optarg); break;
        case 'w': warm_s = atof(optarg); break;
        case 'd': seconds = atof(optarg); break;
        case 't': timeout_s = atof(optarg); break;
        case 'c': if (pids_n < PIDS_MAX) pids[pids_n++] = atoi(optarg); break;
        case 'q': requests_max = strtoull(optarg, NULL, 10); break;
        case 'o': sequence = strtoull(optarg, NULL, 10); break;
        case 'y': since_s = (time_t)strtoull(optarg, NULL, 10); break;
        default: return 2;
    }
    if (!file || !port || !secret_bytes) { fprintf(stderr, "loadgen: --file, --port and --secret are needed\n"); return 2; }
    if (rate > 0) in_flight_max = UINT64_MAX;
    if (!sockets_n) sockets_n = rate > 0 ? 64 : (int)((in_flight_max + 63) / 64);
    if (sockets_n > SOCKETS_MAX) sockets_n = SOCKETS_MAX;
    load(file); hmac_prepare();
    random_state ^= now_us() * 0x9E3779B97F4A7C15ull;

    int ep = epoll_create1(0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    inet_pton(AF_INET, host, &to.sin_addr);
    for (int i = 0; i < sockets_n; i++) {
        int size = 4 << 20;
        sockets[i].fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        setsockopt(sockets[i].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        if (connect(sockets[i].fd, (struct sockaddr *)&to, sizeof to)) { perror("connect"); return 2; }
        struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
        epoll_ctl(ep, EPOLL_CTL_ADD, sockets[i].fd, &e);
    }

    uint64_t begin = now_us(), window_end = 0, next_sweep = begin + 100000;
    uint64_t first = sequence, box0 = 0, own0 = 0, cpu0[PIDS_MAX] = {0}, in_flight_top = 0;
    uint64_t box1 = 0, own1 = 0, cpu1[PIDS_MAX] = {0};
    int turn = 0;
    bool sending = true;
    for (;;) {
        uint64_t now = now_us();
        if (!window_start && now - begin >= (uint64_t)(warm_s * 1e6)) {
            window_start = now; measuring = true;
            box0 = box_busy_us(); own0 = own_cpu_us();
            for (int i = 0; i < pids_n; i++) cpu0[i] = process_cpu_us(pids[i]);
        }
        bool by_count = requests_max && sequence - first >= requests_max;
        if (!window_end && window_start
            && (by_count ? !in_flight : now - window_start >= (uint64_t)(seconds * 1e6))) {
            window_end = now; measuring = false; sending = false;
            box1 = box_busy_us(); own1 = own_cpu_us();
            for (int i = 0; i < pids_n; i++) cpu1[i] = process_cpu_us(pids[i]);
        }
        if (window_end && (!in_flight || now - window_end > (uint64_t)(timeout_s * 1e6))) break;
        if (by_count) sending = false;
        if (now >= next_sweep) {
            give_up(sockets_n, now - (uint64_t)(timeout_s * 1e6));
            next_sweep = now + 100000;
        }
        uint64_t due = 0, allowed = in_flight_max;
        if (now - begin < RAMP_US) allowed = in_flight_max * (now - begin) / RAMP_US + 1;
        if (rate > 0) due = (uint64_t)((double)(now - begin) * rate / 1e6) - (sequence - first);
        int tried = 0;
        while (sending && tried < sockets_n
               && (rate > 0 ? due > 0 : in_flight < allowed)
               && !(requests_max && sequence - first >= requests_max)) {
            sock_t *s = &sockets[turn];
            turn = (turn + 1) % sockets_n;
            if (s->busy >= IN_FLIGHT_SOCKET_MAX) { tried++; continue; }
            uint64_t t = now_us();
            uint64_t since = rate > 0 ? begin + (uint64_t)((double)(sequence - first + 1) / rate * 1e6) : t;
            if (!send_one(s, since, t)) break;
            tried = 0;
            if (rate > 0) due--;
        }
        if (rate > 0 && due > count.held) count.held = due;   /* the longest line of packets due but not sent */
        if (in_flight > in_flight_top) in_flight_top = in_flight;
        struct epoll_event events[64];
        int n = epoll_wait(ep, events, 64, sending && (rate > 0 || in_flight < in_flight_max) ? 1 : 20);
        for (int i = 0; i < n; i++) receive_all(&sockets[events[i].data.u32]);
    }
    give_up(sockets_n, UINT64_MAX);
    double took = (double)(window_end - window_start) / 1e6;
    printf("{\"seconds\": %.3f, \"sent\": %" PRIu64 ", \"answered\": %" PRIu64 ", \"wrong\": %" PRIu64
           ", \"forged\": %" PRIu64 ", \"late\": %" PRIu64 ", \"unanswered\": %" PRIu64 ", \"held_max\": %" PRIu64
           ", \"in_flight_max\": %" PRIu64 ", \"next\": %" PRIu64
           ", \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f",
           took, count.sent, count.answered, count.wrong, count.forged, count.late, count.unanswered, count.held,
           in_flight_top, sequence, percentile_ms(0.5), percentile_ms(0.9), percentile_ms(0.99), percentile_ms(0.999),
           latency_max_us / 1e3);
    printf(", \"own_cpu_us\": %" PRIu64 ", \"box_busy_us\": %" PRIu64 ", \"cpu_us\": [", own1 - own0, box1 - box0);
    for (int i = 0; i < pids_n; i++) printf("%s%" PRIu64, i ? ", " : "", cpu1[i] - cpu0[i]);
    printf("], \"by_code\": {");
    bool comma = false;
    for (int c = 0; c < 256; c++) if (count.by_code[c]) {
        printf("%s\"%d\": %" PRIu64, comma ? ", " : "", c, count.by_code[c]); comma = true;
    }
    printf("}}\n");
    return 0;
}
