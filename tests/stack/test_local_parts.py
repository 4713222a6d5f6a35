"""The local parts start, fail and stop cleanly: one clear message, and nothing left running."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rig.stack import local_stack, terraform
from tests.rig.stack.local_stack import REPOSITORY, LocalStack
from tests.rig.stack.process import Server, StartError, free_port
from tests.rig.stack.terraform import SERVICES, Terraform, TerraformError, emulator_override, plugin_dir
from tools.demo import __main__ as demo


def server(tmp_path: Path, code: str) -> Server:
    return Server("the part", [sys.executable, "-c", code], dict(os.environ), tmp_path, tmp_path / "log")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_override_sends_each_service_of_an_example_to_the_emulator() -> None:
    override = emulator_override("http://127.0.0.1:4566")
    sent = re.findall(r'^    (\w+) = "http://127\.0\.0\.1:4566"$', override, re.MULTILINE)
    local = (REPOSITORY / "terraform" / "examples" / "local" / "main.tf").read_text()
    used = re.findall(r"^    (\w+)\s+= var\.endpoint$", local, re.MULTILINE)
    assert sent == list(SERVICES)
    assert len(used) > 10
    assert set(used) < set(sent)


def test_a_part_that_ends_instead_of_starting_is_reported_with_what_it_printed(tmp_path: Path) -> None:
    part = server(tmp_path, "import sys; sys.exit('no room at the inn')")
    with pytest.raises(StartError, match=r"the part ended with exit code 1 instead of starting\.\nno room at the inn"):
        part.wait_until(lambda: False, 30)


def test_a_part_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    part = server(tmp_path, "import time; time.sleep(60)")
    try:
        with pytest.raises(StartError, match="did not answer within 0 s"):
            part.wait_until(lambda: False, 0.3)
    finally:
        part.stop()
    assert not is_alive(part.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_part_ends_when_the_test_that_started_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time, pathlib\n"
        "from tests.rig.stack.process import Server\n"
        "waits = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        f"log = pathlib.Path({str(tmp_path)!r}) / 'log'\n"
        "part = Server('the part', waits, dict(os.environ), pathlib.Path.cwd(), log)\n"
        "print(part.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as test:
        part = int(test.stdout.readline())  # type: ignore[union-attr]
        assert is_alive(part)
        test.kill()
    deadline = time.monotonic() + 10
    while is_alive(part):
        assert time.monotonic() < deadline, "the part runs on"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_stopping_a_part_stops_what_it_started_too(tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        "import subprocess, sys, signal, time, pathlib\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "started = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(started.pid))\n"
        "time.sleep(60)\n"
    )
    part = server(tmp_path, code)
    part.wait_until(lambda: child.exists() and child.read_text() != "", 30)
    part.stop(seconds=0.2)
    deadline = time.monotonic() + 10
    while is_alive(int(child.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not is_alive(part.pid)


def test_two_free_ports_differ_from_those_in_use() -> None:
    assert 1024 < free_port() < 65536


def test_a_stack_that_does_not_come_up_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_stack, "MINISTACK_PYTHON", Path("/bin/false"))
    monkeypatch.setattr(local_stack.tempfile, "mkdtemp", lambda prefix: str(_made(tmp_path / prefix)))
    with pytest.raises(StartError, match="MiniStack ended with exit code 1"), LocalStack("never"):
        pass
    assert list(tmp_path.iterdir()) == []


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_terraform_error_says_what_terraform_said(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('output "x" { value = nonsense }\n')
    with pytest.raises(TerraformError, match=r"terraform validate failed.*\n(.*\n)*.*nonsense"):
        Terraform(tmp_path).run("validate")


def test_a_named_provider_mirror_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TF_PLUGIN_DIR", str(tmp_path))
    assert plugin_dir() == tmp_path


def test_a_provider_mirror_in_the_home_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TF_PLUGIN_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mirror" / "a.registry" / "hashicorp" / "aws").mkdir(parents=True)
    monkeypatch.setattr("tests.rig.stack.terraform.SYSTEM_ROOTS", ())
    assert plugin_dir() == tmp_path / "mirror"


@pytest.mark.parametrize("prepare", ["nothing", "an empty folder"])
def test_a_demo_without_pictures_says_so_in_one_line_and_starts_nothing(
    prepare: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    if prepare == "an empty folder":
        images.mkdir()
    assert demo.demonstrate(images, tmp_path / "out") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert "set IMAGES to a folder with pictures" in printed.err


def test_a_demo_deletes_nothing_but_what_demos_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NotToday:
        def __init__(self, *_: object) -> None:
            raise StartError("not today")

    monkeypatch.setattr(demo, "LocalStack", NotToday)
    for kept in ("mine.txt", "images/cat.png", "processed/old.json"):
        (tmp_path / kept).parent.mkdir(exist_ok=True)
        (tmp_path / kept).write_text("x")
    with pytest.raises(StartError, match="not today"):
        demo.demonstrate(tmp_path / "images", tmp_path)
    assert (tmp_path / "mine.txt").exists()
    assert (tmp_path / "images" / "cat.png").exists()
    assert not (tmp_path / "processed").exists()


@pytest.mark.parametrize("named", [{}, {"TERRAFORM": "terraform"}, {"TERRAFORM": "/no/such/terraform"}])
def test_a_demo_without_terraform_says_so_in_one_line(named: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.demo", "--output", str(tmp_path)],
        env={"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": "lambdas", **named},
        cwd=local_stack.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: no {named.get('TERRAFORM', 'terraform')} binary on PATH")
    assert len(done.stderr.splitlines()) == 1


def test_a_command_that_hangs_is_killed_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\necho Destroying...\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("TERRAFORM", str(hanging))
    monkeypatch.setattr(terraform, "COMMAND_SECONDS", 0.5)
    with pytest.raises(TerraformError, match=r"terraform destroy .* did not end within 0.5 s(.|\n)*Destroying"):
        Terraform(tmp_path).run("destroy")


def test_what_was_applied_is_read_from_the_state_by_terraforms_own_addresses(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "main.tf").write_text('resource "terraform_data" "few" {\n  count = 1\n}\n')
    (tmp_path / "main.tf").write_text(
        'variable "word" {\n  default = "a"\n}\n'
        'resource "terraform_data" "each" {\n  for_each = { "x.y" = var.word }\n  input    = each.value\n}\n'
        'module "inner" {\n  source   = "./inner"\n  for_each = { "p/q" = 1 }\n}\n'
        'output "word" {\n  value = var.word\n}\n'
    )
    root = Terraform(tmp_path)
    root.init()
    root.apply()
    told = json.loads(root.run("show", "-json"))["values"]["root_module"]
    applied = [*told["resources"], *told["child_modules"][0]["resources"]]
    assert {each["address"] for each in root.resources()} == {each["address"] for each in applied}
    assert (root.outputs(), root.planned_changes()) == ({"word": "a"}, [])
    root.variables["word"] = "b"
    assert root.planned_changes() == ['terraform_data.each["x.y"]: update']
    root.destroy()
    assert (root.resources(), root.outputs()) == ([], {})
