/* Preloaded into a process, it moves the wall clock of that process by CLOCK_SHIFT seconds. The monotonic
 * clock stays. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift(void) {
  const char *secs = getenv("CLOCK_SHIFT");
  return secs ? atol(secs) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift();
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec precise;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *secs) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (secs) *secs = precise.tv_sec;
  return precise.tv_sec;
}
