// Moves the wall clock of the process that it is preloaded into by an offset in
// nanoseconds, a 64-bit integer at the start of the file that CLOCK_OFFSET names.
// It calls the kernel itself: the allocator of redis-server asks for the time
// before a symbol of libc can be looked up.
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;

__attribute__((constructor)) static void open_offset(void) {
	const char *path = getenv("CLOCK_OFFSET");
	int fd = path ? open(path, O_RDONLY) : -1;
	if (fd < 0) return;
	void *page = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
	if (page != MAP_FAILED) offset = page;
	close(fd);
}

int clock_gettime(clockid_t id, struct timespec *now) {
	const int64_t second = 1000000000;
	int failed = syscall(SYS_clock_gettime, id, now);
	if (failed || !offset || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return failed;
	int64_t ns = now->tv_sec * second + now->tv_nsec + *offset;
	now->tv_sec = ns / second;
	now->tv_nsec = ns % second;
	return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
	(void)zone;
	struct timespec t;
	int failed = clock_gettime(CLOCK_REALTIME, &t);
	now->tv_sec = t.tv_sec;
	now->tv_usec = t.tv_nsec / 1000;
	return failed;
}

time_t time(time_t *now) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (now) *now = t.tv_sec;
	return t.tv_sec;
}
