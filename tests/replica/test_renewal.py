"""A renewed certificate is used without a restart; one that does not fit never is."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from certs import make_node_certificate, read_certificate
from samebox.config import Config
from samebox.events import Notice
from samebox.io.configuration import load_config
from samebox.io.renewal import LOOK_EVERY_S, Renewal, utc_now
from samebox.testing import local_node_list

DAY = timedelta(days=1)


class Scene:
    def __init__(self, folder: Path) -> None:
        self.config: Config = load_config(local_node_list(folder, ["a", "b"]))
        self.certs = folder / "certs"
        self.later = timedelta()
        self.said: list[Notice] = []
        self.keys: list[bytes] = []
        self.renewal = Renewal(
            self.config, "a", say=self.said.append, renewed=self.keys.append, now=self.now
        )

    def now(self) -> datetime:
        return utc_now() + self.later

    def renew(self, node: str = "a", days: int = 90) -> bytes:
        """Put a certificate of `node` with a new key in the place of that of a."""
        made = self.certs.parent / "made"
        made.mkdir(exist_ok=True)
        for name in ("ca.pem", "ca.key"):
            (made / name).write_bytes((self.certs / name).read_bytes())
        make_node_certificate(made, self.config.cluster, node, days=days)
        for end in ("pem", "key"):
            (made / f"{node}.{end}").rename(self.certs / f"a.{end}")
        return read_certificate((self.certs / "a.pem").read_bytes()).fingerprint

    def look_twice(self) -> None:
        self.renewal.look()
        self.renewal.look()


def test_a_renewed_certificate_is_loaded_once_it_is_at_rest(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    before = scene.renewal.contexts
    scene.look_twice()
    assert scene.renewal.contexts is before and scene.said == []
    key = scene.renew()
    scene.renewal.look()
    assert scene.renewal.contexts is before, "it may be half written"
    scene.renewal.look()
    assert scene.renewal.contexts is not before
    assert scene.keys == [key]
    assert [notice.text for notice in scene.said] == ["node a: its certificate was loaded anew"]
    scene.look_twice()
    assert len(scene.said) == 1


def other_node(scene: Scene) -> None:
    scene.renew("b")


def no_pem(scene: Scene) -> None:
    (scene.certs / "a.pem").write_text("nothing")


def gone(scene: Scene) -> None:
    (scene.certs / "a.key").unlink()


def other_key(scene: Scene) -> None:
    (scene.certs / "a.key").write_bytes((scene.certs / "b.key").read_bytes())


@pytest.mark.parametrize("spoil", [other_node, no_pem, gone, other_key])
def test_what_does_not_fit_is_reported_once_and_never_used(tmp_path: Path, spoil: object) -> None:
    scene = Scene(tmp_path)
    before = scene.renewal.contexts
    assert callable(spoil)
    spoil(scene)
    for _ in range(3):
        scene.look_twice()
    assert scene.renewal.contexts is before and scene.keys == []
    assert len(scene.said) == 1
    assert scene.said[0].alarm and "is not used" in scene.said[0].text
    scene.renew()
    scene.look_twice()
    assert scene.renewal.contexts is not before


def test_what_expires_is_warned_of_until_it_is_renewed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.renew(days=40)
    scene.look_twice()
    del scene.said[:]
    for days in (5, 15, 34, 39):
        scene.later = days * DAY
        scene.look_twice()
    assert [notice.alarm for notice in scene.said] == [True] * 3
    assert all("the certificate of node a expires in" in notice.text for notice in scene.said)
    del scene.said[:]
    scene.later = timedelta()
    scene.renew(days=90)
    scene.look_twice()
    assert [notice.text for notice in scene.said] == ["node a: its certificate was loaded anew"]


async def test_a_running_node_looks_now_and_then(tmp_path: Path, autojump_clock: MockClock) -> None:
    scene = Scene(tmp_path)
    before = scene.renewal.contexts
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.renewal.run)
        await trio.sleep(1)
        scene.renew()
        await trio.sleep(2 * LOOK_EVERY_S + 1)
        assert scene.renewal.contexts is not before
        nursery.cancel_scope.cancel()
