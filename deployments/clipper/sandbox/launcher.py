"""The first program of every sandboxed child: gives up what the child must not have, then execs.

Run as `python -I -S launcher.py PARENT MEMORY CPU OUTPUT FILES FORKS READABLE WRITABLE ARGV...`;
it imports nothing but what starts in milliseconds. In order: die with the parent, limits, no new
privileges, no capabilities, own network (best effort), only the named files (Landlock, where the
kernel has it), and no sockets and no processes (seccomp). None of this can be undone by the child.

PR_SET_PDEATHSIG fires when the *thread* that forked ends, so whoever starts a child waits for it
in the same thread.
"""

import ctypes
import os
import resource
import signal
import sys

FAILED = 125
_PDEATHSIG, _SECCOMP, _CAPBSET_DROP, _NO_NEW_PRIVS = 1, 22, 24, 38
_NEWNET = 0x40000000
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_MAKE = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # remove folder, remove file, make folder, make file
_REFER = 1 << 13
_EPERM, _ENOSYS, _ALLOW, _ERRNO = 1, 38, 0x7FFF0000, 0x00050000
_THREAD = 0x00010000

# Numbers of system calls: the audit architecture, clone, clone3, and what is refused altogether.
# socket ptrace mount unshare setns bpf io_uring_setup userfaultfd perf_event_open
# process_vm_readv process_vm_writev add_key keyctl
_CALLS = {
    "x86_64": (
        0xC000003E,
        56,
        435,
        (41, 101, 165, 272, 308, 321, 425, 323, 298, 310, 311, 248, 250),
        (57, 58),  # fork, vfork
    ),
    "aarch64": (
        0xC00000B7,
        220,
        435,
        (198, 117, 40, 97, 268, 280, 425, 282, 241, 270, 271, 217, 219),
        (),
    ),
}


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


def give_up_privileges(libc: ctypes.CDLL) -> None:
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


def see_only(libc: ctypes.CDLL, readable: list[str], writable: list[str]) -> None:
    """Landlock; see Documentation/userspace-api/landlock.rst of the kernel for the versions."""
    version = libc.syscall(_CREATE, None, 0, 1)
    if version < 1:
        return
    newest = 14 if version >= 3 else 13 if version >= 2 else 12
    handled = (1 << newest + 1) - 1
    net, scoped = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(_CREATE, ctypes.byref(_Ruleset(handled, net, scoped)), size, 0)
    if rules < 0:
        return
    read = _EXECUTE | _READ | _LIST
    for paths, access in ((readable, read), (writable, read | _WRITE | _TRUNCATE | _MAKE | _REFER)):
        for path in paths:
            _allow(libc, rules, path, access & handled)
    libc.syscall(_RESTRICT, rules, 0)
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


def filter_calls(libc: ctypes.CDLL, forks: bool) -> None:
    """seccomp in classic BPF: load the number, compare it with each that is refused."""
    if _machine() not in _CALLS:
        return
    architecture, clone, clone3, never, forking = _CALLS[_machine()]
    load, equal, above, bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    refuse = [(give, 0, 0, _ERRNO | _EPERM)]
    code = [(load, 0, 0, 4), (equal, 1, 0, architecture), *refuse, (load, 0, 0, 0)]
    code += [(above, 0, 1, 0x40000000), *refuse]  # the x32 numbers
    for call in never if forks else never + forking:
        code += [(equal, 0, 1, call), *refuse]
    if not forks:
        code += [(equal, 0, 1, clone3), (give, 0, 0, _ERRNO | _ENOSYS)]  # libc then takes clone
        code += [(equal, 0, 3, clone), (load, 0, 0, 16), (bits, 1, 0, _THREAD), *refuse]
    code += [(give, 0, 0, _ALLOW)]
    program = (_Instruction * len(code))(*(_Instruction(*line) for line in code))
    libc.prctl(_SECCOMP, 2, ctypes.byref(_Program(len(code), program)), 0, 0)


def _machine() -> str:
    return os.uname().machine


def confine(words: list[str]) -> None:
    parent, memory, cpu, output, files, forks = map(int, words[:6])
    readable, writable = ([path for path in text.split("\n") if path] for text in words[6:8])
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores both, and exec would keep that
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            raise OSError("the parent is gone")
        give_up_privileges(libc)
        see_only(libc, readable, writable)
        filter_calls(libc, bool(forks))
    limit(memory, cpu, output, files)


def main(words: list[str]) -> None:
    command = words[8:]
    try:
        confine(words)
        os.execv(command[0], command)
    except (OSError, ValueError) as error:
        os.write(2, f"launcher: {error}\n".encode())
    os._exit(FAILED)


if __name__ == "__main__":
    main(sys.argv[1:])
