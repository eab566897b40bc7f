"""What ``settlesim deploy aws`` packages is enough: the function runs with nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import pytest

import settlesim
from tests.cli.conftest import Run, here, run
from tests.engines.ministack_server import Ministack

__all__ = ["here", "run"]

pytest.importorskip("boto3", reason="settlesim[aws] is not installed")

RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six")
"""What Lambda's Python has, as far as the function uses it."""

ABSENT = ("pygraphviz", "graphviz", "resvg_py", "tqdm", "click", "starlette", "ipywidgets")

PROGRAM = """
import importlib.util, json, sys
sys.path[:0] = sys.argv[1:3]
found = [name for name in json.loads(sys.argv[4]) if importlib.util.find_spec(name)]
assert not found, found
import app
print(json.dumps(app.handler(json.loads(sys.argv[3]), None)))
"""


def put(name: str, folder: Path) -> None:
    """Put a distribution into a folder, as ``pip install --no-deps --target`` does."""
    found = distribution(name)
    if name == "settlesim":  # it may be an editable installation, which is a link to the source
        package = Path(settlesim.__file__).parent
        (folder / "settlesim").symlink_to(package)
        (metadata,) = {each.parts[0] for each in found.files or () if each.parent.suffix}
        (folder / metadata).symlink_to(str(found.locate_file(metadata)))
        return
    for top in sorted({each.parts[0] for each in found.files or ()} - {"..", "__pycache__"}):
        if not (folder / top).exists():
            (folder / top).symlink_to(str(found.locate_file(top)))


@pytest.mark.parametrize("chart", ["count", "count.json"])
def test_the_function_runs_with_the_packages_of_its_list(
    here: Path, run: Run, ministack: Ministack, chart: str
) -> None:
    """And with boto3: an event that arrives in a batch is settled; nothing that draws is there."""
    if chart == "count.json":
        plain = {"name": "plain", "initial": "a", "states": [{"name": "a", "tags": ["settled"]}]}
        (here / chart).write_text(json.dumps(plain | {"transitions": [["COUNT", "a", "a"]]}))
    done = run("deploy", "aws", chart, "-o", "out")
    assert done.exit_code == 0, done.stderr
    package, runtime = here / "out" / "src", here / "runtime"
    runtime.mkdir()
    for line in (package / "requirements.txt").read_text().splitlines():
        put(re.split("[=<>]", line)[0], package)
    for name in RUNTIME:
        put(name, runtime)
    resources = ministack.resources(f"package-{chart.removesuffix('.json')}-{chart.count('.')}")
    body = json.dumps({"key": "c1", "event": "COUNT", "data": None, "id": "e1"})
    message = {"messageId": "m1", "body": body, "attributes": {"MessageGroupId": "c1"}}
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "SETTLESIM_TABLE": resources.table,
        "SETTLESIM_QUEUE_URL": resources.queue_url,
        "AWS_ENDPOINT_URL": ministack.client["endpoint_url"],
        "AWS_DEFAULT_REGION": ministack.client["region_name"],
        "AWS_ACCESS_KEY_ID": ministack.client["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": ministack.client["aws_secret_access_key"],
    }
    arguments = [str(package), str(runtime), json.dumps({"Records": [message]}), json.dumps(ABSENT)]
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"batchItemFailures": []}
    item = resources.dynamodb.get_item(
        TableName=resources.table,
        Key={"pk": {"S": f"i#{'plain' if '.' in chart else 'count'}#c1"}, "sk": {"S": "record"}},
    )["Item"]
    (past,) = json.loads(item["record"]["S"])["past"]
    assert past["record"]["outcome"] == "resolved"


def test_everything_that_is_packaged_is_pure_python(here: Path, run: Run) -> None:
    """So it does not matter on which machine the function is built."""
    run("deploy", "aws", "count", "-o", "out")
    suffixes = set(sysconfig.get_config_var("EXT_SUFFIX").split()) | {".so", ".pyd"}
    for line in (here / "out" / "src" / "requirements.txt").read_text().splitlines():
        files = distribution(re.split("[=<>]", line)[0]).files or ()
        assert not [each for each in files if each.suffix in suffixes], line
