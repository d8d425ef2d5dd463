"""Every Python process that has this folder on its path loads this first: it notes, or ends, what is done to files below a folder.

AOAI_KILLS_BELOW  the folder
AOAI_KILLS_LOG    where each moment goes, a line: who (`batch` or `tenant`), what, the file's name without ids
AOAI_KILLS_AT     such a line: the moment that is not lived to see
AOAI_KILLS_HOW    `all`: the batch's process group and the tenant's; `batch`: its process alone; `half`: whoever writes, by the system, once a
                  file is that long that AOAI_KILLS_LONG says
"""

import os
import re
import resource
import signal
import sys
import time

BELOW, LOG, AT, HOW = (os.environ.get(f"AOAI_KILLS_{name}", "") for name in ("BELOW", "LOG", "AT", "HOW"))
ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
WHO = "tenant" if "aoai_lib.fleet.child" in sys.orig_argv else "batch" if "assess" in sys.orig_argv else ""


def moment(event, arguments):
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR):
            return ""
    elif event == "os.rename":
        path = arguments[1]
    elif event == "os.mkdir":
        path = arguments[0]
    else:
        return ""
    if isinstance(path, int) or not (path := os.fsdecode(path)).startswith(BELOW):
        return ""
    return f"{WHO} {event.removeprefix('os.')} {ID.sub('ID', path.rpartition('/')[2])}"


def end():
    if HOW == "half":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["AOAI_KILLS_LONG"]), resource.RLIM_INFINITY))
        return
    batch = os.getppid() if WHO == "tenant" else os.getpid()
    if HOW == "batch":
        os.kill(batch, signal.SIGKILL)
        time.sleep(60)  # it is seen that the other is gone, and ends what was to wait here
    os.killpg(batch, signal.SIGKILL)
    os.killpg(0, signal.SIGKILL)


def watch(event, arguments):
    now = moment(event, arguments)
    if now and now == AT:
        end()
    if now and LOG:
        handle = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{now}\n".encode())
        os.close(handle)


if WHO and BELOW:
    if HOW == "half":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python would have it ignored
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(watch)
