"""Loading, settings, and every way in which a daemon ends."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.protocol.raw_client import spawned
from tests.protocol.scripted import SERVER, connected


async def test_while_the_model_loads_answers_are_empty_and_progress_shows() -> None:
    async with connected(text="value", load_s=0.5) as client:
        client.open("x = \n")
        assert await client.items(0, 4) == []
        await client.notification("$/progress", '"begin"')
        await client.ready()
        assert len(await client.items(0, 4)) == 1


async def test_progress_shows_though_the_client_is_slow_to_allow_it() -> None:
    async with spawned(SERVER, '{"load_s": 0.1}') as (client, _):
        client.delays_s["window/workDoneProgress/create"] = 2.5
        await client.start()
        await client.notification("$/progress", '"end"')
        kinds = [n["params"]["value"]["kind"] for n in client.notifications if n["method"] == "$/progress"]
        assert (kinds[0], kinds[-1]) == ("begin", "end")


@pytest.mark.parametrize(
    ("fails", "sentence"), [("load", "damaged: download it again"), ("load-crash", "ZeroDivisionError")]
)
async def test_a_model_that_cant_be_loaded_is_one_sentence_in_window_and_log(fails: str, sentence: str) -> None:
    async with connected(fails=fails) as client:
        shown = (await client.notification("window/showMessage"))["params"]["message"]
        logged = (await client.notification("window/logMessage"))["params"]["message"]
        assert sentence in shown
        assert sentence in logged
        assert "\n" not in shown
        client.open("x = \n")
        assert await client.items(0, 4) == []


async def test_a_note_of_the_model_is_told_once() -> None:
    async with connected(notes=["scripted sees only what is before the cursor"]) as client:
        await client.notification("window/showMessage", "before the cursor")
        client.open("x = \n")
        await client.items(0, 4)
        assert sum(n["method"] == "window/showMessage" for n in client.notifications) == 1


async def test_a_crash_of_the_model_is_an_empty_answer() -> None:
    async with connected(fails="complete") as client:
        client.open("x = \n")
        assert await client.items(0, 4) == []
        assert not [n for n in client.notifications if n["method"] == "window/showMessage"]


async def test_exit_without_shutdown_is_status_one() -> None:
    async with spawned(SERVER, "{}") as (client, process):
        await client.start()
        client.notify("exit", None)
        assert await asyncio.wait_for(process.wait(), 5) == 1


async def test_the_server_ends_when_its_input_closes_even_while_loading() -> None:
    async with spawned(SERVER, '{"load_s": 60}') as (client, process):
        await client.start()
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 5)


async def test_the_server_ends_when_the_editors_process_is_gone() -> None:
    editor = await asyncio.create_subprocess_exec("sleep", "60")
    async with spawned(SERVER, "{}") as (client, process):
        params = {"processId": editor.pid, "rootUri": None, "capabilities": {}}
        await client.result("initialize", params)
        editor.kill()
        await editor.wait()
        await asyncio.wait_for(process.wait(), 10)


async def test_options_configure_and_mistakes_are_told() -> None:
    async with connected({"completion": {"debouce_ms": 3}, "enabled": False}, text="value") as client:
        message = (await client.notification("window/showMessage"))["params"]["message"]
        assert "did you mean 'completion.debounce_ms'?" in message
        client.open("x = \n")
        assert await client.items(0, 4) == []
        client.notify("workspace/didChangeConfiguration", {"settings": {"fimd": {"enabled": True}}})
        assert len(await client.items(0, 4)) == 1


@pytest.mark.parametrize("settings", [None, {}, {"pylsp": {"plugins": {}}, "gopls": None}, {"fimd": None}, 3])
async def test_settings_of_other_servers_change_and_say_nothing(settings: object) -> None:
    async with connected({"enabled": False, "completion": {"max_token": 1}}, text="value") as client:
        await client.notification("window/showMessage", "completion.max_tokens")
        for _ in range(3):
            client.notify("workspace/didChangeConfiguration", {"settings": settings})
        client.open("x = \n")
        assert await client.items(0, 4, kind=1) == [], "the initialization options still hold"
        assert sum(n["method"] == "window/showMessage" for n in client.notifications) == 1, "told once"


async def test_another_model_is_loaded_when_the_settings_name_it() -> None:
    async with connected(text="value") as client:
        client.notify("workspace/didChangeConfiguration", {"settings": {"model": {"name": "other"}}})
        await client.notification("$/progress", "other is ready")


async def test_an_interrupt_ends_the_server_at_once() -> None:
    async with spawned(SERVER, '{"load_s": 60}') as (client, process):
        await client.start()
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 5) == 130


async def test_what_libraries_print_stays_out_of_the_protocol() -> None:
    async with connected(text="value", prints="printed by the engine") as client:
        client.open("x = \n")
        assert len(await client.items(0, 4)) == 1


async def test_a_failed_model_is_not_tried_again_for_settings_of_others() -> None:
    async with connected(fails="load") as client:
        await client.notification("window/showMessage", "damaged")
        for _ in range(3):
            client.notify("workspace/didChangeConfiguration", {"settings": None})
        client.open("x = \n")
        assert await client.items(0, 4) == []
        assert sum(n["method"] == "window/showMessage" for n in client.notifications) == 1
        client.notify("workspace/didChangeConfiguration", {"settings": {"fimd": {"enabled": True}}})
        await client.wait_for(lambda: sum(n["method"] == "window/showMessage" for n in client.notifications) == 2)
