"""The world: everything that the sandbox remembers while it runs, and how that goes into a file and back."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.http_log import HttpLog
from sandbox.ids import Ids
from sandbox.json_types import JsonObject
from sandbox.mailbox import Mailbox
from sandbox.msg91.state import Msg91
from sandbox.razorpay.state import Razorpay
from sandbox.scheduler import Scheduler
from sandbox.settings import Settings

_FORMAT = 2
# Ids that may have been given out after the last write of a sandbox that was killed.
_UNSAVED_IDS = 10_000


class World:
    """
    One sandbox's memory, under one lock.

    Callers hold `lock` while they read or write, and call `notify_change()` after a write, which wakes those that wait for a
    change (`wait_for`).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = threading.Condition(threading.RLock())
        self.scheduler = Scheduler()
        self.revision = 0
        self._begin(Ids(settings.seed))

    def _begin(self, ids: Ids) -> None:
        self.clock = Clock()
        self.ids = ids
        self.http_log = HttpLog()
        self.faults = Faults()
        self.razorpay = Razorpay.fresh(self.settings, account_id="acc_BahiSandbox001")
        self.msg91 = Msg91()
        self.mailbox = Mailbox()

    def notify_change(self) -> None:
        self.revision += 1
        self.lock.notify_all()

    def reset(self, *, keep_ids: bool) -> None:
        """
        Forget everything, knobs included, as after a fresh start.

        `keep_ids` continues the series of identifiers, for a product that still remembers the old ones.
        """
        self.scheduler.clear()
        self._begin(self.ids if keep_ids else Ids(self.settings.seed))
        self.notify_change()

    def dump(self, *, clean: bool) -> JsonObject:
        return {
            "format": _FORMAT,
            "clean": clean,
            "seed": self.ids.seed,
            "counters": dict(self.ids.counters),
            "clock_offset": self.clock.offset,
            "razorpay": self.razorpay.dump(),
            "msg91": self.msg91.dump(),
            "mailbox": self.mailbox.dump(),
        }

    def save(self, path: Path, *, clean: bool) -> None:
        """Write the snapshot in one step: a reader sees the old file or the new one, never half of one."""
        with self.lock:
            text = json.dumps(self.dump(clean=clean))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)

    def load(self, path: Path) -> None:
        """
        Continue from a snapshot; knobs, faults and the HTTP log are not part of it.

        :raises ValueError: if the file was written by another version of the sandbox
        """
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.get("format") != _FORMAT:
            raise ValueError(
                f"{path} is not a snapshot of this version of the sandbox. Remove it, or name another file."
            )
        with self.lock:
            self.ids = Ids(data["seed"], data["counters"])
            if not data["clean"]:
                self.ids.skip(_UNSAVED_IDS)
            self.clock = Clock(data["clock_offset"])
            self.razorpay.load(data["razorpay"])
            self.msg91.load(data["msg91"])
            self.mailbox.load(data["mailbox"])
