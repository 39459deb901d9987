"""The first program of every sandboxed child: drops privileges, then execs.

Run as `python -I -S confine.py PARENT MEMORY CPU OUTPUT FILES FORKS REQUIRED READABLE WRITABLE
ARGV...`; it imports only what starts in milliseconds. In order: die with the parent, limits, no new
privileges, no capabilities, own network (if the kernel permits), only the named files (Landlock),
and no sockets, no processes, no change of a file's mode, owner, times or attributes, no SysV or
POSIX IPC and no effect on other processes (seccomp). The child cannot undo any of this. With
REQUIRED, a kernel without Landlock or seccomp ends it (exit status NOT_CONFINED).

PR_SET_PDEATHSIG fires when the *thread* that forked ends, so the starter of a child waits for it in
the same thread.
"""

import ctypes
import os
import resource
import signal
import sys

FAILED, NOT_CONFINED = 125, 124  # exit statuses
_PDEATHSIG, _SECCOMP, _CAPBSET_DROP, _NO_NEW_PRIVS = 1, 22, 24, 38
_NEWNET = 0x40000000
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_MAKE = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # remove folder, remove file, make folder, make file
_REFER = 1 << 13
_EPERM, _ENOSYS, _ALLOW, _ERRNO = 1, 38, 0x7FFF0000, 0x00050000
_THREAD = 0x00010000

# Landlock does not mediate what changes a file's mode, owner, times or attributes, nor (before
# version 3) truncate; it knows no IPC and, before version 6, no signals. Hence these are refused by
# their numbers. What glibc itself calls for its own process is allowed for that process alone.
# Name, number on x86_64, number on aarch64 ("-": it has none).
_TABLE = """
socket 41 198; ptrace 101 117; mount 165 40;
umount2 166 39; unshare 272 97; setns 308 268;
chroot 161 51; pivot_root 155 41; bpf 321 280;
io_uring_setup 425 425; userfaultfd 323 282; perf_event_open 298 241;
process_vm_readv 310 270; process_vm_writev 311 271; add_key 248 217;
keyctl 250 219; request_key 249 218; kcmp 312 272;
open_by_handle_at 304 265; name_to_handle_at 303 264; process_madvise 440 440;
pidfd_open 434 434; pidfd_send_signal 424 424; pidfd_getfd 438 438;
tkill 200 130; rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240;
setpriority 141 140; ioprio_set 251 30; sched_setaffinity 203 122;
sched_setscheduler 144 119; sched_setparam 142 118; sched_setattr 314 274;
migrate_pages 256 238; move_pages 279 239; chmod 90 -;
fchmod 91 52; fchmodat 268 53; fchmodat2 452 452;
chown 92 -; fchown 93 55; lchown 94 -;
fchownat 260 54; utime 132 -; utimes 235 -;
futimesat 261 -; utimensat 280 88; setxattr 188 5;
lsetxattr 189 6; fsetxattr 190 7; removexattr 197 14;
lremovexattr 198 15; fremovexattr 199 16; setxattrat 463 463;
removexattrat 466 466; file_setattr 469 469; truncate 76 45;
mknod 133 -; mknodat 259 33; shmget 29 194;
shmat 30 196; shmctl 31 195; shmdt 67 197;
semget 64 190; semop 65 193; semctl 66 191;
semtimedop 220 192; msgget 68 186; msgsnd 69 189;
msgrcv 70 188; msgctl 71 187; mq_open 240 180;
mq_unlink 241 181; mq_timedsend 242 182; mq_timedreceive 243 183;
mq_notify 244 184; mq_getsetattr 245 185
"""


def refused_calls(machine: str) -> dict[str, int]:
    """The numbers of the refused system calls, by name."""
    column = ("x86_64", "aarch64").index(machine) + 1
    rows = [row.split() for row in _TABLE.split(";")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


# The audit architecture; clone and clone3; fork and vfork; kill and tgkill; prlimit64.
_CALLS = {
    "x86_64": (0xC000003E, 56, 435, (57, 58), (62, 234), 302),
    "aarch64": (0xC00000B7, 220, 435, (), (129, 131), 261),
}


class NotConfined(Exception):
    """A missing kernel feature."""


def limit(memory: int, cpu: int, output: int, files: int) -> None:
    bounds = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_FSIZE: (output, output),
        resource.RLIMIT_NOFILE: (files, files),
    }
    if memory:
        bounds[resource.RLIMIT_AS] = (memory, memory)
    for what, (soft, hard) in bounds.items():
        _, most = resource.getrlimit(what)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(what, (soft, hard))


def drop_privileges(libc: ctypes.CDLL) -> None:
    """A network of its own first, which takes a privilege; setuid programs gain nothing after."""
    libc.unshare(_NEWNET)
    for capability in range(64):
        libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")


class _Ruleset(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("files", "net", "scoped")]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("fd", ctypes.c_int32)]


def restrict_filesystem(libc: ctypes.CDLL, readable: list[str], writable: list[str]) -> None:
    """Landlock; see Documentation/userspace-api/landlock.rst of the kernel for the versions.

    Raises NotConfined.
    """
    version = libc.syscall(_CREATE, None, 0, 1)
    if version < 1:
        raise NotConfined("no Landlock")
    newest = 14 if version >= 3 else 13 if version >= 2 else 12
    handled = (1 << newest + 1) - 1
    net, scoped = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(_CREATE, ctypes.byref(_Ruleset(handled, net, scoped)), size, 0)
    if rules < 0:
        raise NotConfined("Landlock takes no rules")
    read = _EXECUTE | _READ | _LIST
    for paths, access in ((readable, read), (writable, read | _WRITE | _TRUNCATE | _MAKE | _REFER)):
        for path in paths:
            _allow(libc, rules, path, access & handled)
    if libc.syscall(_RESTRICT, rules, 0):
        raise NotConfined("Landlock does not restrict")
    os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):  # noqa: PTH112 (pathlib takes 10 ms to import)
        access &= _EXECUTE | _READ | _WRITE | _TRUNCATE
    libc.syscall(_ADD, rules, 1, ctypes.byref(_Beneath(access, fd)), 0)
    os.close(fd)


class _Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction))]


def install_seccomp(libc: ctypes.CDLL, forks: bool) -> None:
    """seccomp in classic BPF: loads the number, compares it with each refused one.

    Raises NotConfined.
    """
    if _machine() not in _CALLS:
        raise NotConfined(f"no filter of system calls for {_machine()}")
    architecture, clone, clone3, forking, signals, prlimit = _CALLS[_machine()]
    load, equal, above, bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    refuse = [(give, 0, 0, _ERRNO | _EPERM)]
    first_argument = (load, 0, 0, 16)
    code = [(load, 0, 0, 4), (equal, 1, 0, architecture), *refuse, (load, 0, 0, 0)]
    code += [(above, 0, 1, 0x40000000), *refuse]  # the x32 numbers
    never = tuple(refused_calls(_machine()).values())
    for call in never if forks else never + forking:
        code += [(equal, 0, 1, call), *refuse]
    if not forks:
        code += [(equal, 0, 1, clone3), (give, 0, 0, _ERRNO | _ENOSYS)]  # libc then takes clone
        code += [(equal, 0, 4, clone), first_argument, (bits, 1, 0, _THREAD), *refuse]
        code += [(give, 0, 0, _ALLOW)]
        # Only this process itself may be signalled, or limited further: exec keeps its number.
        own = (os.getpid(),)
        for call, processes in *((each, own) for each in signals), (prlimit, (0, *own)):
            code += [(equal, 0, len(processes) + 3, call), first_argument]
            code += [(equal, len(processes) - at, 0, of) for at, of in enumerate(processes)]
            code += [*refuse, (give, 0, 0, _ALLOW)]
    code += [(give, 0, 0, _ALLOW)]
    program = (_Instruction * len(code))(*(_Instruction(*line) for line in code))
    if libc.prctl(_SECCOMP, 2, ctypes.byref(_Program(len(code), program)), 0, 0):
        raise NotConfined("no seccomp")


def _machine() -> str:
    return os.uname().machine


def confine(words: list[str]) -> None:
    """Raises NotConfined if confinement is required and this kernel cannot provide it."""
    parent, memory, cpu, output, files, forks, required = map(int, words[:7])
    readable, writable = ([path for path in text.split("\n") if path] for text in words[7:9])
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores both, and exec would keep that
    missing = [] if sys.platform == "linux" else [f"no sandbox on {sys.platform}"]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            raise OSError("the parent is gone")
        drop_privileges(libc)
        try:
            restrict_filesystem(libc, readable, writable)
        except NotConfined as lack:
            missing.append(str(lack))
        try:
            install_seccomp(libc, bool(forks))
        except NotConfined as lack:
            missing.append(str(lack))
    if missing and required:
        raise NotConfined("; ".join(missing))
    limit(memory, cpu, output, files)


def main(words: list[str]) -> None:
    command, status = words[9:], FAILED
    try:
        confine(words)
        os.execv(command[0], command)
    except NotConfined as lack:
        status = NOT_CONFINED
        os.write(2, f"launcher: {lack}\n".encode())
    except (OSError, ValueError) as error:
        os.write(2, f"launcher: {error}\n".encode())
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
