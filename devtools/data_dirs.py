"""
Where the embedded servers live: their data, their sockets, their lock and the binaries they are started from.

Sockets lie in a directory of mode 0700 under /tmp, since a socket's path may have 107 bytes and a checkout's may be
longer. As root the servers run as `nobody`, who often cannot enter the checkout (/root, `mktemp -d`): then the data and
a copy of the binaries go to /var/tmp, and the checkout keeps a pointer to them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from devtools import posix

SOCKETS = Path("/tmp")
ELSEWHERE = Path("/var/tmp")
_TEMPORARY = "bahi-t-"
_MOVED_DATA = "bahi-data-"
_BINARIES = "bahi-bin-"
_LOCK_PATIENCE = 0.5
_STOPPING_PATIENCE = 20.0
_GRACE_SECONDS = 60


class DataDirUnusable(RuntimeError):
    """The servers cannot live here; the message says why and what to do."""


@dataclass
class DataDirs:
    """The directories of one pair of servers, held by a lock for as long as we live."""

    root: Path
    sockets: Path
    data: Path
    temporary: bool
    account: pwd.struct_passwd | None
    lock: IO[str] = field(repr=False)

    @property
    def logs(self) -> Path:
        """Return the directory of the servers' own logs."""
        return self.root / "logs"

    @property
    def clients_lock(self) -> Path:
        """Return the file that programs which use our servers hold a shared lock on."""
        return self.root / "clients.lock"

    @property
    def connection_file(self) -> Path:
        """Return the file from which other programs of this checkout read how to reach the running servers."""
        return self.root / "servers.json"

    def give_to_account(self, path: Path, mode: int = 0o700) -> Path:
        """Make a directory that the servers own."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if self.account is not None:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)
        return path

    def write_state(self, state: str) -> None:
        """Write the holder's process id and its state into the lock file."""
        self.lock.seek(0)
        self.lock.truncate()
        self.lock.write(f"{os.getpid()} {state}\n")
        self.lock.flush()

    def release(self) -> None:
        """Remove what must not outlive the servers, then let the next one in."""
        self.connection_file.unlink(missing_ok=True)
        shutil.rmtree(self.sockets, ignore_errors=True)
        if self.temporary:
            shutil.rmtree(self.root, ignore_errors=True)
        self.lock.close()


def acquire(data_dir: Path | None) -> DataDirs:
    """Take a fresh temporary directory, or the persistent one at `data_dir`."""
    account = posix.find_unprivileged_account()
    _remove_stale(account)
    return _acquire_temporary(account) if data_dir is None else _acquire_persistent(data_dir, account)


def _acquire_temporary(account: pwd.struct_passwd | None) -> DataDirs:
    root = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=SOCKETS))
    dirs = DataDirs(root, root / "s", root / "postgres", temporary=True, account=account, lock=_lock(root / "lock"))
    dirs.give_to_account(root)
    dirs.give_to_account(dirs.sockets)
    dirs.logs.mkdir()
    return dirs


def _acquire_persistent(data_dir: Path, account: pwd.struct_passwd | None) -> DataDirs:
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = _lock(data_dir / "lock")
    name = hashlib.sha256(f"{os.getuid()}:{data_dir}".encode()).hexdigest()[:12]
    data = data_dir / "postgres"
    if not posix.can_reach(data_dir, account, os.X_OK):
        data = _moved_data(data_dir, account)
    dirs = DataDirs(data_dir, SOCKETS / f"bahi-{name}", data, temporary=False, account=account, lock=lock)
    dirs.logs.mkdir(exist_ok=True)
    _require_own_directory(dirs.sockets, account)
    dirs.give_to_account(dirs.sockets)
    return dirs


def _lock(path: Path) -> IO[str]:
    """
    Open and lock `path`.

    A holder that is about to stop is waited for.

    :raises DataDirUnusable: if another supervisor keeps it
    """
    lock = path.open("a+")
    started = time.monotonic()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder, _, state = lock.read().strip().partition(" ")
            patience = _STOPPING_PATIENCE if state == "stopping" else _LOCK_PATIENCE
            if time.monotonic() - started > patience:
                lock.close()
                raise DataDirUnusable(
                    f"the embedded servers of {path.parent} already run (process {holder or 'unknown'}).\n"
                    "Stop that `make run` or `make demo` first, or use another clone."
                ) from None
            time.sleep(0.05)
        else:
            return lock


def read_state(data_dir: Path) -> str:
    """Return the state of the directory's holder: `starting`, `running` or `stopping`; `free` if there is none."""
    return (data_dir / "lock").read_text().strip().partition(" ")[2] if is_locked(data_dir) else "free"


def is_locked(data_dir: Path) -> bool:
    """Return whether a supervisor holds the persistent directory at `data_dir`."""
    try:
        with (data_dir / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        # The lock is held, or its state is unknown: in both cases the directory counts as locked.
        return True
    return False


def _require_own_directory(path: Path, account: pwd.struct_passwd | None) -> None:
    """Refuse a socket directory that another user of the machine laid out for us under /tmp."""
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        owners = {os.getuid()} | ({account.pw_uid} if account else set())
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
            raise DataDirUnusable(f"{path} belongs to another user (id {found.st_uid}). Remove it and try again.")


def _moved_data(data_dir: Path, account: pwd.struct_passwd | None) -> Path:
    """Return the directory under /var/tmp that holds the data of a checkout which `nobody` cannot enter."""
    pointer = data_dir / "elsewhere"
    if pointer.exists() and (moved := Path(pointer.read_text().strip())).is_dir():
        _require_own_directory(moved, account)
        return moved / "postgres"
    moved = Path(tempfile.mkdtemp(prefix=_MOVED_DATA, dir=ELSEWHERE))
    moved.chmod(0o711)
    (moved / "pointer").write_text(str(pointer))
    pointer.write_text(str(moved))
    return moved / "postgres"


def _remove_stale(account: pwd.struct_passwd | None) -> None:
    """Remove what a killed supervisor left, and what was put elsewhere for a checkout that has been deleted."""
    owners = {os.getuid()} | ({account.pw_uid} if account else set())
    for root in SOCKETS.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            # A minute of grace: the directory of a supervisor that starts right now is not locked yet.
            if (
                root.lstat().st_uid in owners
                and time.time() - root.lstat().st_mtime > _GRACE_SECONDS
                and not is_locked(root)
            ):
                shutil.rmtree(root, ignore_errors=True)
    for moved in ELSEWHERE.glob(f"{_MOVED_DATA}*"):
        with contextlib.suppress(OSError):
            pointer = Path((moved / "pointer").read_text())
            if moved.lstat().st_uid in owners and not pointer.exists():
                shutil.rmtree(moved, ignore_errors=True)
    for copy in ELSEWHERE.glob(f"{_BINARIES}*"):
        with contextlib.suppress(OSError):
            original = Path((copy / "copied-from").read_text())
            if copy.lstat().st_uid == os.getuid() and not original.exists():
                shutil.rmtree(copy, ignore_errors=True)


def find_reachable_binaries(postgres: Path, valkey: Path, account: pwd.struct_passwd | None) -> tuple[Path, Path]:
    """
    Return the PostgreSQL installation and the Valkey binary, from a copy if `nobody` cannot reach the originals.

    :raises DataDirUnusable: if the copy cannot be reached either
    """
    if all(posix.can_reach(path, account, os.X_OK) for path in (postgres / "bin/postgres", valkey)):
        return postgres, valkey
    marks = [(str(path), path.stat().st_mtime_ns) for path in (postgres / "bin/postgres", valkey)]
    name = hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:12]
    copy = ELSEWHERE / f"{_BINARIES}{name}"
    if not copy.exists():
        _copy_binaries(copy, postgres, valkey)
    _require_own_directory(copy, None)
    copied = copy / "site" / postgres.parent.name / postgres.name, copy / "valkey-server"
    if not posix.can_reach(copied[0] / "bin/postgres", account, os.X_OK):
        raise DataDirUnusable(
            f"PostgreSQL refuses to run as root, and `nobody` can execute neither {postgres}/bin/postgres nor "
            f"its copy under {copy}.\nRun as an ordinary user, or set DATABASE_URL and REDIS_URL to your own servers."
        )
    return copied


def _copy_binaries(copy: Path, postgres: Path, valkey: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f"{_BINARIES}new-", dir=ELSEWHERE))
    package = postgres.parent
    shutil.copytree(postgres, draft / "site" / package.name / postgres.name, symlinks=True)
    # The wheel's programs look for their libraries in the sibling directory `<package>.libs`.
    if (libraries := package.with_name(f"{package.name}.libs")).is_dir():
        shutil.copytree(libraries, draft / "site" / libraries.name, symlinks=True)
    shutil.copy2(valkey, draft / "valkey-server")
    (draft / "copied-from").write_text(str(postgres))
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
    try:
        draft.rename(copy)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)  # another starter was quicker
