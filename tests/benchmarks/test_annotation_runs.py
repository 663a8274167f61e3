"""The benchmarks of the annotation site do what they say on a small scale."""

import asyncio
import sys
from pathlib import Path

import annotation_kill
import annotation_load
import annotation_site
import pytest
from annotation_client import Browser, form_fields
from annotation_label_studio import label_studio_command, labelling_config
from annotation_load_table import Step


@pytest.mark.slow
def test_answers_survive_killed_servers(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--cycles 40 --annotators 6 --databases sqlite --kill-seconds 1 --lease-seconds 2"
    assert annotation_kill.main(words.split()) == 0
    printed = capsys.readouterr().out
    # of each task three annotators at least
    acknowledged = int(printed.partition("| answers acknowledged | ")[2].partition(" |")[0])
    assert acknowledged >= 3 * round(40 / 4.5)
    assert "| **faults** | **0** |" in printed


@pytest.mark.slow
def test_our_site_is_measured_by_pages_and_by_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    annotation_site.main(
        ["--clients", "2", "--seconds", "1", "--warm-up-seconds", "0", "--tasks", "400", "--workers", "1"]
    )
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "Steersman, 1" in line]
    assert [line[1] for line in lines] == ["pages", "api"]
    assert all(float(line[2]) > 0 for line in lines)
    assert [line[5] for line in lines] == ["0", "0"]


def test_annotators_at_work_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    annotation_load.main(["--annotators", "4", "--rates", "4", "--seconds", "3", "--workers", "1"])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| 1 |")).split(" | ")
    assert line[1] == "4 for 3 s"
    assert line[5] == "0"


def test_a_server_keeps_up_only_within_both_limits_and_without_errors() -> None:
    def step(*, claim: float, submit: float, errors: tuple[str, ...] = ()) -> Step:
        return Step(1, 50.0, 10.0, [claim] * 100, [submit] * 100, list(errors), 1.0, 1, 1.0, 1.0)

    assert step(claim=0.099, submit=0.249).is_kept_up
    assert not step(claim=0.101, submit=0.249).is_kept_up
    assert not step(claim=0.099, submit=0.251).is_kept_up
    assert not step(claim=0.099, submit=0.249, errors=("500",)).is_kept_up


def test_a_browser_reads_replies_of_every_form_and_keeps_cookies() -> None:
    replies = [
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: 3\r\n\r\none",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n1\r\n!\r\n0\r\n\r\n",
        b"HTTP/1.1 303 See Other\r\nConnection: close\r\n\r\nthree",
    ]
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (reply := replies.pop(0) if replies else None) is not None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(reply)
        writer.close()

    async def ask() -> list[tuple[int, str]]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        browser = Browser(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        found = [await browser.get(f"/{number}") for number in range(3)]
        browser.close()
        server.close()
        return [(each.status, each.text) for each in found]

    assert asyncio.run(ask()) == [(200, "one"), (200, "two!"), (303, "three")]
    assert b"Cookie" not in heard[0]
    assert b"\r\nCookie: a=1\r\n" in heard[1]


def test_hidden_fields_of_a_page_are_read() -> None:
    page = '<input type="hidden" name="lease" value="a&amp;b"><input type="radio" name="x" value="1">'
    assert form_fields(page) == {"lease": "a&b"}


def test_label_studio_gets_ten_ratings_and_its_own_start_command() -> None:
    assert labelling_config().count("<Rating ") == 10
    command = label_studio_command(Path(sys.executable), folder=Path("data"), port=1)
    assert command[0] == str(Path(sys.executable).with_name("label-studio"))
    assert command[1:5] == ["start", "--no-browser", "--port", "1"]
