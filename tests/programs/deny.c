/* deny ERROR NAME,NAME… PROGRAM [ARGUMENTS]: runs a program to which the kernel denies system
 * calls, by a seccomp filter as a container's or a sandbox's: each call named fails with error
 * ERROR (a number; 0: the process is killed). Exit status 77 where no filter can be set. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned number;
} calls[] = {
    {"memfd_create", SYS_memfd_create},
    {"socket", SYS_socket},
    {"connect", SYS_connect},
    {"recvmsg", SYS_recvmsg},
    {"sendto", SYS_sendto},
    {"setsockopt", SYS_setsockopt},
    {"fcntl", SYS_fcntl},
    {"madvise", SYS_madvise},
    {"mincore", SYS_mincore},
    {"kill", SYS_kill},
    {"tgkill", SYS_tgkill},
    {"gettid", SYS_gettid},
    {"rt_sigprocmask", SYS_rt_sigprocmask},
    {"openat", SYS_openat},
    {"pread64", SYS_pread64},
    {"access", SYS_access},
    {"pidfd_open", SYS_pidfd_open},
    {"getrandom", SYS_getrandom},
    {"close_range", SYS_close_range},
    {"socketpair", SYS_socketpair},
    {"process_vm_readv", SYS_process_vm_readv},
    {"fallocate", SYS_fallocate},
    {"setrlimit", SYS_prlimit64},
};

static struct sock_filter program[64];

/* A name that is not known would deny nothing, and the test that asks for it would show nothing. */
static unsigned number_of(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strcmp(calls[i].name, name))
            return calls[i].number;
    fprintf(stderr, "deny: no call %s is known here\n", name);
    exit(2);
}

static unsigned short build(char *names, unsigned action)
{
    unsigned short n = 0;
    program[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
        program[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number_of(name), 0, 1);
        program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    }
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    unsigned error = (unsigned)atoi(argv[1]);
    struct sock_fprog filter = {
        build(argv[2], error ? SECCOMP_RET_ERRNO | error : SECCOMP_RET_KILL_PROCESS), program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        return 77;
    execvp(argv[3], argv + 3);
    return 127;
}
