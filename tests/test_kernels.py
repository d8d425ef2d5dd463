"""Kernels: sockets that only this user can open, and forks of one loaded process that share nothing afterwards."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from aoai_lib.kernels import LocalKernelManager, provisioner, warmed

WARM = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")


def printed(*cells: str, folder: Path | None = None, **settings: object) -> list[str]:
    """What each cell of a notebook printed, executed in a kernel of its own."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    where = {"metadata": {"path": str(folder or Path.cwd())}}
    NotebookClient(notebook, resources=where, kernel_manager_class=LocalKernelManager, **settings).execute()
    return ["".join(output.get("text", "") for output in cell.outputs).strip() for cell in notebook.cells]


def gone(pid: int) -> bool:
    """Whether a process ends within some seconds."""
    for _ in range(200):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="class")
def warm() -> Iterator[None]:
    with warmed():
        yield


@WARM
@pytest.mark.usefixtures("warm")
class TestForked:
    def test_it_comes_loaded_from_the_nursery_with_a_group_of_its_own(self) -> None:
        code = "import os, sys; print(os.getppid(), os.getpid(), os.getpgid(0), os.getsid(0), 'aoai_lib.report.tables' in sys.modules)"
        (answer,) = printed(code)
        parent, own, group, session, loaded = answer.split()
        assert "aoai_lib.kernels.nursery" in Path(f"/proc/{parent}/cmdline").read_text()
        assert own == group == session
        assert loaded == "True"

    def test_nothing_passes_from_one_kernel_to_the_next(self) -> None:
        first = "import os, random, uuid, aoai_lib; aoai_lib.left = 1; os.environ['LEFT'] = 'x'; print(random.random(), uuid.uuid4())"
        second = "import os, random, uuid, aoai_lib; print(random.random(), uuid.uuid4()); print(hasattr(aoai_lib, 'left'), 'LEFT' in os.environ)"
        (one,), (two,) = printed(first), printed(second)
        assert two.splitlines()[1] == "False False"
        assert set(one.split()).isdisjoint(two.splitlines()[0].split())

    def test_folder_environment_and_open_files_are_those_that_were_asked_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ASKED", "für mich")
        code = "import os; print(os.getcwd()); print(os.environ['ASKED']); print(os.environ.get('AOAI_NURSERY'))"
        files = "print(sorted({os.readlink(f'/proc/self/fd/{n}') for n in (0,)}))"
        told, standing = printed(code, files, folder=tmp_path)
        assert told.splitlines() == [str(tmp_path), "für mich", "None"]
        assert standing == "['/dev/null']"

    def test_it_listens_on_no_port_and_prints_all_the_same(self) -> None:
        listening = (
            "import os; own = {os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}')}\n"
            "tables = [line.split() for name in ('tcp', 'tcp6') for line in open(f'/proc/self/net/{name}').readlines()[1:]]\n"
            "print([row[1] for row in tables if f'socket:[{row[9]}]' in own], sum(name.startswith('socket:') for name in own) > 3)"
        )
        threaded = "import threading; each = threading.Thread(target=print, args=('from a thread',)); each.start(); each.join()"
        ports, said = printed(listening, threaded)
        assert ports == "[] True"
        assert said == "from a thread"

    def test_no_file_of_the_nursery_stays_open(self) -> None:
        ordinary = "import os; print(sum('socket' in os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')))"
        counts = {printed(ordinary)[0] for _ in range(3)}
        assert len(counts) == 1, "each kernel would keep the ones before it alive"

    def test_a_cell_that_takes_too_long_is_interrupted(self) -> None:
        with pytest.raises(CellTimeoutError):
            printed("import time; time.sleep(60)", timeout=1)

    def test_a_kernel_that_dies_is_seen(self) -> None:
        with pytest.raises(DeadKernelError):
            printed("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    def test_what_a_kernel_started_ends_with_it(self) -> None:
        (pid,) = printed("import subprocess; p = subprocess.Popen(['sleep', '300']); print(p.pid)")
        assert gone(int(pid))

    def test_another_command_is_started_the_ordinary_way(self) -> None:
        assert provisioner._forked([sys.executable, "-c", "pass"], {}) is None
        assert provisioner._forked(["/bin/sh", "-m", "ipykernel_launcher", "-f", "x"], {}) is None


@WARM
def test_kernels_end_with_their_nursery_and_later_ones_start_the_ordinary_way() -> None:
    with warmed():
        pids = printed("import os; print(os.getppid(), os.getpid())")[0].split()
        nursery = int(pids[0])
        with pytest.raises(DeadKernelError):
            printed(
                "import os, signal; print(os.getpid()); os.kill(os.getppid(), signal.SIGKILL)",
                "import time; time.sleep(60)",
            )
        assert gone(nursery)
        assert printed("import os; print(os.getppid())") == [str(os.getpid())]


@WARM
def test_nothing_is_left_behind_and_nothing_is_changed() -> None:
    before = dict(os.environ)
    with warmed():
        folder = Path(os.environ[provisioner.NURSERY_VARIABLE]).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        nursery = int(printed("import os; print(os.getppid())")[0])
    assert gone(nursery)
    assert not folder.exists()
    assert dict(os.environ) == before


@WARM
def test_a_nursery_ends_with_whoever_started_it() -> None:
    code = (
        "import os, sys, time\n"
        "from aoai_lib.kernels import provisioner, warmed\n"
        "with warmed():\n"
        "    kernel = provisioner._forked([sys.executable, '-m', 'ipykernel_launcher', '-f', '/tmp/none.json'], {})\n"
        "    print(kernel.pid, int(open(f'/proc/{kernel.pid}/stat').read().rpartition(')')[2].split()[1]), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert all(gone(int(pid)) for pid in done.stdout.split())


def test_where_processes_are_not_forked_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioner, "_FORKS", False)
    before = dict(os.environ)
    with warmed():
        assert dict(os.environ) == before


def test_a_kernel_that_has_done_its_work_is_not_interrupted() -> None:
    signals: list[int] = []

    class Watched(LocalKernelManager):
        async def _async_signal_kernel(self, signum: int) -> None:
            signals.append(signum)
            await super()._async_signal_kernel(signum)

    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import os; print(os.getpid())")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    client = NotebookClient(notebook, kernel_manager_class=Watched)
    client.execute()
    assert signals == [] and gone(int(notebook.cells[0].outputs[0].text))


def test_client_and_kernel_talk_over_sockets_that_only_this_user_can_open() -> None:
    manager = LocalKernelManager()
    assert (manager.transport, Path(manager.ip).parent.stat().st_mode & 0o077) == ("ipc", 0)
    assert issubclass(provisioner.WarmProvisioner, LocalProvisioner)
    manager._sockets.cleanup()
