"""What a child can see and touch: its folder, programs, and nothing of ours."""

import os
import platform

import pytest

from deployments.sandbox import ChildLimits, SandboxedCommand, private_folder, run
from deployments.sandbox.binary import ROOT
from deployments.sandbox.errors import MediaDamaged

READ = "print(open({!r}).read())"


def test_our_environment_is_not_passed_on(python, monkeypatch, folder) -> None:
    monkeypatch.setenv("MOBULA_PEPPER", "very secret" * 3)
    monkeypatch.setenv("LD_PRELOAD", "")

    out = python("import os; print(sorted(os.environ))").out.decode()

    assert set(eval(out)) <= {"HOME", "LANG", "LC_CTYPE", "MALLOC_ARENA_MAX", "PATH", "TMPDIR"}


def test_what_is_asked_for_is_added_to_the_environment(python) -> None:
    out = python("import os; print(os.environ['A'])", environment={"A": "b"}).out

    assert out == b"b\n"


def test_our_open_files_are_not_passed_on(python, tmp_path) -> None:
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        out = python(
            "import os; print([os.readlink(f'/proc/self/fd/{n}') for n in range(3, 9) "
            "if os.path.lexists(f'/proc/self/fd/{n}')])"
        ).out.decode()

    assert str(tmp_path) not in out


def test_the_folder_can_be_used(python, folder) -> None:
    code = "import os; os.mkdir('a'); open('a/x', 'w').write('1'); os.rename('a/x', 'b'); "
    code += "os.rmdir('a'); print(os.listdir('.'))"

    assert python(code).out == b"['b']\n"
    assert (folder / "b").read_text() == "1"


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/1/environ", f"{ROOT}/pyproject.toml"])
def test_files_of_the_machine_cannot_be_read(python, path: str, closed) -> None:
    closed("files")

    with pytest.raises(MediaDamaged) as failed:
        python(READ.format(path))

    assert "PermissionError" in failed.value.__notes__[0]


def test_the_folder_of_another_job_cannot_be_read_or_written(python, tmp_path, closed) -> None:
    closed("files")
    with private_folder(tmp_path / "work") as other:
        (other / "source").write_text("of another tenant")

        for code in (READ.format(str(other / "source")), READ.format("../" + other.name)):
            with pytest.raises(MediaDamaged, match="decoded"):
                python(code)
        with pytest.raises(MediaDamaged):
            python(f"open({str(other / 'x')!r}, 'w')")
        assert sorted(path.name for path in other.iterdir()) == ["source"]


def test_a_link_out_of_the_folder_leads_nowhere(python, folder, tmp_path, closed) -> None:
    closed("files")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(MediaDamaged):
        python(READ.format("link"))


def test_further_files_can_be_allowed(python, tmp_path) -> None:
    (tmp_path / "font").write_text("a font")
    (tmp_path / "cache").mkdir()

    out = python(
        READ.format(str(tmp_path / "font")) + f"; open({str(tmp_path / 'cache/x')!r}, 'w')",
        readable=(tmp_path / "font",),
        writable=(tmp_path / "cache",),
    ).out

    assert out == b"a font\n"
    assert (tmp_path / "cache/x").exists()


@pytest.mark.parametrize("family", ["AF_INET", "AF_UNIX"])
def test_there_is_no_network(python, family: str, closed) -> None:
    closed("network")

    with pytest.raises(MediaDamaged) as failed:
        python(f"import socket; socket.socket(socket.{family})")

    assert "PermissionError" in failed.value.__notes__[0]


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
    ],
)
def test_no_process_can_be_started(python, code: str, closed) -> None:
    closed("processes")

    with pytest.raises(MediaDamaged) as failed:
        python(code)

    assert "PermissionError" in failed.value.__notes__[0]


def test_no_other_process_can_be_signalled(python, closed) -> None:
    closed("files")
    if tuple(map(int, platform.release().split(".")[:2])) < (6, 12):
        pytest.skip("Landlock keeps signals in since Linux 6.12")

    with pytest.raises(MediaDamaged) as failed:
        python("import os; os.kill(os.getppid(), 0)")

    assert "PermissionError" in failed.value.__notes__[0]


def test_threads_can_be_started(python) -> None:
    code = "import threading; t = threading.Thread(target=print, args=('ran',)); t.start()"

    assert python(code).out == b"ran\n"


def test_no_privilege_is_left(python) -> None:
    status = python("print(open('/proc/self/status').read())").out.decode()

    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(lines["CapEff"], 16) == 0
    assert int(lines["CapBnd"], 16) == 0 or os.geteuid() != 0
    assert lines["NoNewPrivs"] == "1"


def test_a_child_has_a_session_of_its_own(python) -> None:
    session = int(python("import os; print(os.getsid(0))").out)

    assert session != os.getsid(0)


def test_limits_hold_for_programs_that_may_fork_too(folder, closed) -> None:
    closed("files")
    shell = ("/bin/sh", "-c", "cat /etc/passwd || echo kept out")

    finished = run(SandboxedCommand(shell, folder, ChildLimits(forks=True)))

    assert finished.out == b"kept out\n"


ATTRIBUTES = {
    "chmod": "os.chmod({path!r}, 0o777)",
    "fchmod": "os.fchmod(os.open('own', os.O_CREAT | os.O_RDWR), 0o777)",
    "utime": "os.utime({path!r})",
    "setxattr": "os.setxattr({path!r}, 'user.x', b'1')",
    "removexattr": "os.removexattr({path!r}, 'user.x')",
    "chown": "os.chown({path!r}, 0, 0)",
    "truncate": "os.truncate({path!r}, 0)",
    "mknod": "os.mkfifo('fifo')",
}


@pytest.mark.parametrize("call", ATTRIBUTES)
def test_attributes_of_files_cannot_be_changed(python, tmp_path, call: str, closed) -> None:
    closed("attributes")
    path = tmp_path / "admin.key"
    path.write_text("ours")
    path.chmod(0o600)
    before = path.stat()

    with pytest.raises(MediaDamaged) as failed:
        python("import os\n" + ATTRIBUTES[call].format(path=str(path)))

    assert "PermissionError" in failed.value.__notes__[0]
    after = path.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_uid) == (
        before.st_mode, before.st_mtime_ns, before.st_uid,
    )  # fmt: skip
    assert path.read_text() == "ours"


IPC = {
    "shmget": "libc.shmget(0, 4096, 0o1600)",
    "semget": "libc.semget(0, 1, 0o1600)",
    "msgget": "libc.msgget(0, 0o1600)",
    "mq_open": "libc.mq_open(b'/mobula-test', 0o102, 0o600, None)",
}


@pytest.mark.parametrize("call", IPC)
def test_there_is_no_shared_memory_no_semaphore_and_no_queue(python, call: str, closed) -> None:
    closed("ipc")
    code = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
    code += f"print({IPC[call]}, ctypes.get_errno())"

    assert python(code).out == b"-1 1\n"


@pytest.mark.parametrize("file", ["cmdline", "status", "stat", "environ", "maps", "fd"])
def test_nothing_of_other_processes_can_be_read(python, file: str, closed) -> None:
    closed("other_processes")
    read = "os.listdir(path)" if file == "fd" else "open(path).read()"

    with pytest.raises(MediaDamaged) as failed:
        python(f"import os; path = f'/proc/{{os.getppid()}}/{file}'; {read}")

    assert "PermissionError" in failed.value.__notes__[0]


def test_other_processes_cannot_be_listed(python, closed) -> None:
    closed("other_processes")

    with pytest.raises(MediaDamaged):
        python("import os; os.listdir('/proc')")


OTHERS = {
    "kill": "os.kill(os.getppid(), 0)",
    "killpg": "os.kill(-1, 0)",
    "renice": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "affinity": "os.sched_setaffinity(os.getppid(), {0})",
    "limits": "import resource; resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (9, 9))",
    "pidfd": "os.pidfd_open(os.getppid())",
}


@pytest.mark.parametrize("call", OTHERS)
def test_other_processes_cannot_be_affected(python, call: str, closed) -> None:
    closed("other_processes")

    with pytest.raises(MediaDamaged) as failed:
        python("import os\n" + OTHERS[call])

    assert "PermissionError" in failed.value.__notes__[0]


def test_a_child_may_read_its_own_limits_and_signal_itself(python) -> None:
    code = "import os, resource, signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('got'))\n"
    code += "os.kill(os.getpid(), signal.SIGUSR1)\n"
    code += "print(resource.prlimit(os.getpid(), resource.RLIMIT_CORE))"

    assert python(code).out == b"got\n(0, 0)\n"
