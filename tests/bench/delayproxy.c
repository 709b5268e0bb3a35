/* A TCP proxy that adds a fixed delay to what the store answers: the far store, without the far wire.
 *
 * Usage: delayproxy LISTEN_PORT UPSTREAM_PORT DELAY_MS   (loopback on both sides)
 * Requests pass at once; each chunk of an answer waits DELAY_MS. So one round trip costs DELAY_MS more, and any number
 * of round trips may wait at the same time. One thread, one epoll, one queue: the delay is the same for all, so
 * what came first is due first. With DELAY_MS 0 it only forwards (its own cost can be measured that way).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_BYTES_MAX = 65536, EVENTS_MAX = 256 };

typedef struct side side_t;
typedef struct pair pair_t;
typedef struct chunk { struct chunk *next; uint64_t due_us; side_t *to; size_t n, done; uint8_t data[]; } chunk_t;
struct side { int fd; pair_t *pair; side_t *other; chunk_t *first, **last; bool upstream, wants_out; };
struct pair { side_t client, store; int waiting; bool dead; };

static int ep, timer;
static uint64_t delay_us;
static chunk_t *queue, **queue_last = &queue;

static uint64_t now_us(void) {
    struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
static void watch(side_t *s, int op, bool out) {
    struct epoll_event e = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = s };
    epoll_ctl(ep, op, s->fd, &e);
    s->wants_out = out;
}
static void drop_chunks(side_t *s) {
    while (s->first) { chunk_t *c = s->first; s->first = c->next; free(c); }
    s->last = &s->first;
}
/* The sockets close now; the memory goes when no delayed chunk and no event of this round points at it. */
static pair_t *graveyard[EVENTS_MAX * 2];
static int graves;
static void release(pair_t *p) {
    if (p->dead && !p->waiting && graves < EVENTS_MAX * 2) graveyard[graves++] = p;
}
static void hang_up(pair_t *p) {
    if (p->dead) return;
    p->dead = true;
    close(p->client.fd); close(p->store.fd);
    drop_chunks(&p->client); drop_chunks(&p->store);
    release(p);
}
static void flush(side_t *s) {
    while (s->first) {
        chunk_t *c = s->first;
        if (!c->n) { hang_up(s->pair); return; }
        ssize_t sent = send(s->fd, c->data + c->done, c->n - c->done, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) hang_up(s->pair);
            else if (!s->wants_out) watch(s, EPOLL_CTL_MOD, true);
            return;
        }
        c->done += (size_t)sent;
        if (c->done < c->n) continue;
        s->first = c->next;
        if (!s->first) s->last = &s->first;
        free(c);
    }
    if (s->wants_out) watch(s, EPOLL_CTL_MOD, false);
}
static void deliver(chunk_t *c) {
    side_t *to = c->to;
    c->next = NULL;
    if (to->pair->dead) { free(c); return; }
    *to->last = c; to->last = &c->next;
    flush(to);
}
static void arm(void) {
    if (!queue) return;
    struct itimerspec t = { .it_value = { .tv_sec = queue->due_us / 1000000, .tv_nsec = queue->due_us % 1000000 * 1000 } };
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL);
}
static void deliver_due(void) {
    uint64_t now = now_us();
    while (queue && queue->due_us <= now) {
        chunk_t *c = queue;
        pair_t *p = c->to->pair;
        queue = c->next;
        if (!queue) queue_last = &queue;
        p->waiting--;
        bool was_dead = p->dead;
        deliver(c);
        if (was_dead) release(p);
    }
    arm();
}
static void forward(side_t *from) {
    static uint8_t buffer[CHUNK_BYTES_MAX];
    ssize_t n = recv(from->fd, buffer, sizeof buffer, 0);
    if (n < 0) { if (errno != EAGAIN) hang_up(from->pair); return; }
    if (!n && !from->upstream) { hang_up(from->pair); return; }
    chunk_t *c = malloc(sizeof *c + (size_t)n);
    if (!c) exit(2);
    *c = (chunk_t){ .to = from->other, .n = (size_t)n };
    memcpy(c->data, buffer, (size_t)n);
    if (!n) { struct epoll_event none = {0}; epoll_ctl(ep, EPOLL_CTL_DEL, from->fd, &none); }
    if (!from->upstream || !delay_us) { deliver(c); return; }
    c->due_us = now_us() + delay_us;
    bool idle = !queue;
    *queue_last = c; queue_last = &c->next;
    from->pair->waiting++;
    if (idle) arm();
}
static int store_port;
static void accept_one(int listener) {
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (client < 0) return;
    int store = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)store_port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (connect(store, (struct sockaddr *)&to, sizeof to)) { close(client); close(store); return; }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(store, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pair_t *p = calloc(1, sizeof *p);
    if (!p) exit(2);
    p->client = (side_t){ .fd = client, .pair = p, .other = &p->store, .last = &p->client.first };
    p->store = (side_t){ .fd = store, .pair = p, .other = &p->client, .last = &p->store.first, .upstream = true };
    fcntl(store, F_SETFL, O_NONBLOCK);
    watch(&p->client, EPOLL_CTL_ADD, false);
    watch(&p->store, EPOLL_CTL_ADD, false);
}

int main(int argc, char **argv) {
    if (argc != 4) { fprintf(stderr, "usage: delayproxy LISTEN_PORT UPSTREAM_PORT DELAY_MS\n"); return 2; }
    store_port = atoi(argv[2]);
    delay_us = (uint64_t)(atof(argv[3]) * 1000);
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) { perror("delayproxy"); return 2; }
    ep = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    e.data.ptr = &timer;
    epoll_ctl(ep, EPOLL_CTL_ADD, timer, &e);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(ep, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;
            if (!what) { accept_one(listener); continue; }
            if (what == &timer) { uint64_t ticks; if (read(timer, &ticks, 8) < 0) continue; deliver_due(); continue; }
            side_t *s = what;
            if (!s->pair->dead && events[i].events & EPOLLOUT) flush(s);
            if (!s->pair->dead && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) forward(s);
        }
        while (graves) free(graveyard[--graves]);
    }
}
