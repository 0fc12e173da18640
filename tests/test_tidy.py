"""The house is tidy, and every rule of tests/tidy.py can fail."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from tests import tidy

ROOT = Path(__file__).parent.parent


def project() -> dict[str, str]:
    """Every file that is, or would be, in the repository."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True)
    names = [name for name in done.stdout.decode().split("\0") if name]
    return {
        name: (ROOT / name).read_text("utf-8", errors="replace")
        for name in names
        if (ROOT / name).is_file()
    }


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a repository knows its files")
def test_the_house_is_tidy() -> None:
    found = tidy.problems(project())
    assert not found, "\n" + "\n".join(found)


def test_the_wheel_holds_the_six_packages_and_their_type_marks() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert tuple(packages) == tidy.PRODUCT
    assert all((ROOT / package / "py.typed").exists() for package in packages)


TIDY = {
    "crdt/__init__.py": "from crdt.ids import Dot as Dot\n",
    "crdt/ids.py": "class Dot: ...\n",
    "comm/__init__.py": "",
    "comm/io/__init__.py": "import trio\nfrom crdt import Dot\n",
    "storage/__init__.py": "",
    "samebox/__init__.py": "from samebox.io import open_node\n",
    "samebox/io/__init__.py": "from comm.io import trio\n",
    "samebox/__main__.py": "import os\nCOMMANDS = {'run': 'samebox.io.run:command'}\n",
    "samebox/io/run.py": "print()\n",
    "sim/__init__.py": "import random\n",
    "tests/test_dots.py": "import time\nfrom crdt.ids import Dot\ndef test_dots(): ...\n",
    "README.md": "[words](docs/words.md), `crdt/ids.py`, `tests/test_dots.py::test_dots`\n",
    "docs/words.md": "In `crdt/` and [there](../README.md#top). `certs/{node}.pem`, `docs/*.md`\n",
}


def test_a_tidy_tree_has_no_problems() -> None:
    assert tidy.problems(TIDY) == []


LONG_BODY = "def walk():\n" + "    pass\n" * (tidy.FUNCTION_LINES_MAX - 1)
UNUSED = "nothing in the product imports it"

PLANTED = [
    ("crdt/__init__.py", "import comm\n", "crdt imports comm; declare a Protocol"),
    ("comm/__init__.py", "import storage\n", "comm imports storage; declare a Protocol"),
    ("storage/__init__.py", "import comm.io\n", "storage imports comm; declare a Protocol"),
    ("certs/__init__.py", "from samebox import x\n", "certs imports samebox"),
    ("samebox/io/__init__.py", "from sim import x\n", "samebox imports sim"),
    ("sim/__init__.py", "from tests import x\n", "the product never needs its tests"),
    ("crdt/__init__.py", "from . import ids\n", "relative import"),
    ("comm/__init__.py", "from crdt.ids import Dot\n", "write `from crdt import …`"),
    ("comm/__init__.py", "from crdt import ids\n", "write `from crdt import …`"),
    ("comm/__init__.py", "import crdt.ids\n", "write `from crdt import …`"),
    ("comm/__init__.py", "import trio\n", "imports trio; move it into comm/io/"),
    ("comm/__init__.py", "def f():\n    import os.path\n", "comm/__init__.py:2: imports os"),
    ("comm/__init__.py", "from comm.io import trio\n", "only a file in io/ may"),
    ("sim/__init__.py", "from comm import io\n", "only a file in io/ may"),
    ("crdt/__init__.py", "import random\n", "imports random"),
    ("sim/__init__.py", "import time\n", "imports time; move it into sim/io/"),
    ("crdt/__init__.py", "open('x')\n", "calls open()"),
    ("crdt/__init__.py", "\n" * (tidy.FILE_LINES_MAX + 1), "401 lines, at most 400"),
    ("tests/test_dots.py", "def test_dots(): ...\n" * 401, "401 lines, at most 400"),
    ("comm/__init__.py", LONG_BODY + "    pass\n", "walk has 61 lines, at most 60"),
    ("comm/utils.py", "", "called utils; name it after the idea"),
    ("tests/helpers/__init__.py", "", "called helpers; name it after the idea"),
    ("crdt/clocks.py", "", UNUSED),
    ("crdt/clocks.py", "import crdt.clocks\n", UNUSED),
    ("README.md", "`crdt/dots.py`\n", "README.md:1: names crdt/dots.py, which does not exist"),
    ("README.md", "\n[words](docs/glossary.md)\n", "README.md:2: names docs/glossary.md"),
    ("docs/words.md", "[words](missing.md)\n", "names missing.md"),
    ("docs/words.md", "```\npython examples/none.py\n```\n", "words.md:2: names examples/none.py"),
    ("docs/words.md", "`tests/test_dots.py::test_two`\n", "holds no test_two; name the test"),
    ("docs/words.md", "\nFIX" + "ME\n", "docs/words.md:2: says FIX" + "ME; do it"),
    ("constraints.txt", "# from pypi." + "org\n", "name the package alone"),
    ("Makefile", "cat /wo" + "rk/x\n", "write a path inside the project"),
    ("tests/a.key", "", "a key or certificate; delete it"),
    ("tests/x.txt", "-----BEGIN EC " + "PRIVATE KEY-----\n", "a key or certificate; delete it"),
]


@pytest.mark.parametrize(("path", "text", "problem"), PLANTED)
def test_a_planted_mistake_is_found(path: str, text: str, problem: str) -> None:
    found = tidy.problems({**TIDY, path: text})
    assert any(problem in line and line.startswith(f"{path}:") for line in found), found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("crdt/ids.py", "\n" * tidy.FILE_LINES_MAX),
        ("comm/__init__.py", LONG_BODY),
        ("comm/__init__.py", "from crdt import clocks\n"),
        ("sim/__init__.py", "from samebox.core import Replica\n"),
        ("crdt/clocks.py", ""),
    ],
)
def test_at_its_limit_a_rule_is_silent(path: str, text: str) -> None:
    others = {
        "crdt/__init__.py": "import crdt.ids\nfrom crdt.clocks import clocks\n",
        "crdt/clocks.py": "def clocks(): ...\n",
        "samebox/core.py": "",
        "samebox/io/run.py": "from samebox.core import Replica\n",
    }
    assert tidy.problems({**TIDY, **others, path: text}) == []
